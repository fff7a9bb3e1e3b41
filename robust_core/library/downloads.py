"""Data sets fetched in the background: a thread each, which tells how far it is and stops when asked to.

The files appear in the cache folder when they are whole and right; a download that ends with the program leaves nothing
half, and begun again takes the files that are whole as they are.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal

from robust_core import data
from robust_core.library.limits import refuse_when_read_only
from robust_core.library.storage import refuse_when_full
from robust_core.types import UserError

Phase = Literal["running", "done", "stopped", "failed"]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A download as it is now. done, total: bytes. told: why it failed, or "". rate: bytes a second so far."""

    name: str
    phase: Phase
    done: int
    total: int
    told: str
    rate: float


class _StopError(Exception):
    """Raised inside a download that was asked to stop."""


class _Download:
    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.done = name, total, 0
        self.phase: Phase = "running"
        self.told = ""
        self.begun, self.ended = time.monotonic(), 0.0
        self.asked_to_stop = threading.Event()

    def run(self) -> None:
        try:
            data.load(self.name, progress=self.progress)
        except _StopError:
            self._end("stopped", "stopped; begun again, it keeps the files that are whole")
        except UserError as error:
            self._end("failed", str(error))
        except (OSError, MemoryError) as error:
            self._end("failed", f"{self.name}: {getattr(error, 'strerror', None) or type(error).__name__}")
        else:
            self._end("done", "")

    def progress(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if self.asked_to_stop.is_set():
            raise _StopError

    def _end(self, phase: Phase, told: str) -> None:
        self.told, self.ended = told, time.monotonic()
        self.phase = phase  # last: whoever sees it sees the rest

    def seen(self) -> Seen:
        seconds = (self.ended or time.monotonic()) - self.begun
        return Seen(
            name=self.name,
            phase=self.phase,
            done=self.done,
            total=self.total,
            told=self.told,
            rate=self.done / max(seconds, 0.1),
        )


class Downloads:
    """The downloads of this process. Safe among threads."""

    def __init__(self) -> None:
        self._held: dict[str, _Download] = {}
        self._lock = threading.Lock()

    def start(self, name: str) -> None:
        """Begins to fetch a data set. Raises UserError where it is under way, is here already, or is none to fetch."""
        refuse_when_read_only()
        refuse_when_full()
        known = data.DATASETS[name]
        if not known.download:
            raise UserError(f"{known.title} needs no download")
        with self._lock:
            if (held := self._held.get(name)) is not None and held.phase == "running":
                raise UserError(f"{known.title} is being downloaded already")
            if known.ready():
                raise UserError(f"{known.title} is here already")
            download = self._held[name] = _Download(name, known.download)
        threading.Thread(target=download.run, daemon=True, name=f"download {name}").start()

    def stop(self, name: str) -> None:
        """Asks it to end, which takes until the next piece has come. Raises UserError where it does not run."""
        held = self._held.get(name)
        if held is None or held.phase != "running":
            raise UserError(f"{name} is not being downloaded any more")
        held.asked_to_stop.set()

    def look(self, name: str) -> Seen | None:
        """How far it is; None where it was never begun in this process."""
        held = self._held.get(name)
        return None if held is None else held.seen()

    def forget(self, name: str) -> None:
        """Leaves out what has ended."""
        with self._lock:
            if (held := self._held.get(name)) is not None and held.phase != "running":
                del self._held[name]
