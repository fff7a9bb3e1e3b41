"""Names for things that are chosen by name: architectures, attacks, objectives, data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Generic, TypeVar

from robust_core.types import UserError

T = TypeVar("T")


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name nobody registered: what was probably meant, and what is known unless that fills a page."""
    names = sorted(set(known))
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = "" if near and len(names) > 15 else f"{'' if near else ';'} known: {', '.join(names)}"
    return UserError(f"unknown {kind} {name!r}{hint}{listed}")


class Registry(Generic[T]):
    """A dictionary that refuses a second entry under one name and lists what it knows when asked for another."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]

    def names(self) -> list[str]:
        return sorted(self._entries)
