"""Figures of fairness and their uncertainty, from counts alone: worst class, NSD, intervals."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from robust_core.cards import Figure, Tally

LEVEL = 0.95
RESAMPLES = 2000
ROUNDING = 1e-9
MOST_DECIMALS = 4  # of a share in percent


def wilson(correct: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share, in [0, 1]; never a point: 0 of n reaches up to z² / (n + z²).

    Source: Wilson 1927.
    """
    share = correct / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends exactly: rounding would leave a little on the other side.
    return 0.0 if correct == 0 else max(0.0, middle - reach), 1.0 if correct == n else min(1.0, middle + reach)


def percents(*shares: float, least: int = 1) -> list[str]:
    """Shares of one cell as percent, all with the decimals that none of them looks like another, or like 0 or 100 where
    it is not: `least` as a rule, "0.00" and "0.04" for none of 10,000 and where its interval ends.

    Of 0 of n the interval needs a second decimal from n = 7,680 on, and a third from 76,800 on.
    """

    def told(decimals: int) -> list[str]:
        return [f"{100 * share:.{decimals}f}" for share in shares]

    def enough(texts: list[str]) -> bool:
        apart = len(set(texts)) == len(set(shares))
        return apart and all((float(t) in (0, 100)) == (s in (0, 1)) for s, t in zip(shares, texts, strict=True))

    return next((texts for d in range(least, MOST_DECIMALS) if enough(texts := told(d))), told(MOST_DECIMALS))


def in_percent(share: float, *ends: float, whole: bool = False, least: int = 1) -> str:
    """ "74.2 %", with its interval "74.2 % [73.3, 75.0]": as pages, charts and reports write it, with a space that no
    line breaks at. whole: without decimals, where there is no room; least: decimals otherwise (W-Robust takes two: it
    is the half of a sum, and 83.05 and 82.95 are no tie)."""
    value, *around = [f"{100 * share:.0f}"] if whole else percents(share, *ends, least=least)
    return f"{value}\u00a0%" + (f" [{', '.join(around)}]" if around else "")


def spaced(text: str) -> str:
    """A sentence, of a card say, with its percentages written as `in_percent` does."""
    return re.sub(r"(?<=\d) ?%", "\u00a0%", text)


def nsd(class_accuracy: Sequence[float | None]) -> float | None:
    """Population standard deviation / mean of the class accuracies: lower is fairer. None where the mean is 0.

    Classes with no image (None) are left out.
    """
    present = [share for share in class_accuracy if share is not None]
    mean = sum(present) / len(present)
    if mean == 0:
        return None
    return math.sqrt(sum((share - mean) ** 2 for share in present) / len(present)) / mean


def share_figure(tally: Tally) -> Figure:
    """The accuracy with its Wilson interval."""
    low, high = wilson(tally.correct, tally.n)
    return Figure(value=tally.accuracy, low=low, high=high)


def class_figures(tally: Tally, *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Figure]:
    """ "worst_class" and "nsd" with bootstrap intervals over images, class by class; no "nsd" where no image is right.

    An image is, for these figures, right or wrong: n of a class drawn with replacement are a binomial draw of its
    count. Classes without images are left out. Counts that resample to themselves (a class with none right, all right)
    say nothing of chance. There the worst class has Wilson's interval, of its class of the fewest images, and NSD is
    drawn with half an image more right and wrong in each class (Jeffreys).
    """
    drawn = _resampled(tally, seed, resamples)
    worst = _figure(tally.worst_class, drawn.amin(dim=1))
    figures = {"worst_class": _wilson_of_worst(tally) if _a_point(worst) else worst}
    if (spread := nsd(tally.class_accuracy)) is not None:
        figures["nsd"] = _figure(spread, _spreads(drawn))
        if _a_point(figures["nsd"]):
            figures["nsd"] = _figure(spread, _spreads(_resampled(tally, seed, resamples, more=0.5)))
    return figures


def _a_point(figure: Figure) -> bool:
    """Does its interval end where it begins, but for rounding?"""
    return figure.high - figure.low < ROUNDING


def _wilson_of_worst(tally: Tally) -> Figure:
    worst = tally.worst_class
    n, right = min((n, c) for c, n in zip(tally.class_correct, tally.class_n, strict=True) if n and c / n == worst)
    low, high = wilson(right, n)
    return Figure(value=worst, low=low, high=high)


def _spreads(drawn: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    """NSD of each resample in which an image is right."""
    spread, mean = torch.std_mean(drawn, dim=1, correction=0)
    return (spread / mean)[mean > 0]


def _resampled(tally: Tally, seed: int, resamples: int, more: float = 0.0) -> Float[Tensor, "b k"]:
    """Accuracies, in each resample, of the classes that have images. more: images added to the right and the wrong."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor([tally.class_correct, tally.class_n], dtype=torch.float64)
    right, n = counts[:, counts[1] > 0]
    share = (right + more) / (n + 2 * more)
    hits: Tensor = torch.binomial(n.repeat(resamples, 1), share.repeat(resamples, 1), generator=generator)
    return hits.div_(n)


def _figure(value: float, drawn: Float[Tensor, " b"]) -> Figure:
    """The percentile interval, widened to hold the value itself: resamples of a minimum lie below it for the most."""
    edges = drawn.new_tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = torch.quantile(drawn, edges).tolist()
    return Figure(value=value, low=min(low, value), high=max(high, value))
