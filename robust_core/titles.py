"""What a network may be called: one rule for recipes, for imports, and for what comes back from its own zip.

Every page, chart and report shows a title as text, so "ε < 0.1" is a title like others; only what nobody can see, and
what would turn the text around it, is none.
"""

from __future__ import annotations

import re

from robust_core.types import UserError

MOST = 80  # characters
# Controls, formats, separators of lines, surrogates, tags, and Braille's blank.
_HIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def checked_title(text: str, what: str = "the title", *, most: int = MOST) -> str:
    """The text without margins. Raises UserError where it is empty, too long, or holds what cannot be seen."""
    text = text.strip()
    if not text:
        raise UserError(f"{what} is empty; give it one")
    if len(text) > most:
        raise UserError(f"{what} has {len(text)} characters; at most {most} are taken")
    if _HIDDEN.search(text):
        raise UserError(f"{what} {text[:MOST]!r} holds characters that cannot be seen; leave them out")
    return text
