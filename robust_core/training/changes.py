"""What may be changed while a run goes: the highest learning rate and the inner attack. Exactly resumable.

state/asked.jsonl: changes as they are asked for, by anybody, one a line. state/taken.jsonl: the same lines with the
step they were taken at, written by the loop before it takes them. A run that is resumed from before that step takes
them there again, so its history is that of a run that never ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robust_core.checkpoints import STATE
from robust_core.registry import unknown
from robust_core.training.recipe import Recipe, parse_recipe
from robust_core.training.run import Run

ASKED, TAKEN = "asked.jsonl", "taken.jsonl"  # both in STATE
CHANGEABLE = {"lr": "schedule.lr", "eps": "attack.eps", "steps": "attack.steps", "step_size": "attack.step_size"}

Change = Mapping[str, Any]


def changed(recipe: Recipe, change: Change) -> Recipe:
    """The recipe with this change: lr is the schedule's highest rate, the others are the inner attack's.

    Raises UserError for a key that cannot be changed, or a value the recipe could not have.
    """
    for key in change:
        if key not in CHANGEABLE:
            raise unknown("change of a running training", key, CHANGEABLE)
    return parse_recipe(recipe.to_toml(), overrides={CHANGEABLE[key]: value for key, value in change.items()})


def ask(folder: Path, change: Change) -> None:
    """Leaves a change for the loop, which takes it before its next step. Raises UserError as `changed` does.

    A step size that the recipe names follows ε and the number of steps in proportion, unless it is changed, too: made
    for another ball, it would not reach the edge of this one, or leap over it.
    """
    latest = Run(folder).recipe
    for earlier in _lines(folder / STATE / ASKED):
        latest = changed(latest, earlier)
    after, before = changed(latest, change).attack, latest.attack
    moved = (after.eps, after.steps) != (before.eps, before.steps)
    if moved and before.step_size is not None and "step_size" not in change:
        share = (after.eps / before.eps) * (before.steps / after.steps) if before.eps else 1.0
        change = {**change, "step_size": float(f"{before.step_size * share:.6g}")}
        changed(latest, change)
    _append(folder / STATE / ASKED, change)


class Changes:
    """The loop's side. recipe: as it is from `step` on, with all that was taken before."""

    def __init__(self, run: Run, step: int) -> None:
        self._folder = run.folder / STATE
        self._taken: list[Change] = list(_lines(self._folder / TAKEN))
        self._next = sum(change["step"] < step for change in self._taken)
        self._seen = 0  # bytes of ASKED when last read
        self.recipe = run.recipe
        for change in self._taken[: self._next]:
            self.recipe = changed(self.recipe, _without_step(change))

    def take(self, step: int) -> bool:
        """Notes what was newly asked for, to be taken before this step; True where that is something.

        Of several processes that train together, one takes and tells all what it has `taken`. A look at a file's size.
        """
        try:
            size = os.stat(self._folder / ASKED).st_size
        except FileNotFoundError:
            return False
        if size == self._seen or self._next < len(self._taken):  # what was taken before a death comes first
            return False
        self._seen = size
        new = _lines(self._folder / ASKED)[len(self._taken) :]
        for change in new:
            _append(self._folder / TAKEN, {**change, "step": step})
            self._taken.append({**change, "step": step})
        return bool(new)

    @property
    def taken(self) -> list[Change]:
        """All changes so far, each with the step it was taken at; `told` is the other side of it."""
        return self._taken

    def told(self, taken: list[Change]) -> None:
        self._taken = taken

    def due(self, step: int) -> list[Change]:
        """The changes to take before this step, in order; `recipe` then is what they make of it."""
        due = []
        while self._next < len(self._taken) and self._taken[self._next]["step"] <= step:
            due.append(_without_step(self._taken[self._next]))
            self.recipe = changed(self.recipe, due[-1])
            self._next += 1
        return due


def _without_step(change: Change) -> Change:
    return {key: value for key, value in change.items() if key != "step"}


def _lines(path: Path) -> list[dict[str, Any]]:
    """One change a whole line; what is still being written, or was torn by a full disk, is none."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    changes = []
    for line in lines:
        try:
            changes.append(json.loads(line))
        except ValueError:
            continue
    return changes


def _append(path: Path, change: Change) -> None:
    with open(path, "a+b") as file:
        torn = file.seek(0, 2) and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"
        file.write((b"\n" if torn else b"") + json.dumps(dict(change)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
