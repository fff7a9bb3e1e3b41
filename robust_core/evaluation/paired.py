"""Two attacks, or two networks, on the same images: what differs, and whether chance alone would do it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from robust_core.cards import Tally
from robust_core.evaluation.measures import LEVEL, RESAMPLES
from robust_core.tallies import unpacked

Z = 1.96  # of 95 %
FEW = 25  # images on which two networks must differ, or nothing is said of chance

Interval = tuple[float, float]
Marks = NDArray[np.bool_]


def chance(first: Bool[Tensor, " n"], second: Bool[Tensor, " n"]) -> float:
    """How likely it is by chance that `second` leaves so many fewer images right than `first`, or fewer still.

    first, second: whether each image is right after either attack, of the same images. McNemar's exact test, one-sided:
    of the images on which the two differ each is as likely to stand under the one as under the other.
    Source: McNemar 1947.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differ = only_first + only_second
    return float(sum(math.comb(differ, k) for k in range(only_first, differ + 1)) / 2**differ)


def gap_of_means(first: tuple[Tally, ...], second: tuple[Tally, ...]) -> Interval | None:
    """The 95 % interval of how much the first network's mean accuracy over its tallies (clean and robust: W-Robust) is
    above the second's, from each image's own difference (normal approximation).

    None where a tally does not say which images are right, where the two are not of the same images in number, and
    where they differ on fewer than FEW of them.
    """
    marks = _marks(*first, *second)
    if marks is None:
        return None
    each = np.mean(marks[: len(first)], axis=0) - np.mean(marks[len(first) :], axis=0)
    if np.count_nonzero(each) < FEW:
        return None
    reach = Z * each.std(ddof=1) / math.sqrt(len(each))
    return float(each.mean() - reach), float(each.mean() + reach)


def gap_between_classes(figure: Literal["worst_class", "nsd"], first: Tally, second: Tally) -> Interval | None:
    """The interval, about 95 %, of the first network's figure less the second's, by a bootstrap over each class.

    An image is here which of the two networks is right: the images of a class drawn with replacement are a multinomial
    draw of those four counts. Resamples of a minimum, or of a spread, lie to one side of it, so the interval holds both
    the percentiles and their mirror about the gap itself; where several classes are about the worst, or all are alike,
    it is still too narrow. None as in `gap_of_means`; for the worst class it is the images of the two worst that count.
    """
    if first.marks is None or second.marks is None or first.class_n != second.class_n:
        return None
    return _resampled(figure, first.class_n, first.marks, second.marks)


def _marks(*tallies: Tally) -> list[Marks] | None:
    """Of each tally; None where one has none, or where they are not alike in the number of images a class."""
    if any(t.marks is None for t in tallies) or len({t.class_n for t in tallies}) > 1:
        return None
    return [unpacked(t.marks or "", t.n) for t in tallies]


@lru_cache(maxsize=64)
def _resampled(figure: str, class_n: tuple[int, ...], first: str, second: str) -> Interval | None:
    n = np.array(class_n)
    ours, theirs = (unpacked(marks, int(n.sum())).astype(int) for marks in (first, second))
    classes = np.repeat(np.arange(len(n)), n)
    cells = np.bincount(classes * 4 + ours * 2 + theirs, minlength=4 * len(n)).reshape(-1, 4)[n > 0]
    n = n[n > 0]
    of = _worst if figure == "worst_class" else _nsd
    one, two = _shares(cells, n)
    differ = cells[:, 1] + cells[:, 2]
    if (min(differ[one.argmin()], differ[two.argmin()]) if figure == "worst_class" else differ.sum()) < FEW:
        return None
    generator = np.random.default_rng(0)
    drawn = np.stack([generator.multinomial(k, row / k, size=RESAMPLES) for k, row in zip(n, cells, strict=True)], 1)
    gap = float(of(one) - of(two))
    gaps = np.subtract(*(of(shares) for shares in _shares(drawn, n)))
    if not np.isfinite(gap) or not np.isfinite(gaps).any():
        return None
    low, high = np.quantile(gaps[np.isfinite(gaps)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(min(low, 2 * gap - high)), float(max(high, 2 * gap - low))


def _shares(cells: NDArray[np.int64], n: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Class accuracies of either network: cells (..., K, 4) count neither, only the second, only the first, both."""
    return (cells[..., 2] + cells[..., 3]) / n, (cells[..., 1] + cells[..., 3]) / n


def _worst(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    lowest: NDArray[np.float64] = shares.min(axis=-1)
    return lowest


def _nsd(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where no image is right."""
    with np.errstate(invalid="ignore", divide="ignore"):
        spread: NDArray[np.float64] = shares.std(axis=-1) / shares.mean(axis=-1)
    return spread
