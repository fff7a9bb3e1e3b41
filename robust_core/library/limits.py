"""Whether this deployment lets its visitors change what lies on its shelf, and what a text of theirs may be."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from robust_core.titles import HIDDEN
from robust_core.types import UserError

VARIABLE = "ROBUSTLENS_LIBRARY"
READ_ONLY = ("read-only", "readonly", "off", "0", "no", "false")
_HIDDEN = re.compile(f"[<>{HIDDEN}]")


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
    """The text without margins. Raises UserError where it is empty, too long, or could be taken for markup."""
    text = text.strip()
    if not text:
        raise UserError(f"{what} is empty; give it one")
    if len(text) > most:
        raise UserError(f"{what} has {len(text)} characters; at most {most} are taken")
    if _HIDDEN.search(text):
        raise UserError(f"{what} {text[:80]!r} holds <, > or characters that cannot be seen; leave them out")
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
