"""Names for things that are chosen by name: architectures, attacks, objectives, data sets; and options for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from robust_core.types import UserError

T = TypeVar("T")


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name nobody registered: what was probably meant, and what is known unless that fills a page."""
    names = sorted(set(known))
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = "" if near and len(names) > 15 else f"{'' if near else ';'} known: {', '.join(names)}"
    return UserError(f"unknown {kind} {name!r}{hint}{listed}")


def options(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What a class or function can be made with, by name; a preset's own settings can be overridden like defaults."""
    return dict(inspect.signature(factory).parameters)


def check_options(of: str, factory: Callable[..., Any], given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises UserError for an option that is not known, with the nearest that is, and for a value that is not of the
    type and range that the factory's annotation states: a text is never true or false, and no number is infinite.
    """
    takes = _takes(factory)
    for option, value in given.items():
        if option not in known:
            raise unknown(f"option of {of}", option, known)
        try:
            takes[option].validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise UserError(f"option {option} of {of}: {message[0].lower()}{message[1:]}; got {value!r}") from error


@lru_cache(maxsize=64)
def _takes(factory: Callable[..., Any]) -> dict[str, TypeAdapter[Any]]:
    while isinstance(factory, partial):
        factory = factory.func
    hints = get_type_hints(factory.__init__ if isinstance(factory, type) else factory, include_extras=True)  # type: ignore[misc]
    strict = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
    return {name: TypeAdapter(hint, config=strict) for name, hint in hints.items() if name != "return"}


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
