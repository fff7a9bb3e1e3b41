"""Which runs go now and which wait: at most so many at once, the rest in the order they came. No daemon.

The queue is the records of the run folders. Whoever starts, stops or lists runs, and every run as it ends, lets the
next ones go, under one file lock; what is read and written under it nobody else changes meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from robust_core.batches import cores
from robust_core.folders import locked
from robust_core.training import launch
from robust_core.training.limits import gpus, limits
from robust_core.training.record import Record, read_record, write_record
from robust_core.training.run import runs_folder
from robust_core.training.status import run_folders, status_of
from robust_core.types import UserError

LOCK = ".queue.lock"
LOCK_WAIT = 20.0  # seconds; it is held for milliseconds


@contextmanager
def queue_held() -> Iterator[None]:
    """Nobody else starts, stops or resumes a run meanwhile. Not to be taken twice. Raises UserError where it hangs."""
    root = runs_folder()
    root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(root / LOCK, wait=LOCK_WAIT))
        except TimeoutError as error:
            raise UserError(f"the queue is busy ({root / LOCK} is held); try again in a moment") from error
        yield


def promote() -> None:
    """Lets waiting runs go while there is room. Cheap where nothing waits."""
    waiting, running = standing()
    if waiting and len(running) < limits().running:
        with queue_held():
            promote_held()


def promote_held() -> None:
    """The same for one that holds the queue already."""
    room = limits().running
    waiting, running = standing()
    busy = {record.gpu for record in running.values()}
    for folder, record in list(waiting.items())[: max(0, room - len(running))]:
        gpu = next((i for i in range(gpus()) if i not in busy), -1) if record.device in ("auto", "cuda") else -1
        busy.add(gpu)
        _launch(folder, record, gpu, room)


def next_number() -> int:
    """The number behind all that wait. Ask with the queue held. Raises UserError where no more may wait."""
    waiting, running = standing()
    if len(waiting) >= limits().queued and len(running) >= limits().running:
        raise UserError(
            f"{len(running)} runs go and {len(waiting)} wait already, as many as may "
            "(ROBUSTLENS_MAX_RUNNING, ROBUSTLENS_MAX_QUEUED); try again when one is done"
        )
    return 1 + max((record.number for record in waiting.values()), default=0)


def environment(room: int, gpu: int = -1) -> dict[str, str]:
    """What a run's process is told: its share of the cores, unless the deployment settled that, and its GPU."""
    told = {"ROBUSTLENS_RUNS": str(runs_folder().resolve())}
    if "OMP_NUM_THREADS" not in os.environ:
        told["OMP_NUM_THREADS"] = str(max(1, cores() // room))
    if gpu >= 0 and gpus() > 1:
        ours = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        told["CUDA_VISIBLE_DEVICES"] = ours[gpu] if ours else str(gpu)
    return told


def standing() -> tuple[Mapping[Path, Record], Mapping[Path, Record]]:
    """The runs that wait, the next one first, and those that run."""
    waiting, running = {}, {}
    for folder in run_folders(runs_folder()):
        record = read_record(folder)
        status = status_of(folder, record) if record is not None else None
        if record is not None and status == "queued":
            waiting[folder] = record
        elif record is not None and status == "running":
            running[folder] = record
    return dict(sorted(waiting.items(), key=lambda item: item[1].number)), running


def _launch(folder: Path, record: Record, gpu: int, room: int) -> None:
    cwd = Path(record.cwd or ".")
    try:
        name = launch.launcher().launch(folder, device=record.device, cwd=cwd, environment=environment(room, gpu))
    except OSError as error:
        write_record(folder, replace(record, phase="failed", told=f"its process could not be started: {error}"))
        return
    write_record(folder, replace(record, phase="launched", process=name, gpu=gpu, told=""))
