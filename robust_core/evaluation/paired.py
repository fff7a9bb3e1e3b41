"""Which of two attacks hurts more on the same images: exact, and by the images alone on which they differ."""

from __future__ import annotations

import math

from jaxtyping import Bool
from torch import Tensor


def chance(first: Bool[Tensor, " n"], second: Bool[Tensor, " n"]) -> float:
    """How likely it is by chance that `second` leaves so many fewer images right than `first`, or fewer still.

    first, second: whether each image is right after either attack, of the same images. McNemar's exact test, one-sided:
    of the images on which the two differ each is as likely to stand under the one as under the other.
    Source: McNemar 1947.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differ = only_first + only_second
    return float(sum(math.comb(differ, k) for k in range(only_first, differ + 1)) / 2**differ)
