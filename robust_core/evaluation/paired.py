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

Z = 1.96  # of 95 %
LEVEL = 0.95
DRAWN = 2000
ROUNDING = 1e-9

Interval = tuple[float, float]


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
    above the second's, from each image's own difference (normal approximation, for hundreds of images and more).

    None where a tally does not say which images are right, or where they are not of the same images in number; and
    where all images differ alike, which tells nothing of chance.
    """
    if not _known(*first, *second):
        return None
    ours, theirs = (np.mean([np.concatenate(t.by_class()) for t in tallies], axis=0) for tallies in (first, second))
    each = ours - theirs
    reach = Z * each.std(ddof=1) / math.sqrt(len(each)) if len(each) > 1 else 0.0
    return _interval(each.mean() - reach, each.mean() + reach)


def gap_between_classes(figure: Literal["worst_class", "nsd"], first: Tally, second: Tally) -> Interval | None:
    """The 95 % interval of the first network's figure less the second's, by a bootstrap over the images of each class.

    An image is here which of the two networks is right: the images of a class drawn with replacement are a multinomial
    draw of those four counts. None as in `gap_of_means`.
    """
    if not _known(first, second):
        return None
    low, high = _resampled(figure, first.class_n, first.right, second.right)
    return _interval(low, high)


def _known(*tallies: Tally) -> bool:
    return all(t.right for t in tallies) and len({t.class_n for t in tallies}) == 1


def _interval(low: float, high: float) -> Interval | None:
    return (float(low), float(high)) if high - low > ROUNDING else None


@lru_cache(maxsize=1024)
def _resampled(figure: str, class_n: tuple[int, ...], first: str, second: str) -> Interval:
    generator = np.random.default_rng(0)
    shares = []
    for ours, theirs in zip(_by_class(class_n, first), _by_class(class_n, second), strict=True):
        if len(ours):
            cells = np.bincount(2 * ours + theirs, minlength=4)  # neither, only the second, only the first, both
            drawn = generator.multinomial(len(ours), cells / len(ours), size=DRAWN)
            shares.append(np.stack([drawn[:, 2] + drawn[:, 3], drawn[:, 1] + drawn[:, 3]]) / len(ours))
    one, two = np.stack(shares, axis=2)  # (DRAWN, K) each
    of = np.min if figure == "worst_class" else _nsd
    gaps = of(one, axis=1) - of(two, axis=1)
    low, high = np.quantile(gaps[np.isfinite(gaps)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _by_class(class_n: tuple[int, ...], right: str) -> list[NDArray[np.int64]]:
    tally = Tally.model_construct(n=sum(class_n), class_n=class_n, right=right)
    return [hits.astype(np.int64) for hits in tally.by_class()]


def _nsd(shares: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        spread: NDArray[np.float64] = shares.std(axis=axis) / shares.mean(axis=axis)
    return spread
