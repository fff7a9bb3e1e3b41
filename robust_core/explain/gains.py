"""Two networks on the same images, class by class: who gained, who paid, how surely; and who is taken for whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from robust_core.explain.temperatures import nsd, worst_class
from robust_core.types import UserError

Array = NDArray[np.float64]
LEVEL = 0.95
Z = 1.96  # of it


@dataclass(frozen=True, kw_only=True, eq=False)
class Gain:
    """A quantity of run B minus that of run A, with its 95 % interval. NaN where it cannot be said."""

    value: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Does the interval leave out 0?"""
        return self.low > 0 or self.high < 0

    def told(self, *, points: bool = True) -> str:
        """In words, as percentage points or as it is. An interval whose ends print alike says nothing of chance: all
        resamples agreed, and it is left out."""
        if self.value != self.value:
            return "not defined"
        scale, form, unit = (100, "+.1f", " points") if points else (1, "+.3f", "")
        value, low, high = (f"{scale * v + 0.0:{form}}" for v in (self.value, self.low, self.high))
        if low.lstrip("+-") == high.lstrip("+-") and (low == high or not float(low)):
            return f"{value}{unit}" if self.value else "no difference on these images"
        return f"{value}{unit} [{low}, {high}]"


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Two networks on the same N images. classes: B - A a class, in shares; overall, worst_class, nsd: B - A of each.

    a, b: class accuracies (K,), NaN for a class without images. class_n: images a class.
    """

    n: int
    class_n: tuple[int, ...]
    a: Array
    b: Array
    classes: tuple[Gain, ...]
    overall: Gain
    worst_class: Gain
    nsd: Gain


def compare(
    a_right: Bool[Tensor, " n"],
    b_right: Bool[Tensor, " n"],
    labels: Int64[Tensor, " n"],
    num_classes: int,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> Comparison:
    """Who gained and who paid from A to B, judged on the same images.

    Intervals of a class and of all images: Agresti & Min 2005 for the difference of paired proportions, which has a
    width also where the two never differ. Of the worst class and NSD: a paired bootstrap over the images. An image is
    there its class and which of the two is right: N drawn with replacement are a multinomial draw of those 4·K counts.
    Raises UserError where the rows do not fit or hold no image.
    """
    if not len(labels) or not len(a_right) == len(b_right) == len(labels):
        raise UserError(
            f"both networks must be judged on the same images; got {len(a_right)}, {len(b_right)}, {len(labels)}"
        )
    cells = (labels * 4 + a_right.long() * 2 + b_right.long()).cpu()
    counts = torch.bincount(cells, minlength=4 * num_classes).double()
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        torch.bincount(counts.multinomial(len(labels), replacement=True, generator=generator), minlength=len(counts))
        for _ in range(resamples)
    ]
    whole, many = _told(counts[None]), _told(torch.stack(drawn).double())
    table = counts.view(num_classes, 4).numpy()
    return Comparison(
        n=len(labels),
        class_n=tuple(int(v) for v in counts.view(num_classes, 4).sum(dim=1)),
        a=whole["a"][0],
        b=whole["b"][0],
        classes=tuple(_paired(row) for row in table),
        overall=_paired(table.sum(axis=0)),
        **{name: _gain(whole[name][0], many[name]) for name in ("worst_class", "nsd")},
    )


def _paired(counts: Array) -> Gain:
    """The gain in share right, from how many images neither, B alone, A alone and both get right.

    Source: Agresti & Min 2005: Wald's interval after half an image more in each of the four counts.
    """
    n = counts.sum()
    if not n:
        return Gain(value=float("nan"), low=float("nan"), high=float("nan"))
    p_b, p_a = (counts[1] + 0.5) / (n + 2), (counts[2] + 0.5) / (n + 2)
    reach = Z * np.sqrt((p_a + p_b - (p_b - p_a) ** 2) / (n + 2))
    value = (counts[1] - counts[2]) / n
    low, high = max(-1.0, p_b - p_a - reach), min(1.0, p_b - p_a + reach)
    return Gain(value=float(value), low=float(min(low, value)), high=float(max(high, value)))


def _told(counts: Float[Tensor, "b c"]) -> dict[str, Array]:
    """Of each row of counts: class accuracies of A and B (B, K), and B - A of the worst class and of NSD."""
    table = counts.view(len(counts), -1, 4).numpy()  # of a class: neither, only B, only A, both
    n = table.sum(axis=2)
    with np.errstate(invalid="ignore"):
        a, b = (table[:, :, 2] + table[:, :, 3]) / n, (table[:, :, 1] + table[:, :, 3]) / n
    return {
        "a": a,
        "b": b,
        "worst_class": worst_class(b.T)[0] - worst_class(a.T)[0],
        "nsd": nsd(b.T) - nsd(a.T),
    }


def _gain(value: float, drawn: Array) -> Gain:
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(known):
        return Gain(value=float("nan"), low=float("nan"), high=float("nan"))
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    # A minimum's resamples may all lie on one side of it: the interval is widened to hold the value itself.
    return Gain(value=float(value), low=float(min(low, value)), high=float(max(high, value)))


def confusion(answers: Int64[Tensor, " n"], labels: Int64[Tensor, " n"], num_classes: int) -> Int64[Tensor, "k k"]:
    """How many images of each true class (row) get each answer (column)."""
    return torch.bincount(labels * num_classes + answers, minlength=num_classes**2).view(num_classes, num_classes)
