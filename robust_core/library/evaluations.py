"""Evaluations in the background: `python -m robust_core evaluate` as a process of its own, watched through files.

<zoo>/.evaluations/<data>/<name>/ holds, for the last evaluation of a checkpoint begun from here: record.json (what was
asked), lock (held by the process for as long as it lives: the system lets go of it whatever ends the process), log.txt.
How far it is, it writes into the checkpoint's own state. It outlives the program that started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import robust_core
from robust_core import checkpoints, data
from robust_core.batches import cores
from robust_core.checkpoints import STATE, Checkpoint
from robust_core.evaluation.command import budget
from robust_core.evaluation.ensemble import RIGHT, UNASKED
from robust_core.evaluation.plan import GROUPS, plan_for
from robust_core.evaluation.stored import KEPT, LETTERS, LOCK, check_fit
from robust_core.folders import write_whole
from robust_core.library.limits import refuse_when_read_only
from robust_core.training.limits import limits
from robust_core.types import UserError

FOLDER, RECORD, HELD, LOG = ".evaluations", "record.json", "lock", "log.txt"
BATCH = 64  # images: small, so that what it writes after each tells how far it is
FEWEST, MOST = 10, 10_000  # images
ATTACKED, CHECKED = "robust, worst case", " checks passed, "  # in what it prints at the end of either part
Phase = Literal["running", "done", "stopped", "failed"]
STANDING = (LETTERS[RIGHT], LETTERS[UNASKED])  # the letters of an image that no attack has fooled so far


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An evaluation as it is now. n: images. attacks: how many; at: the one under way, from 1, 0 before the first.

    share: of the attacks' work that is done, roughly. left: images right under all attacks so far, None before the
    first verdict. told: what it is doing, or why it ended; what it printed where it is done.
    """

    name: str
    phase: Phase
    n: int
    attacks: int
    at: int
    share: float
    left: int | None
    seconds: float
    told: str


def start(
    found: Checkpoint,
    *,
    n: int,
    groups: Sequence[str] = GROUPS,
    doubts: bool = True,
    seed: int = 0,
    data_name: str = "",
) -> None:
    """Begins to evaluate a checkpoint on the first n test images, or goes on where it was stopped.

    data_name: of the image set, the card's where none is given. Raises UserError where it cannot be evaluated, is being
    evaluated already, or the machine has enough to do.
    """
    refuse_when_read_only()
    data_name = data_name or (found.card.data_name if found.card else "")
    attacks = _planned(found, n, groups, seed, data_name)
    folder = folder_of(found.name)
    folder.mkdir(parents=True, exist_ok=True)
    if is_evaluated(found):
        raise UserError(f"{found.name} is being evaluated already; wait for that one, or stop it")
    busy = [seen for seen in look_all() if seen.phase == "running"]
    if len(busy) >= limits().running:
        raise UserError(
            f"{busy[0].name} is being evaluated, and this machine takes {len(busy)} at once; wait, or stop it"
        )
    command = [sys.executable, "-m", "robust_core", "evaluate", str(found.folder.resolve()), "--n", str(n)]
    command += ["--plan", ",".join(groups), "--doubts" if doubts else "--no-doubts"]
    command += ["--seed", str(seed), "--batch-size", str(BATCH), "--data", data_name]
    with open(folder / HELD, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{found.name} is being evaluated already; wait for that one, or stop it") from error
        record = {"name": found.name, "n": n, "attacks": attacks, "doubts": doubts, "begun": time.time(), "pid": 0}
        try:
            write_whole(folder / RECORD, json.dumps(record).encode())
            process = _launched(command, folder, lock.fileno())
        except OSError as error:
            raise UserError(f"the evaluation of {found.name} cannot be started: {error.strerror}") from error
        write_whole(folder / RECORD, json.dumps(record | {"pid": process.pid}).encode())
    # Somebody has to wait for it, or it stays a zombie for as long as this process lives.
    threading.Thread(target=process.wait, daemon=True).start()


def stop(name: str) -> None:
    """Ends it; begun again with the same settings, it goes on. Raises UserError where it does not run."""
    folder = folder_of(name)
    record = _record(folder)
    if record is None or not _is_held(folder / HELD) or not record["pid"]:
        raise UserError(f"{name} is not being evaluated any more")
    write_whole(folder / RECORD, json.dumps(record | {"stopped": True}).encode())
    with contextlib.suppress(ProcessLookupError):
        os.kill(record["pid"], signal.SIGTERM)


def forget(name: str) -> None:
    """Leaves out of the list what has ended. Raises UserError where it runs."""
    folder = folder_of(name)
    if _is_held(folder / HELD):
        raise UserError(f"{name} is still being evaluated; stop it first")
    shutil.rmtree(folder, ignore_errors=True)


def look(name: str) -> Seen | None:
    """The last evaluation of the checkpoint that was begun from here; None where there is none."""
    folder = folder_of(name)
    held = _is_held(folder / HELD)  # before the record: what has ended since has written all it will
    record = _record(folder)
    if record is None:
        return None
    seconds = time.time() - record["begun"]
    if held:
        return _running(record, seconds)
    log = _log(folder)
    phase: Phase
    if not (failure := _failure(log, doubts=record["doubts"])):
        phase, told = "done", log  # also where it was asked to stop, and had finished by then
    elif record.get("stopped"):
        phase, told = "stopped", "Stopped. Begun again with the same settings, it goes on where it was."
    else:
        phase, told = "failed", failure
    n, attacks = record["n"], len(record["attacks"])
    done = phase == "done"
    return Seen(
        name=name,
        phase=phase,
        n=n,
        attacks=attacks,
        at=attacks * done,
        share=float(done),
        left=None,
        seconds=seconds,
        told=told,
    )


def look_all() -> list[Seen]:
    """Every evaluation begun from here that nobody has forgotten, the last begun first."""
    root = checkpoints.zoo_folder() / FOLDER
    names = [path.parent.relative_to(root).as_posix() for path in root.glob(f"**/{RECORD}")]
    return sorted((seen for name in names if (seen := look(name))), key=lambda seen: seen.seconds)


def is_evaluated(found: Checkpoint) -> bool:
    """Is it being evaluated now, from here or from a command line?"""
    return _is_held(folder_of(found.name) / HELD) or _is_held(found.folder / STATE / LOCK)


def folder_of(name: str) -> Path:
    """Where the evaluation of the checkpoint of this name is noted."""
    return checkpoints.zoo_folder() / FOLDER / name


def _planned(found: Checkpoint, n: int, groups: Sequence[str], seed: int, name: str) -> list[str]:
    """The attacks' names. Whatever speaks against the evaluation is said here, before there is a process."""
    if not (found.folder / checkpoints.CARD).is_file():
        raise UserError(f"{found.name} is not here any more; somebody else may have deleted it")
    if not FEWEST <= n <= MOST:
        raise UserError(f"an evaluation takes {FEWEST} to {MOST:,} images; got {n}")
    if found.card is None:
        raise UserError(found.problem or f"{found.name}: no card")
    if not data.available().get(name, False):
        raise UserError(f"{found.name} would be measured on {name}, which is not on this machine; download it first")
    known = data.DATASETS[name]
    if known.test and n > known.test:
        raise UserError(f"{name} has {known.test:,} test images; {n:,} are too many")
    if (known.shape, known.class_names) != (tuple(found.card.image_shape), found.card.class_names):
        check_fit(found, data.load(name).test)  # says how they differ
    net = checkpoints.load(found)
    norm, eps = budget(found, found.card)
    return list(plan_for(net, known.shape, list(groups), eps=eps, norm=norm, seed=seed).attacks)


def _launched(command: list[str], folder: Path, lock: int) -> subprocess.Popen[bytes]:
    package = str(Path(robust_core.__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([package, inherited] if inherited else [package])}
    environment |= {"PYTHONUNBUFFERED": "1"}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, cores() // 2)))  # the pages need the other half
    with open(folder / LOG, "wb") as log:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )


def _running(record: dict[str, Any], seconds: float) -> Seen:
    name, attacks, n = record["name"], record["attacks"], record["n"]
    at, share, left, told = 0, 0.0, None, "Starting: the network and the images are loaded."
    try:
        path = checkpoints.folder_of(name) / STATE / KEPT
        kept = json.loads(path.read_bytes()) if path.stat().st_mtime >= record["begun"] else None
    except (OSError, ValueError):
        kept = None
    if kept is not None:
        after = {key: kept["after"][key] for key in attacks if key in kept["after"]}
        at = len(after)
        last = list(after.values())[-1] if after else ""
        share = (max(0, at - 1) + len(last.rstrip(LETTERS[UNASKED])) / n) / len(attacks)
        left = sum(
            clean == LETTERS[RIGHT] and all(letter in STANDING for letter in others)
            for clean, *others in zip(kept["clean"], *after.values(), strict=True)
        )
        told = f"Attack {at} of {len(attacks)}, {list(after)[-1]}." if after else told
    elif record["doubts"] and _measured_since(record):
        at, share, told = len(attacks), 1.0, "All attacks are made; the checks for false security are under way."
    return Seen(
        name=name,
        phase="running",
        n=n,
        attacks=len(attacks),
        at=at,
        share=min(1.0, share),
        left=left,
        seconds=seconds,
        told=told,
    )


def _measured_since(record: dict[str, Any]) -> bool:
    """Has the card been written since the evaluation began? Then the attacks are done."""
    try:
        written = (checkpoints.folder_of(record["name"]) / checkpoints.CARD).stat().st_mtime
    except OSError:
        return False
    return bool(written >= record["begun"])


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((folder / RECORD).read_bytes())
        return record if {"name", "n", "attacks", "doubts", "begun", "pid"} <= record.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _is_held(path: Path) -> bool:
    """Does a process hold this lock? Only looks."""
    try:
        with open(path, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _log(folder: Path) -> str:
    try:
        return (folder / LOG).read_text(encoding="utf-8", errors="replace")[-20_000:].strip()
    except OSError:
        return ""


def _failure(log: str, *, doubts: bool) -> str:
    """One sentence on why it ended without what was asked for; "" where it has all of that."""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1]
    if any(line.startswith("Traceback") for line in lines):
        return f"it failed: {lines[-1][:300]}"
    if not any(line.startswith(ATTACKED) for line in lines):
        return "its process was killed; begin again to go on"
    if doubts and not any(CHECKED in line for line in lines):
        return "its process was killed during the checks; the attacks' figures are in the card, begin again to go on"
    return ""
