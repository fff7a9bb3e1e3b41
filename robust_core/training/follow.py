"""A history read as it grows: each look takes only what was appended since the last one.

Training counts its seconds by a clock that never jumps; in a history from elsewhere they may do anything. What is
given out never runs backwards, and has no time left that could not be.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from robust_core.checkpoints import HISTORY
from robust_core.training.progress import span

Event = Mapping[str, Any]
CHECKED = 256  # bytes before the place reached that must still be what they were: a resumed run cuts its history back


@dataclass(frozen=True, kw_only=True)
class Log:
    """The events of a history by kind, oldest first. version: another one wherever anything else is told."""

    start: Event = field(default_factory=dict)
    steps: Sequence[Event] = ()
    epochs: Sequence[Event] = ()
    changes: Sequence[Event] = ()
    complete: Event = field(default_factory=dict)
    version: int = 0

    def __bool__(self) -> bool:
        return bool(self.steps or self.epochs)

    @property
    def step(self) -> int:
        """The last step that is told of."""
        return max((int(events[-1].get("step", 0)) for events in (self.steps, self.epochs) if events), default=0)


class Follower:
    """One history, followed. Safe among threads; a history that is gone, empty or torn at its end is a short one."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._version = 0
        self._forget()

    def read(self) -> Log:
        """All that is told by now."""
        with self._lock:
            self._look()
            kinds = self._kinds
            return Log(
                start=(kinds["start"] or [{}])[-1],
                steps=tuple(kinds["step"]),
                epochs=tuple(kinds["epoch"]),
                changes=tuple(kinds["change"]),
                complete=(kinds["complete"] or [{}])[-1],
                version=self._version,
            )

    def _forget(self) -> None:
        self._kinds: dict[str, list[Event]] = {k: [] for k in ("start", "step", "epoch", "change", "complete")}
        self._at, self._before, self._seconds = 0, b"", 0.0
        self._version += 1

    def _look(self) -> None:
        try:
            with open(self._path, "rb") as file:
                self._take(file)
        except OSError:
            if self._at:
                self._forget()

    def _take(self, file: Any) -> None:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, self._at - len(self._before)))
        if size < self._at or file.read(len(self._before)) != self._before:
            self._forget()
            file.seek(0)
        if size == self._at:
            return
        whole = file.read().rpartition(b"\n")[0]  # a line that is still being written waits for the next look
        if not whole:
            return
        for line in whole.split(b"\n"):
            self._sort(line)
        self._at += len(whole) + 1
        self._before = (self._before + whole + b"\n")[-CHECKED:]
        self._version += 1

    def _sort(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, dict) and event.get("event") in self._kinds and isinstance(event.get("step", 0), int):
            self._kinds[event["event"]].append(self._timed(event))

    def _timed(self, event: dict[str, Any]) -> Event:
        """The event with seconds that follow on those before it, and without a time left that is none."""
        if "seconds" in event:
            self._seconds = event["seconds"] = max(self._seconds, span(event["seconds"]) or 0.0)
        if span(event.get("seconds_left", 0)) is None:
            del event["seconds_left"]
        return event


def follow(folder: Path) -> Log:
    """The history of this run as it stands now, from a follower that all who ask share."""
    return _follower(folder.resolve()).read()


@lru_cache(maxsize=128)
def _follower(folder: Path) -> Follower:
    return Follower(folder / HISTORY)
