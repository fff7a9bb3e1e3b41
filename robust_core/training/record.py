"""Who works on a run, and how that ended: `state/record.json`, one small value that is always written whole.

It is padded to one size: on a full disk, where nothing new can be written, the old file still takes the last word.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from robust_core.checkpoints import STATE
from robust_core.folders import write_whole

RECORD, LOG, STOP = "record.json", "log.txt", "stop"  # all in STATE
SIZE = 4096  # bytes
TOLD = 1500  # characters

Phase = Literal["queued", "launched", "working", "stopped", "failed"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """phase: what happened last. number: the place in the queue, lower goes first. process: its name, see `launch`.

    device, cwd: as asked for at the start, so that a resume finds the same. gpu: the one of several it has, or -1.
    told: why it stopped, or the last lines of its error.
    """

    phase: Phase
    number: int = 0
    process: str = ""
    device: str = "auto"
    cwd: str = ""
    gpu: int = -1
    told: str = ""


def read_record(folder: Path) -> Record | None:
    """None where nobody has worked on the run yet, or where the record cannot be read."""
    try:
        stored: dict[str, Any] = json.loads((folder / STATE / RECORD).read_bytes())
        return Record(**stored)
    except (OSError, ValueError, TypeError):
        return None


def write_record(folder: Path, record: Record) -> None:
    """Raises OSError where the disk is full and there is no earlier record to write over."""
    record = replace(record, told=record.told[-TOLD:])
    content = json.dumps(asdict(record), ensure_ascii=False).encode().ljust(SIZE)
    path = folder / STATE / RECORD
    try:
        write_whole(path, content)
    except OSError:
        if not path.exists() or path.stat().st_size < len(content):
            raise
        with open(path, "r+b") as file:
            file.write(content)


def last_lines(folder: Path, lines: int = 12) -> str:
    """The end of what the run's process printed; empty where it printed nothing or its log is gone."""
    try:
        with open(folder / STATE / LOG, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 8192))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def ask_to_stop(folder: Path, process: str) -> None:
    """Leaves word for this one process: whoever resumes the run later is another, and does not mind it."""
    write_whole(folder / STATE / STOP, process.encode())


def asked_to_stop(folder: Path, process: str) -> bool:
    """Has word been left for this process? A look at a file that is hardly ever there: microseconds."""
    try:
        return bool(process) and (folder / STATE / STOP).read_bytes() == process.encode()
    except OSError:
        return False
