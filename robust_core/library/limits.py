"""Whether this deployment lets its visitors change what lies on its shelf, and what a text of theirs may be."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from robust_core.types import UserError

VARIABLE = "ROBUSTLENS_LIBRARY"
READ_ONLY = ("read-only", "readonly", "off", "0", "no", "false")
MAX_OPTION = 4096  # of a number among an architecture's options: a width, say
MAX_BLOCKS = 64  # of a number in a list of them: blocks a stage
_HIDDEN = re.compile(r"[<>\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


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


def refuse_monstrous(options: Mapping[str, Any]) -> None:
    """Raises UserError for options of an architecture whose network nobody here could hold, before it is built."""
    for key, value in options.items():
        many = value if isinstance(value, (list, tuple)) else [value]
        limit = MAX_BLOCKS if isinstance(value, (list, tuple)) else MAX_OPTION
        numbers = [v for v in many if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if len(many) > MAX_BLOCKS or any(not abs(v) <= limit for v in numbers):
            raise UserError(f"option {key} = {str(value)[:60]} is beyond what is taken here (numbers up to {limit})")
        if any(isinstance(v, (list, tuple, dict)) for v in many):
            raise UserError(f"option {key} = {str(value)[:60]} is neither a number, a text, nor a list of these")
