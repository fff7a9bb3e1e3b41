"""What is noted of an evaluation in the background, as files: what was asked, who holds it, what it printed.

<zoo>/.evaluations/<data>/<name>/ holds record.json (what was asked), lock (held by the process for as long as it lives:
the system lets go of it whatever ends the process), log.txt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robust_core import checkpoints

FOLDER, RECORD, HELD, LOG = ".evaluations", "record.json", "lock", "log.txt"
ATTACKED, CHECKED = "robust, worst case", " checks passed, "  # in what it prints at the end of either part
MEASURED = ("untouched", "PGD-20")  # what `measure` counts, one line each
COUNTED = " test images, worst class "  # in such a line
WRITTEN = "written into the card"  # after both


def folder_of(name: str) -> Path:
    """Where the evaluation of the checkpoint of this name is noted."""
    return checkpoints.zoo_folder() / FOLDER / name


def read_record(folder: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((folder / RECORD).read_bytes())
        return record if {"name", "n", "attacks", "doubts", "begun", "pid"} <= record.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def read_log(folder: Path) -> str:
    try:
        return (folder / LOG).read_text(encoding="utf-8", errors="replace")[-20_000:].strip()
    except OSError:
        return ""


def failure(log: str, record: Mapping[str, Any]) -> str:
    """One sentence on why it ended without what was asked for; "" where it has all of that."""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1]
    if any(line.startswith("Traceback") for line in lines):
        return f"it failed: {lines[-1][:300]}"
    if record.get("measure"):
        return "" if WRITTEN in log else "its process was killed; begin again"
    if not any(line.startswith(ATTACKED) for line in lines):
        return "its process was killed; begin again to go on"
    if record["doubts"] and not any(CHECKED in line for line in lines):
        return "its process was killed during the checks; the attacks' figures are in the card, begin again to go on"
    return ""


def measured(log: str) -> int:
    """How many of MEASURED a measuring has told of."""
    return sum(COUNTED in line for line in log.splitlines())
