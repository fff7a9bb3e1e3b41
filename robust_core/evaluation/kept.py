"""The verdicts of an evaluation on disk while it lasts: state/evaluation.json, a letter an image and attack."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from robust_core.cards import Card
from robust_core.checkpoints import STATE, Checkpoint
from robust_core.evaluation.ensemble import BROKEN, RIGHT, UNASKED, WRONG, Outcomes
from robust_core.evaluation.fab import Fab
from robust_core.evaluation.plan import Plan
from robust_core.folders import write_whole
from robust_core.types import ImageSet, UserError

KEPT = "evaluation.json"  # in STATE
LETTERS = {UNASKED: ".", WRONG: "0", RIGHT: "1", BROKEN: "!"}
FORMAT = 2  # of what is kept; another one is begun anew


def versions(plan: Plan | None = None) -> dict[str, str]:
    found = {"python": platform.python_version(), "torch": torch.__version__}
    for attack in plan.borrowed if plan else ():
        found[attack.package] = attack.version
    return found


def gone(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.name} was removed from {checkpoint.folder} during its evaluation; nothing was written"


def identity(card: Card, images: ImageSet, plan: Plan, n: int, how: Sequence[object]) -> str:
    """What must be equal for kept verdicts to be of use. how: what decides on them beside the plan, each as a text."""
    groups = {group: list(names) for group, names in plan.groups.items()}
    attacks = {name: asdict(a) if isinstance(a, Fab) else a.to_dict() for name, a in plan.attacks.items()}
    facts = [FORMAT, card.weights_sha256, images.fingerprint, n, attacks, groups, versions(plan), *map(str, how)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


class Kept:
    """The verdicts on disk, of one evaluation and no other."""

    def __init__(self, checkpoint: Checkpoint, identity: str) -> None:
        self.checkpoint, self.identity = checkpoint, identity
        self.path: Path = checkpoint.folder / STATE / KEPT

    def write(self, known: Outcomes) -> None:
        content = {
            "identity": self.identity,
            "clean": _letters(known.clean),
            "after": {name: _letters(found) for name, found in known.after.items()},
            "seconds": known.seconds,
        }
        try:
            write_whole(self.path, json.dumps(content).encode())
        except FileNotFoundError as error:
            raise UserError(gone(self.checkpoint)) from error

    def read(self) -> Outcomes | None:
        """None where nothing is kept, or only something else."""
        try:
            content = json.loads(self.path.read_bytes())
            if content["identity"] != self.identity:
                return None
            after = {name: _numbers(text) for name, text in content["after"].items()}
            return Outcomes(_numbers(content["clean"]), after, content["seconds"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None


def _letters(found: torch.Tensor) -> str:
    return "".join(LETTERS[value] for value in found.tolist())


def _numbers(text: str) -> torch.Tensor:
    codes = {letter: value for value, letter in LETTERS.items()}
    return torch.tensor([codes[letter] for letter in text], dtype=torch.int8)
