"""Which epoch's weights a run kept: not always the last one's, whose figures its history ends with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from robust_core.training.recipe import Recipe


def kept_earlier(epochs: Sequence[Mapping[str, Any]], recipe: Recipe | None) -> int | None:
    """The epoch whose weights the run holds, where a later one was no better by its recipe's `select`.

    epochs: the lines of its history, as the loop wrote them; it saves weights that beat all before them, so the first
    of equals counts. None where the last epoch's weights are kept, and where a line or a score is missing.
    """
    by_epoch = {line.get("epoch"): line for line in epochs}  # of two lines on one epoch the later counts
    numbers = list(range(1, len(by_epoch) + 1))
    if recipe is None or not numbers or set(by_epoch) != set(numbers):
        return None
    found = [by_epoch[number].get(recipe.validation.select) for number in numbers]
    scores = [float(score) for score in found if isinstance(score, (int, float)) and math.isfinite(score)]
    kept = 1 + scores.index(max(scores)) if len(scores) == len(numbers) else None
    return kept if kept != len(numbers) else None
