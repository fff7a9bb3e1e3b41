"""Results that need not be computed twice: shared by all visitors; on their own pictures, kept in their session."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx
from torch import Tensor

from pages.ui.frame import verbatim

T = TypeVar("T")
MB = 2**20
PATIENCE = 0.3  # seconds after which a computation says that it is under way
LONG = 2.0  # seconds after which it says how to end it


class Memory:
    """The last `limit` results by key, of at most `limit_bytes` together, the longest unused forgotten first.

    A result that is larger than that alone is not kept. Safe among threads.
    """

    def __init__(self, limit: int, limit_bytes: int = 256 * MB) -> None:
        self._limit, self._limit_bytes = limit, limit_bytes
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """What the arrays and tensors kept here take together."""
        return sum(self._sizes.values())

    def get(self, key: Hashable) -> Any | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        size = weight(value)
        with self._lock:
            self._forget(key)
            if size > self._limit_bytes:
                return
            self._kept[key], self._sizes[key] = value, size
            while len(self._kept) > self._limit or self.nbytes > self._limit_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: Hashable) -> None:
        self._kept.pop(key, None)
        self._sizes.pop(key, None)


def weight(value: object) -> int:
    """Bytes of the arrays and tensors in a result, through dataclasses, mappings and sequences; the rest is small."""
    if isinstance(value, (np.ndarray, Tensor)):
        return int(value.nbytes)
    if is_dataclass(value) and not isinstance(value, type):
        return sum(weight(getattr(value, part.name)) for part in fields(value))
    if isinstance(value, Mapping):
        return sum(map(weight, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(weight, value))
    return len(value) if isinstance(value, (bytes, str)) else 0


@st.cache_resource(show_spinner=False)
def shared() -> Memory:
    return Memory(256, 256 * MB)


def own() -> Memory:
    """This visitor's, gone with their session."""
    return st.session_state.setdefault("own_results", Memory(32, 64 * MB))


def remember(key: Hashable, compute: Callable[[], T], *, private: bool) -> T:
    """The result known under this key, else computed now. private: it stems from a picture the visitor brought."""
    memory = own() if private else shared()
    known = memory.get(key)
    if known is None:
        known = compute()
        memory.put(key, known)
    return known


class Progress:
    """Shows how far a long computation is, from PATIENCE seconds on; to be called at each step, of about `of`.

    Stop, or a change of what the computation hangs on, ends it at a step: the call raises Streamlit's own signal.
    Leaving the `with` takes the bar away.
    """

    def __init__(self, what: str, of: int) -> None:
        self._what, self._of, self._done = what, max(of, 1), 0
        self._begun = time.monotonic()
        self._shown = self._begun + PATIENCE
        self._place: Any = None

    def __enter__(self) -> Progress:
        return self

    def __call__(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now < self._shown:
            return
        self._shown = now + 0.1
        self._place = self._place or st.empty()
        hint = " Stop, at the top right, ends it." if now > self._begun + LONG else ""
        self._place.progress(min(self._done / self._of, 1.0), text=f"{verbatim(self._what)}…{hint}")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._place is None:
            return
        if kind is None:
            self._place.empty()
            return
        # Once it was told to stop, the script's own thread may draw no more, and the bar would stay as if it went on.
        sweeper = threading.Thread(target=self._place.empty)
        add_script_run_ctx(sweeper)
        sweeper.start()
        sweeper.join()
