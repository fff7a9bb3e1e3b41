"""Finished runs as checkpoints: folders with a card that says what the weights are and what was measured on them.

checkpoints/<data>/<name>/  recipe.toml  history.jsonl  weights.safetensors  card.json
Nothing is unpickled: weights are safetensors, everything else is text.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from robust_core.cards import Borrowed, Card, Doubt, Doubts, Evaluation, Measure, Tally
from robust_core.folders import below, write_whole
from robust_core.models import build
from robust_core.registry import unknown
from robust_core.types import Classifier, UserError

__all__ = [
    "CARD",
    "HISTORY",
    "RECIPE",
    "STATE",
    "TIMES",
    "WEIGHTS",
    "Borrowed",
    "Card",
    "Checkpoint",
    "Doubt",
    "Doubts",
    "Evaluation",
    "Measure",
    "Tally",
    "at",
    "find",
    "find_all",
    "load",
    "places",
    "read_history",
    "runs_folder",
    "weights_sha",
    "write_card",
    "zoo_folder",
]

CARD, WEIGHTS, RECIPE, HISTORY = "card.json", "weights.safetensors", "recipe.toml", "history.jsonl"
TIMES = "timing.json"  # what was timed of it, on this machine
STATE = "state"  # what only a run in the making has
RUNS = "runs/"  # before the name of a finished run that was not put among the checkpoints: it is one where it lies


@dataclass(frozen=True)
class Checkpoint:
    """A folder that holds a finished run. problem: one sentence on why it cannot be used, or None."""

    folder: Path
    name: str  # "<data>/<name>", or "runs/<name>", as in URLs and on the command line
    card: Card | None
    problem: str | None = None


def zoo_folder() -> Path:
    """Where checkpoints live: ROBUSTLENS_CHECKPOINTS, else `checkpoints` beside the package."""
    return Path(os.environ.get("ROBUSTLENS_CHECKPOINTS") or Path(__file__).parent.parent / "checkpoints")


def runs_folder() -> Path:
    """Where runs are made: ROBUSTLENS_RUNS, else `runs` in the working directory."""
    return Path(os.environ.get("ROBUSTLENS_RUNS") or "runs")


def folder_of(name: str) -> Path:
    """Where the checkpoint of this name, as `find_all` gives it, lies."""
    return runs_folder() / name.removeprefix(RUNS) if name.startswith(RUNS) else zoo_folder() / name


def find_all(root: Path | None = None) -> list[Checkpoint]:
    """Every checkpoint by name, under this folder, or under the zoo's and then the finished runs of the runs folder.

    Those with a broken card or no weights carry their problem.
    """
    return [_read(folder, name) for name, folder in places(root).items()]


def places(root: Path | None = None) -> dict[str, Path]:
    """Name → folder of what `find_all` finds; nothing is read."""
    return _under(root) if root is not None else _under(zoo_folder()) | _finished_runs()


def _finished_runs() -> dict[str, Path]:
    runs, zoo = runs_folder(), zoo_folder().resolve()
    folders = [folder for folder in below(runs, 2) if (folder / CARD).is_file() and zoo not in folder.resolve().parents]
    return {RUNS + folder.relative_to(runs).as_posix(): folder for folder in folders}


def _under(root: Path) -> dict[str, Path]:
    folders = {path.parent for kind in (CARD, WEIGHTS) for path in root.glob(f"*/*/{kind}")}
    # A folder with a state and no card is a run still in the making: not broken, only not a checkpoint yet.
    folders = {f for f in folders if (f / CARD).exists() or not (f / STATE).exists()}
    return {f"{folder.parent.name}/{folder.name}": folder for folder in sorted(folders)}


def find(name: str, root: Path | None = None) -> Checkpoint:
    """The checkpoint called "<data>/<name>", or "<name>" where that is unique, or at a folder of that path.

    Raises UserError where there is none, or several.
    """
    every = find_all(root)
    hits = [c for c in every if name in (c.name, c.folder.name)]
    exact = [c for c in hits if c.name == name] or [c for c in hits if not c.name.startswith(RUNS)]
    if len(hits) == 1 or len(exact) == 1:
        return (exact or hits)[0]
    if hits:
        raise UserError(f"checkpoint {name!r} is ambiguous: {', '.join(c.name for c in hits)}")
    if (Path(name) / CARD).is_file() or (Path(name) / WEIGHTS).is_file():
        return at(Path(name))
    raise unknown("checkpoint", name, [c.name for c in every])


def at(folder: Path, name: str = "") -> Checkpoint:
    """The checkpoint in this folder, wherever it lies; called by its last two folders where no name is given."""
    folder = folder.resolve()
    return _read(folder, name or f"{folder.parent.name}/{folder.name}")


def load(checkpoint: Checkpoint, device: str | torch.device = "cpu") -> Classifier:
    """The network, in eval mode, its weights without gradient. Raises UserError, naming it, where it is broken."""
    card = checkpoint.card
    if card is None or checkpoint.problem:
        raise UserError(checkpoint.problem or f"{checkpoint.name}: no card")
    digest = weights_sha(checkpoint)
    if digest != card.weights_sha256:
        raise UserError(
            f"{checkpoint.name}: {WEIGHTS} is not the file its card describes "
            f"(SHA-256 {digest[:12]}…, card says {card.weights_sha256[:12]}…); restore the file, or train it again"
        )
    net = build(
        card.architecture, in_channels=card.image_shape[0], num_classes=len(card.class_names), seed=0, **card.options
    )
    tensors = _read_tensors(checkpoint)
    wanted = net.state_dict()
    missing, foreign = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    misshaped = [k for k in wanted.keys() & tensors.keys() if wanted[k].shape != tensors[k].shape]
    if missing or foreign or misshaped:
        raise UserError(
            f"{checkpoint.name}: the weights do not fit the card's architecture {card.architecture!r}: "
            f"missing {missing[:3] or 'none'}, unexpected {foreign[:3] or 'none'}, mis-shaped {misshaped[:3] or 'none'}"
        )
    net.load_state_dict(tensors)
    net.to(device).eval().requires_grad_(False)
    _try_out(checkpoint, net, card, device)
    return net


def _try_out(checkpoint: Checkpoint, net: Classifier, card: Card, device: str | torch.device) -> None:
    """One black image: a card whose options cannot be run is found here, not in the middle of a page."""
    try:
        with torch.no_grad():
            net(torch.zeros(1, *card.image_shape, device=device))
    except (RuntimeError, ValueError, TypeError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{checkpoint.name}: the card's {card.architecture!r} cannot be run: {why}") from error


def weights_sha(checkpoint: Checkpoint) -> str:
    """SHA-256 of the weights file as it lies on disk now. Raises UserError where it cannot be read."""
    path = checkpoint.folder / WEIGHTS
    try:
        stat = path.stat()
        return _digest(str(path), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{checkpoint.name}: {WEIGHTS} cannot be read: {error.strerror}") from error


@lru_cache(maxsize=4096)
def _digest(path: str, _size: int, _mtime_ns: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_card(folder: Path, card: Card) -> None:
    write_whole(folder / CARD, (card.model_dump_json(indent=1, exclude_none=True) + "\n").encode())


def _read(folder: Path, name: str) -> Checkpoint:
    try:
        card = Card.model_validate_json((folder / CARD).read_bytes())
    except OSError as error:
        return Checkpoint(folder, name, None, f"{name}: {CARD} cannot be read: {error.strerror}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        return Checkpoint(folder, name, None, f"{name}: {CARD} is not a valid card: {where}: {first['msg']}")
    if not (folder / WEIGHTS).is_file():
        return Checkpoint(folder, name, card, f"{name}: {WEIGHTS} is missing")
    return Checkpoint(folder, name, card)


def _read_tensors(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    try:
        with safe_open(checkpoint.folder / WEIGHTS, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  it is no dict
    except (SafetensorError, OSError) as error:
        raise UserError(f"{checkpoint.name}: {WEIGHTS} cannot be read: {error}") from error


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The events of history.jsonl, oldest first; a torn last line is left out. Empty where there is no history."""
    path = folder / HISTORY
    if not path.is_file():
        return []
    events: list[dict[str, Any]] = []
    for line in path.read_bytes().split(b"\n"):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):  # torn, or made to break whoever reads it
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
