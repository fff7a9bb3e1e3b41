"""The checkpoints as a table: what each is, where it came from, whether its card still fits its weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robust_core import checkpoints
from robust_core.cards import IMPORTED
from robust_core.checkpoints import RECIPE, RUNS, Checkpoint
from robust_core.library import evaluations, trash
from robust_core.library.limits import refuse_when_read_only
from robust_core.library.storage import size_of
from robust_core.library.trash import Trashed
from robust_core.training import status
from robust_core.types import UserError

KIND = "checkpoint"
BUSY = ("running", "queued")
CHECK_BYTES = 2 * 2**30  # of weights, at most, that are read to see whether cards fit, in one look


@dataclass(frozen=True, kw_only=True)
class Row:
    """A checkpoint in the table. size: bytes of its folder. source, licence: in words, "" where nobody said.

    fits: whether the weights are those its card describes; None where that was not looked at. problem: why it cannot
    be used, or None.
    """

    found: Checkpoint
    size: int
    source: str
    licence: str
    fits: bool | None
    problem: str | None

    @property
    def name(self) -> str:
        return self.found.name

    @property
    def title(self) -> str:
        return self.found.card.title if self.found.card else self.found.folder.name


def rows() -> list[Row]:
    """Every checkpoint. No network is built; weights are hashed the first time they are seen, up to CHECK_BYTES."""
    found, budget = [], CHECK_BYTES
    for each in checkpoints.find_all():
        size = size_of(each.folder)
        budget -= size
        found.append(_row(each, size, look_inside=budget >= 0))
    return found


def row(found: Checkpoint) -> Row:
    """One checkpoint."""
    return _row(found, size_of(found.folder), look_inside=True)


def _row(found: Checkpoint, size: int, *, look_inside: bool) -> Row:
    fits, problem = None, found.problem
    if found.card is not None and problem is None and look_inside:
        try:
            fits = checkpoints.weights_sha(found) == found.card.weights_sha256
        except UserError as error:
            problem = str(error)
        if fits is False:
            problem = f"{found.name}: its weights are not those its card describes; restore them, or train it again"
    return Row(
        found=found,
        size=size,
        source=source_of(found),
        licence=found.card.licence if found.card else "",
        fits=fits,
        problem=problem,
    )


def source_of(found: Checkpoint) -> str:
    """Where the weights came from, as far as the folder tells."""
    if found.card is None:
        return ""
    if found.card.notes.startswith(IMPORTED):
        return "imported from " + found.card.notes.removeprefix(IMPORTED).split(" (SHA-256")[0][:80]
    return "trained from its recipe" if (found.folder / RECIPE).is_file() else "not said"


def root_of(name: str) -> tuple[Path, str]:
    """The folder whose trash takes this checkpoint, and its path below it."""
    if name.startswith(RUNS):
        return checkpoints.runs_folder(), name.removeprefix(RUNS)
    return checkpoints.zoo_folder(), name


def delete(found: Checkpoint) -> Trashed:
    """Moves a checkpoint into the trash. Raises UserError where it is gone or in use, and where nothing is deleted."""
    refuse_when_read_only()
    if found.name.startswith(RUNS) and (found.folder / RECIPE).is_file() and status.look(found.folder).status in BUSY:
        raise UserError(f"{found.name} is still in the making; stop it first")
    if evaluations.is_evaluated(found):
        raise UserError(f"{found.name} is being evaluated; stop the evaluation first, or wait for it")
    root, path = root_of(found.name)
    title = found.card.title if found.card else found.name
    return trash.discard(root, [path], kind=KIND, title=f"{title} ({found.name})")


def ago(when: float) -> str:
    """ "just now", "5 min ago", "3 h ago", "12 days ago" for a time in seconds since 1970."""
    seconds = max(0.0, time.time() - when)
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {'day' if unit == 'days' and count == 1 else unit} ago"
    return "just now"


def title_of(rows_: Sequence[Row]) -> dict[str, str]:
    """Name → title; the name stands behind a title that several have."""
    every = [row.title for row in rows_]
    return {row.name: row.title if every.count(row.title) == 1 else f"{row.title} ({row.name})" for row in rows_}
