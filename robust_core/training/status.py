"""What a run is doing, read from its folder alone: by any process, also after the app or the machine was restarted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from robust_core.checkpoints import CARD, HISTORY, RECIPE
from robust_core.folders import below
from robust_core.training import launch
from robust_core.training.progress import Progress, read_progress
from robust_core.training.recipe import Recipe, read_recipe
from robust_core.training.record import Record, asked_to_stop, last_lines, read_record
from robust_core.training.run import Run
from robust_core.types import UserError

Status = Literal["queued", "running", "stopped", "dead", "failed", "finished"]
GONE = "its process is gone without a word: killed, or out of memory"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A run as it is now.

    name: the folder below the runs folder. title and recipe: None where the recipe cannot be read; told then says why.
    status: running also means starting, and measuring after the last step. place: in the queue, from 1; else None.
    stopping: running, and asked to stop. told: why it stopped, failed or died; empty where there is nothing to say.
    """

    folder: Path
    name: str
    title: str | None
    recipe: Recipe | None
    status: Status
    progress: Progress
    device: str = "auto"
    place: int | None = None
    stopping: bool = False
    told: str = ""


def status_of(folder: Path, record: Record | None) -> Status:
    """A process that holds the run's lock, or that the record names and that lives, runs it; else the record counts."""
    if record is not None and record.phase in ("launched", "working") and launch.launcher().alive(record.process):
        return "running"
    if Run(folder).is_held:  # by a process that cannot be seen from here, or that keeps no record
        return "running"
    if (folder / CARD).is_file():
        return "finished"
    if record is None:
        return "dead" if (folder / HISTORY).is_file() and not Run(folder).has_state else "stopped"
    return "dead" if record.phase == "launched" or record.phase == "working" else record.phase


def look(folder: Path, root: Path | None = None) -> Seen:
    """The run in this folder. Raises UserError where there is none."""
    if not (folder / RECIPE).is_file():
        raise UserError(f"{folder} is not a run: it has no {RECIPE}")
    record = read_record(folder)
    status = status_of(folder, record)
    recipe, problem = _recipe(folder / RECIPE)
    told = record.told if record is not None and status in ("stopped", "failed") else ""
    if status == "dead":
        told = "\n".join(filter(None, (last_lines(folder), GONE)))
    return Seen(
        folder=folder,
        name=folder.relative_to(root).as_posix() if root is not None else folder.name,
        title=recipe.title if recipe else None,
        recipe=recipe,
        status=status,
        progress=_progress(folder),
        device=record.device if record else "auto",
        stopping=status == "running" and record is not None and asked_to_stop(folder, record.process),
        told="\n".join(filter(None, (problem, told))),
    )


def _progress(folder: Path) -> Progress:
    """As the history tells it; at the step of the saved state where that is later, for steps are told now and then."""
    told = read_progress(folder)
    return replace(told, step=max(told.step, Run(folder).saved_step))


def run_folders(root: Path) -> Iterator[Path]:
    """Every run under the folder, in it or one folder deeper, and the folder itself where it is a run."""
    for folder in (root, *below(root, 2)):
        if (folder / RECIPE).is_file():
            yield folder


def _recipe(path: Path) -> tuple[Recipe | None, str]:
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size), ""
    except (UserError, OSError) as error:
        return None, str(error)


@lru_cache(maxsize=1024)
def _read(path: Path, _mtime_ns: int, _size: int) -> Recipe:
    return read_recipe(path)
