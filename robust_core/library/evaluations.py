"""Evaluations in the background: `python -m robust_core evaluate` as a process of its own, watched through files.

So is `measure`, which counts what training counts in the end. What was asked is noted in files (`noted`); how far an
evaluation is, it writes into the checkpoint's own state. It outlives the program that started it.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import robust_core
from robust_core import checkpoints, data
from robust_core.batches import cores
from robust_core.checkpoints import STATE, Checkpoint
from robust_core.evaluation.command import budget
from robust_core.evaluation.ensemble import RIGHT, UNASKED
from robust_core.evaluation.kept import KEPT, LETTERS
from robust_core.evaluation.plan import GROUPS, plan_for
from robust_core.evaluation.stored import LOCK, check_fit
from robust_core.folders import is_held, write_whole
from robust_core.library.limits import refuse_when_read_only
from robust_core.library.noted import (
    FOLDER,
    HELD,
    LOG,
    MEASURED,
    RECORD,
    failure,
    folder_of,
    measured,
    read_log,
    read_record,
)
from robust_core.training.limits import limits
from robust_core.types import UserError

BATCH = 64  # images: small, so that what it writes after each tells how far it is
ATTACK_STEPS = 20  # what PGD-20 takes, in passes over the images
FEWEST, MOST = 10, 10_000  # images
Phase = Literal["running", "done", "stopped", "failed"]
STANDING = (LETTERS[RIGHT], LETTERS[UNASKED])  # the letters of an image that no attack has fooled so far


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An evaluation as it is now. n: images. attacks: how many; at: the one under way, from 1, 0 before the first.

    share: of the attacks' work that is done, roughly. left: images right under all attacks so far, None before the
    first verdict. told: what it is doing, or why it ended; what it printed where it is done. measure: by `measure`.
    data_name: of the image set.
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
    measure: bool = False
    data_name: str = ""


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
    options = ["--n", str(n), "--plan", ",".join(groups), "--doubts" if doubts else "--no-doubts"]
    options += ["--seed", str(seed), "--batch-size", str(BATCH), "--data", data_name]
    _begin(found, "evaluate", options, {"n": n, "attacks": attacks, "doubts": doubts, "data_name": data_name})


def measure(found: Checkpoint, *, data_name: str = "") -> None:
    """Begins to measure a checkpoint as training does in the end: untouched and under PGD-20, on all test images.

    data_name and errors: as for `start`.
    """
    refuse_when_read_only()
    data_name = data_name or (found.card.data_name if found.card else "")
    n = _test_images(found, data_name) or len(data.load(data_name).test)
    checkpoints.load(found)  # what speaks against it is said before there is a process
    asked = {"n": n, "attacks": MEASURED, "doubts": False, "measure": True, "data_name": data_name}
    _begin(found, "measure", ["--data", data_name], asked)


def _begin(found: Checkpoint, what: str, options: Sequence[str], asked: Mapping[str, Any]) -> None:
    folder = folder_of(found.name)
    folder.mkdir(parents=True, exist_ok=True)
    if is_evaluated(found):
        raise UserError(f"{found.name} is being evaluated already; wait for that one, or stop it")
    busy = [seen for seen in look_all() if seen.phase == "running"]
    if len(busy) >= limits().running:
        raise UserError(
            f"{busy[0].name} is being evaluated, and this machine takes {len(busy)} at once; wait, or stop it"
        )
    command = [sys.executable, "-m", "robust_core", what, str(found.folder.resolve()), *options]
    with open(folder / HELD, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{found.name} is being evaluated already; wait for that one, or stop it") from error
        record = {"name": found.name, **asked, "begun": time.time(), "pid": 0}
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
    record = read_record(folder)
    if record is None or not is_held(folder / HELD) or not record["pid"]:
        raise UserError(f"{name} is not being evaluated any more")
    write_whole(folder / RECORD, json.dumps(record | {"stopped": True}).encode())
    with contextlib.suppress(ProcessLookupError):
        os.kill(record["pid"], signal.SIGTERM)


def forget(name: str) -> None:
    """Leaves out of the list what has ended. Raises UserError where it runs."""
    folder = folder_of(name)
    if is_held(folder / HELD):
        raise UserError(f"{name} is still being evaluated; stop it first")
    shutil.rmtree(folder, ignore_errors=True)


def look(name: str) -> Seen | None:
    """The last evaluation of the checkpoint that was begun from here; None where there is none."""
    folder = folder_of(name)
    held = is_held(folder / HELD)  # before the record: what has ended since has written all it will
    record = read_record(folder)
    if record is None:
        return None
    seconds = time.time() - record["begun"]
    if held:
        return _running(record, seconds)
    log = read_log(folder)
    phase: Phase
    if not (why := failure(log, record)):
        phase, told = "done", log  # also where it was asked to stop, and had finished by then
    elif record.get("stopped"):
        again = "begins anew" if record.get("measure") else "goes on where it was"
        phase, told = "stopped", f"Stopped. Begun again with the same settings, it {again}."
    else:
        phase, told = "failed", why
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
        measure=bool(record.get("measure")),
        data_name=str(record.get("data_name", "")),
    )


def look_all() -> list[Seen]:
    """Every evaluation begun from here that nobody has forgotten, the last begun first."""
    root = checkpoints.zoo_folder() / FOLDER
    names = [path.parent.relative_to(root).as_posix() for path in root.glob(f"**/{RECORD}")]
    return sorted((seen for name in names if (seen := look(name))), key=lambda seen: seen.seconds)


def is_evaluated(found: Checkpoint) -> bool:
    """Is it being evaluated now, from here or from a command line?"""
    return is_held(folder_of(found.name) / HELD) or is_held(found.folder / STATE / LOCK)


def _planned(found: Checkpoint, n: int, groups: Sequence[str], seed: int, name: str) -> list[str]:
    """The attacks' names. Whatever speaks against the evaluation is said here, before there is a process."""
    if not FEWEST <= n <= MOST:
        raise UserError(f"an evaluation takes {FEWEST} to {MOST:,} images; got {n}")
    test = _test_images(found, name)
    if test and n > test:
        raise UserError(f"{name} has {test:,} test images; {n:,} are too many")
    assert found.card is not None
    net = checkpoints.load(found)
    norm, eps = budget(found, found.card)
    return list(plan_for(net, data.DATASETS[name].shape, list(groups), eps=eps, norm=norm, seed=seed).attacks)


def _test_images(found: Checkpoint, name: str) -> int:
    """How many the data set has, 0 where that is not known. Raises UserError where the network cannot take them."""
    if not (found.folder / checkpoints.CARD).is_file():
        raise UserError(f"{found.name} is not here any more; somebody else may have deleted it")
    if found.card is None:
        raise UserError(found.problem or f"{found.name}: no card")
    if not data.available().get(name, False):
        raise UserError(f"{found.name} would be measured on {name}, which is not on this machine; download it first")
    known = data.DATASETS[name]
    if (known.shape, known.class_names) != (tuple(found.card.image_shape), found.card.class_names):
        check_fit(found, data.load(name).test)  # says how they differ
    return known.test


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
    if record.get("measure"):
        at = 1 + (began := measured(read_log(folder_of(name))))
        share, told = began / (1 + ATTACK_STEPS), f"Counting: {attacks[min(began, len(attacks) - 1)]}."
    elif kept is not None:
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
        measure=bool(record.get("measure")),
        data_name=str(record.get("data_name", "")),
    )


def _measured_since(record: dict[str, Any]) -> bool:
    """Has the card been written since the evaluation began? Then the attacks are done."""
    try:
        written = (checkpoints.folder_of(record["name"]) / checkpoints.CARD).stat().st_mtime
    except OSError:
        return False
    return bool(written >= record["begun"])
