"""How large the options of an architecture may be: a recipe or a card may name any, and building them takes forever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robust_core.types import UserError

MAX_OPTION = 4096  # of a number among an architecture's options: a width, say
MAX_BLOCKS = 64  # of a number in a list of them: blocks a stage


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
