"""How far a run is, from the tail of its history: a few kilobytes, however long the run has been."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from robust_core.checkpoints import HISTORY

TAILS = (1 << 16, 1 << 20, 1 << 24)  # bytes; the longer ones only where the shorter held no whole epoch


@dataclass(frozen=True, kw_only=True)
class Progress:
    """step of `of`; epoch: the last whole one; seconds trained and left, as they were at that step.

    clean, robust, w_robust: shares of the n held-out images at the last validation; None before the first.
    """

    step: int = 0
    of: int | None = None
    epoch: int = 0
    images_per_second: float | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    clean: float | None = None
    robust: float | None = None
    w_robust: float | None = None
    n: int | None = None


LONGEST = 1e12  # seconds; an integer of a history may be larger than any float


def span(value: object) -> float | None:
    """Seconds that can have passed, or can be left: in [0, LONGEST]; None for anything else a history may hold."""
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= LONGEST else None


def read_progress(folder: Path) -> Progress:
    """Never raises for a history that is missing, empty, or torn at its end."""
    try:
        stat = (folder / HISTORY).stat()
    except OSError:
        return Progress()
    return _read(folder, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)
def _read(folder: Path, _mtime_ns: int, _size: int) -> Progress:
    step: dict[str, Any] = {}
    epoch: dict[str, Any] = {}
    for size in TAILS:
        events, whole = _tail(folder / HISTORY, size)
        step = next((e for e in events if e.get("event") == "step"), {})
        epoch = next((e for e in events if e.get("event") == "epoch"), {})
        if epoch or whole:
            break
    last = max((step, epoch), key=lambda event: event.get("step", 0))
    return Progress(
        step=last.get("step", 0),
        of=step.get("of"),
        epoch=epoch.get("epoch", 0),
        images_per_second=step.get("images_per_second"),
        seconds=span(last.get("seconds")) or 0.0,
        seconds_left=span(step.get("seconds_left")),
        **{key: epoch.get(key) for key in ("clean", "robust", "w_robust", "n")},
    )


def _tail(path: Path, size: int) -> tuple[list[dict[str, Any]], bool]:
    """The events of the last bytes, latest first, and whether that is the whole file."""
    try:
        with open(path, "rb") as file:
            start = max(0, file.seek(0, 2) - size)
            file.seek(start)
            lines = file.read().split(b"\n")
    except OSError:
        return [], True
    events = []
    for line in reversed(lines if start == 0 else lines[1:]):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events, start == 0
