"""Run control: what runs there are, and start, stop, resume, change and discard, for command line and pages alike.

All facts are in the run folders; everything here may be called from any process at any time, by several at once.
A run is named by its folder, or by its name below the runs folder.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from robust_core import data
from robust_core.checkpoints import CARD, HISTORY, RECIPE, STATE, TIMES, WEIGHTS
from robust_core.device import choose_device
from robust_core.folders import is_full
from robust_core.training import changes
from robust_core.training.fit import fitting_teachers
from robust_core.training.limits import limits, refuse_when_off
from robust_core.training.progress import read_progress
from robust_core.training.queue import next_number, promote, promote_held, queue_held, standing
from robust_core.training.recipe import Recipe
from robust_core.training.record import Record, ask_to_stop, read_record, write_record
from robust_core.training.run import Run, runs_folder
from robust_core.training.status import Seen, Status, look, run_folders, status_of
from robust_core.types import ImageSet, UserError

__all__ = ["Seen", "Status", "change", "discard", "find", "look", "resume", "runs", "start", "stop", "wait"]

ORDER = ("running", "queued", "failed", "dead", "stopped", "finished")


def runs(also: Path | None = None) -> list[Seen]:
    """Every run in the runs folder, and in one more: running first, then those that wait in their order, then the rest.

    Lets waiting runs go where there is room. Takes about half a millisecond a run.
    """
    with suppress(OSError):  # a folder that may be read, but not written, is still listed
        promote()
    queue = {folder: place for place, folder in enumerate(standing()[0], start=1)}
    seen = []
    for root in dict.fromkeys(root for root in (runs_folder(), also) if root is not None):
        for folder in run_folders(root):
            with suppress(UserError):  # discarded since it was listed
                seen.append(replace(look(folder, root), place=queue.get(folder)))
    return sorted(seen, key=lambda run: (ORDER.index(run.status), run.place or 0, run.name))


def find(run: str | Path) -> Path:
    """The folder of a run. Raises UserError where there is none."""
    # `list` and the pages put "runs/" before the name, so that it is told from a checkpoint's.
    for folder in (runs_folder() / run, Path(run), runs_folder() / str(run).removeprefix("runs/")):
        if (folder / RECIPE).is_file():
            return folder
    names = [folder.relative_to(runs_folder()).as_posix() for folder in run_folders(runs_folder())]
    raise UserError(f"{run} is not a run; known: {', '.join(names) or 'none yet'}")


def start(
    recipe: Recipe, *, name: str = "", to: Path | None = None, device: str = "auto", images: ImageSet | None = None
) -> Path:
    """Trains the recipe in the background, now or as soon as there is room; returns the run's folder.

    name: of the folder, made unique; the recipe's title by default. to: exactly this folder, below the runs folder.
    images: the recipe's training images, where the caller has them; they are loaded to be looked at otherwise.
    Raises UserError where the deployment's limits, the machine, the data or the teachers do not allow it.
    """
    refuse_when_off()
    _refuse_unfit(recipe, device, images)
    with queue_held():
        folder = _free_folder(name or recipe.title) if to is None else _below_runs(to)
        _refuse_full()
        number = next_number()
        with _room_on_the_disk(folder):
            Run.create(folder, recipe.settled(choose_device(device)))
            write_record(folder, Record(phase="queued", number=number, device=device, cwd=os.getcwd()))
        promote_held()
    return folder


def stop(run: str | Path) -> None:
    """Asks a run to save its state and end, which takes a step or two, or takes it out of the queue.

    Raises UserError where it neither runs nor waits.
    """
    folder = find(run)
    with queue_held(), _room_on_the_disk():
        record, status = read_record(folder), status_of(folder, read_record(folder))
        if record is not None and status == "queued":
            write_record(folder, replace(record, phase="stopped", told="taken out of the queue"))
        elif status != "running":
            raise UserError(f"{folder} does not run: it is {status}")
        elif record is None:
            raise UserError(f"{folder} is trained by a program that listens to no one; stop it there")
        else:
            ask_to_stop(folder, record.process)


def resume(run: str | Path, *, device: str | None = None) -> None:
    """Goes on with a stopped, failed or dead run in the background, now or as soon as there is room.

    device: as at its start, where none is given. Raises UserError where it runs, waits or is finished already.
    """
    refuse_when_off()
    folder = _below_runs(find(run))
    with queue_held(), _room_on_the_disk():
        seen, record = look(folder), read_record(folder) or Record(phase="queued", cwd=os.getcwd())
        if seen.status in ("running", "queued"):
            cure = "wait until it has stopped" if seen.stopping else "stop it first"
            raise UserError(f"{folder} is {'stopping' if seen.stopping else seen.status} already; {cure}")
        if seen.status == "finished":
            raise UserError(f"{folder} is finished: there is nothing to go on with")
        if read_progress(folder).seconds >= limits().hours * 3600:
            raise UserError(f"{folder} has trained as long as ROBUSTLENS_MAX_RUN_HOURS allows: {limits().hours:g} h")
        _refuse_full()
        queued = replace(record, phase="queued", number=next_number(), told="")
        write_record(folder, queued if device is None else replace(queued, device=device))
        promote_held()


def change(run: str | Path, **values: Any) -> None:
    """Changes lr, eps, steps or step_size of a run; it takes them before its next step, and says so in its history.

    Raises UserError for another key, a value that the recipe could not have, or a finished run.
    """
    folder = find(run)
    if (folder / CARD).is_file():
        raise UserError(f"{folder} is finished: nothing of it can be changed")
    with _room_on_the_disk():
        changes.ask(folder, values)


def discard(run: str | Path) -> None:
    """Deletes a run that neither runs nor waits: its own files, and the folder where nothing else is in it."""
    folder = find(run)
    with queue_held():
        status = status_of(folder, read_record(folder))
        if status in ("running", "queued"):
            raise UserError(f"{folder} is {status}; stop it before it is discarded")
        ours = Run(folder)
        with ours.held():
            (folder / RECIPE).unlink()  # first: without it, nobody takes the folder for a run
            for name in (CARD, HISTORY, WEIGHTS, TIMES):
                (folder / name).unlink(missing_ok=True)
            ours.sweep()
            shutil.rmtree(folder / STATE)  # last, for the lock is in it: another run may begin here now
            with suppress(OSError):  # not empty: what is left is not ours
                folder.rmdir()


def wait(run: str | Path, *, seconds: float) -> Seen:
    """Watches a run until it no longer runs or waits, or the time is up; returns what it is then."""
    folder, until = find(run), time.monotonic() + seconds
    while True:
        seen = look(folder)
        if seen.status not in ("running", "queued") or time.monotonic() > until:
            return seen
        promote()
        time.sleep(0.1)


@contextmanager
def _room_on_the_disk(made: Path | None = None) -> Iterator[None]:
    """A full disk is a sentence. made: a folder to take away again."""
    try:
        yield
    except OSError as error:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        if not is_full(error):
            raise
        raise UserError("the disk is full: discard runs, or free some space, then try again") from error


def _refuse_unfit(recipe: Recipe, device: str, images: ImageSet | None) -> None:
    """What can be known beforehand. Data that must be downloaded first is looked at when the run has it."""
    where: torch.device = choose_device(device)
    if images is not None or data.available().get(recipe.data.name, True):
        train = data.load(recipe.data.name).train if images is None else images
        fitting_teachers(recipe, train, where)


def _refuse_full() -> None:
    """Raises UserError where the runs take all the room they may."""
    used = 0
    for folder, _, files in os.walk(runs_folder()):
        for name in files:
            with suppress(FileNotFoundError):  # removed since it was listed
                used += os.stat(os.path.join(folder, name)).st_size
    allowed = limits().disk_mb
    if used / 1e6 >= allowed:
        raise UserError(
            f"the runs take {used / 1e6:,.0f} MB of the {allowed:,.0f} they may (ROBUSTLENS_MAX_DISK_MB); discard some"
        )


def _free_folder(name: str) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60] or "run"
    names = (slug, *(f"{slug}_{i}" for i in range(2, 10_000)))
    return next(runs_folder() / n for n in names if not (runs_folder() / n).exists())


def _below_runs(folder: Path) -> Path:
    root = runs_folder()
    if root.resolve() not in folder.resolve().parents or len(folder.resolve().relative_to(root.resolve()).parts) > 2:
        raise UserError(
            f"runs in the background live in {root} or one folder deeper; {folder} does not: "
            f"give --to as {root / folder.name}, set ROBUSTLENS_RUNS, or train it in the foreground"
        )
    return root / folder.resolve().relative_to(root.resolve())
