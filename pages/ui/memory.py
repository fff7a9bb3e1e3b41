"""Results that need not be computed twice: shared by all visitors; on their own pictures, kept in their session."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")
PATIENCE = 0.3  # seconds after which a computation says that it is under way


class Memory:
    """The last `limit` results by key, the longest unused forgotten first. Safe among threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Any | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)


@st.cache_resource(show_spinner=False)
def shared() -> Memory:
    return Memory(256)


def own() -> Memory:
    """This visitor's, gone with their session."""
    return st.session_state.setdefault("own_results", Memory(32))


def remember(key: Hashable, compute: Callable[[], T], *, private: bool) -> T:
    """The result known under this key, else computed now. private: it stems from a picture the visitor brought."""
    memory = own() if private else shared()
    known = memory.get(key)
    if known is None:
        known = compute()
        memory.put(key, known)
    return known


class Progress:
    """Shows how far a long computation is, from PATIENCE seconds on; Stop, or the next change, ends it there."""

    def __init__(self, what: str, of: int) -> None:
        self._what, self._of, self._done = what, max(of, 1), 0
        self._shown = time.monotonic() + PATIENCE
        self._place: Any = None

    def __call__(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now < self._shown:
            return
        self._shown = now + 0.1
        self._place = self._place or st.empty()
        self._place.progress(min(self._done / self._of, 1.0), text=f"{self._what}…")

    def close(self) -> None:
        if self._place is not None:
            self._place.empty()
