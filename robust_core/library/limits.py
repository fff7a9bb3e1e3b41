"""Whether this deployment lets its visitors change what lies on its shelf, and what a text of theirs may be."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from robust_core.titles import checked_title
from robust_core.types import UserError

VARIABLE = "ROBUSTLENS_LIBRARY"
READ_ONLY = ("read-only", "readonly", "off", "0", "no", "false")


def read_only() -> bool:
    """Is importing, deleting, downloading and evaluating switched off?"""
    return os.environ.get(VARIABLE, "").strip().lower() in READ_ONLY


def refuse_when_read_only() -> None:
    """Raises UserError where this deployment's library is not to be changed."""
    if read_only():
        raise UserError(
            f"the library here is read-only ({VARIABLE}=read-only): "
            "nothing is imported, downloaded, evaluated or deleted"
        )


def plain(text: str, what: str, *, most: int = 80) -> str:
    """As `checked_title`, for what is no title: what could be taken for markup is refused, too."""
    text = checked_title(text, what, most=most)
    if "<" in text or ">" in text:
        raise UserError(f"{what} {text[:80]!r} holds <, > or both; leave them out")
    return text


def refuse_hidden(value: object, what: str, *, most: int = 2000) -> None:
    """`plain` for every text inside a value of dictionaries and sequences, their keys too; empty ones may be."""
    if isinstance(value, str):
        if value:
            plain(value, what, most=most)
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            refuse_hidden(str(key), what, most=most)
            refuse_hidden(inside, what, most=most)
    elif isinstance(value, (list, tuple)):
        for inside in value:
            refuse_hidden(inside, what, most=most)


def slug(text: str, *, most: int = 40) -> str:
    """The text as the name of a folder: small letters, digits and underscores, a letter first."""
    found = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return (found if found[:1].isalpha() else f"n_{found}".rstrip("_"))[:most].rstrip("_")
