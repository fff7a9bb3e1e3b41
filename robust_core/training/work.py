"""The frame around a training process: it holds the run, listens for a stop, and leaves word of how it ended."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from robust_core import ranks
from robust_core.checkpoints import CARD, STATE
from robust_core.folders import is_full
from robust_core.training import launch
from robust_core.training.limits import limits
from robust_core.training.progress import read_progress
from robust_core.training.queue import promote, queue_held
from robust_core.training.record import Record, asked_to_stop, read_record, write_record
from robust_core.training.run import Run, runs_folder
from robust_core.types import UserError

NICENESS = 10  # of a run in the background: the app stays answerable while it takes every core


class Work:
    """What the loop asks after every step: `stop()`. reason: why it is to stop; empty until it is."""

    def __init__(self, folder: Path, process: str, seconds: float) -> None:
        self._folder, self._process = folder, process
        self._allowed, self._until = seconds, time.monotonic() + seconds
        self.reason = ""

    def stop(self) -> bool:
        if not self.reason and time.monotonic() > self._until:
            self.reason = "it has trained as long as ROBUSTLENS_MAX_RUN_HOURS allows"
        elif not self.reason and asked_to_stop(self._folder, self._process):
            self.reason = "asked to stop"
        return bool(self.reason)

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.reason = f"asked to stop by {signal.Signals(number).name}"


@contextmanager
def working(run: Run) -> Iterator[Work]:
    """Trains a run inside. Raises UserError where another process holds it; then nothing of it was touched.

    When the body ends, a run with a card is finished and keeps only that; any other has stopped. An error inside is
    recorded as the run's failure and goes on its way; a full disk is a stop, for the last good state is still there.
    """
    if ranks.rank():  # of several processes that train together, the first keeps the folder
        with ranks.agreed():
            work = Work(run.folder, "", float("inf"))
        with _signals(work):
            yield work
        return
    try:
        with ExitStack() as held:
            with ranks.agreed():
                held.enter_context(run.held())
                record, seconds = _take_up(run.folder)
                run.sweep()
            work = Work(run.folder, record.process, seconds)
            try:
                with _signals(work):
                    yield work
            except BaseException as error:
                _end(run.folder, record, error)
                if is_full(error):
                    raise UserError(_full(run.folder)) from error
                raise
            if (run.folder / CARD).is_file():
                _clear(run.folder / STATE)
            else:
                write_record(run.folder, replace(record, phase="stopped", told=work.reason))
    finally:
        if runs_folder().is_dir():
            with suppress(OSError, UserError):  # whoever lists next lets the next one go
                promote()


def _take_up(folder: Path) -> tuple[Record, float]:
    """Records this process as the one that works on the run; with the seconds it may train on."""
    if (folder / CARD).is_file():
        raise UserError(f"{folder} is finished; discard it to train it anew")
    launched = bool(os.environ.get(launch.LAUNCHED))
    with queue_held() if launched else nullcontext():  # who launched this process may still be writing down its name
        record = read_record(folder) or Record(phase="working", cwd=os.getcwd())
        record = replace(record, phase="working", process=launch.launcher().mine(), told="")
        write_record(folder, record)
    if not launched:
        return record, float("inf")
    os.nice(NICENESS)
    return record, limits().hours * 3600 - read_progress(folder).seconds


def _clear(state: Path) -> None:
    """Removes the state of a finished run; the lock last, so that the run is held until all else is gone."""
    for path in state.iterdir():
        with suppress(OSError):
            if path.name != "lock":
                path.unlink()
    shutil.rmtree(state, ignore_errors=True)


@contextmanager
def _signals(work: Work) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask for a stop, where signals can be heard: in the main thread."""
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, work.on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(folder: Path, record: Record, error: BaseException) -> None:
    """The last word. It must not hide the error: where even this cannot be written, the run will be seen as dead."""
    if (folder / CARD).is_file():
        return  # trained and safe: only its measuring broke
    told = str(error) if isinstance(error, UserError) else "".join(traceback.format_exception(error)[-8:]).strip()
    ended = replace(record, phase="failed", told=told)
    if is_full(error):
        ended = replace(record, phase="stopped", told="the disk is full; free some space first")
    with suppress(OSError):
        write_record(folder, ended)


def _full(folder: Path) -> str:
    if (folder / CARD).is_file():
        return f"the disk is full: {folder} is finished, but its figures could not be written; free some space"
    return f"the disk is full: {folder} stopped with its last good state; free some space, then resume it"
