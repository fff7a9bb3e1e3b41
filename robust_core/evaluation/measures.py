"""Figures of fairness and their uncertainty, from counts alone: worst class, NSD, intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from robust_core.cards import Figure, Tally

LEVEL = 0.95
RESAMPLES = 2000
DRAWN_AT_ONCE = 2**22  # numbers, so that memory stays small for any n


def wilson(correct: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share, in [0, 1]. Source: Wilson 1927."""
    share = correct / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


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
    """ "worst_class" and "nsd" with bootstrap intervals over images; no "nsd" where no image is right.

    An image is, for these figures, a class and right or wrong: n of them drawn with replacement are a multinomial draw
    of the counts. A resample without an image of a class leaves that class out, as the figures do.
    """
    drawn = _resampled(tally, seed, resamples)
    worst = drawn.nan_to_num(nan=2.0).amin(dim=1)
    figures = {"worst_class": _figure(tally.worst_class, worst)}
    spread = nsd(tally.class_accuracy)
    if spread is not None:
        mean = drawn.nanmean(dim=1)
        around = (drawn - mean[:, None]).square().nanmean(dim=1).sqrt()
        figures["nsd"] = _figure(spread, (around / mean)[mean > 0])
    return figures


def _resampled(tally: Tally, seed: int, resamples: int) -> Float[Tensor, "b k"]:
    """Class accuracies of each resample; NaN where it has no image of the class."""
    generator = torch.Generator().manual_seed(seed)
    right = torch.tensor(tally.class_correct, dtype=torch.float64)
    cells = torch.cat([right, torch.tensor(tally.class_n) - right])
    at_once = max(1, DRAWN_AT_ONCE // tally.n)
    parts = []
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        draws = torch.multinomial(cells.expand(rows, -1), tally.n, replacement=True, generator=generator)
        counts = torch.zeros(rows, len(cells), dtype=torch.float64)
        parts.append(counts.scatter_add_(1, draws, torch.ones_like(draws, dtype=torch.float64)))
    hits, misses = torch.cat(parts).chunk(2, dim=1)
    return hits / (hits + misses)


def _figure(value: float, drawn: Float[Tensor, " b"]) -> Figure:
    """The percentile interval, widened to hold the value itself: resamples of a minimum lie below it for the most."""
    edges = drawn.new_tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = torch.quantile(drawn, edges).tolist()
    return Figure(value=value, low=min(low, value), high=max(high, value))
