"""Two attacks, or two networks, on the same images: by chance, or not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from robust_core.cards import Tally
from robust_core.evaluation.paired import chance, gap_between_classes, gap_of_means
from robust_core.explain.gains import compare

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, size=1000)


def answers(both: int, first: int, second: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Right after both attacks, after the first alone, after the second alone; and 10 images after neither."""
    one = [True] * (both + first) + [False] * (second + 10)
    two = [True] * both + [False] * first + [True] * second + [False] * 10
    return torch.tensor(one), torch.tensor(two)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(0, 0, 1.0), (1, 0, 0.5), (2, 0, 0.25), (2, 1, 0.5), (5, 0, 1 / 32), (0, 5, 1.0), (9, 1, 11 / 1024)],
)
def test_tails_of_the_binomial_by_hand(first: int, second: int, expected: float) -> None:
    for both in (0, 40):
        assert chance(*answers(both, first, second)) == pytest.approx(expected)


def test_a_thousand_images_are_no_overflow() -> None:
    assert 0 < chance(*answers(0, 1000, 0)) < 1e-300 or chance(*answers(0, 1000, 0)) == 0.5**1000
    assert chance(*answers(0, 500, 500)) == pytest.approx(0.5126, abs=1e-3)


def tally(right: np.ndarray, labels: np.ndarray = LABELS) -> Tally:
    return Tally.counted(right, labels, 4)


def counts_alone(one: Tally) -> Tally:
    return one.model_copy(update={"right": ""})


def networks(gap: float, n: int = 1000, rng: np.random.Generator = RNG) -> tuple[np.ndarray, np.ndarray]:
    """Two networks that err on much the same images; the first is right on a share `gap` more of them."""
    hard = rng.random(n)
    return hard + 0.05 * rng.random(n) < 0.75 + gap, hard + 0.05 * rng.random(n) < 0.75


def test_the_gap_of_w_robust_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    clean, robust = np.array([True, True, True, False]), np.array([True, False, True, False])
    other = np.array([True, False, False, False])
    ours = tuple(Tally.counted(right, labels, 2) for right in (clean, robust))
    theirs = tuple(Tally.counted(right, labels, 2) for right in (clean, other))
    each = np.array([0, 0, 0.5, 0])
    reach = 1.96 * each.std(ddof=1) / math.sqrt(4)
    assert gap_of_means(ours, theirs) == pytest.approx((0.125 - reach, 0.125 + reach))
    low, high = gap_of_means(theirs, ours) or (0, 0)
    assert (low, high) == pytest.approx((-0.125 - reach, -0.125 + reach))


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, held, widths = np.random.default_rng(1), 0, []
    for _ in range(400):
        ours, theirs = networks(0.02, rng=rng)
        low, high = gap_of_means((tally(ours),), (tally(theirs),)) or (0, 0)
        held += low <= 0.02 <= high
        widths.append(high - low)
    assert 0.92 <= held / 400 <= 0.98
    # Taken for independent, two shares of 0.75 of 1,000 images have an interval of 2·1.96·√(2·0.75·0.25/1000) = 0.076.
    assert np.mean(widths) < 0.025


@pytest.mark.parametrize("figure", ["worst_class", "nsd"])
def test_classes_as_the_bootstrap_over_all_images_has_them(figure: str) -> None:
    ours, theirs = networks(0.03)
    ours &= (LABELS != 2) | (RNG.random(1000) < 0.8)  # a class that fares worse
    gap = gap_between_classes(figure, tally(ours), tally(theirs))  # type: ignore[arg-type]
    gain = getattr(compare(torch.tensor(theirs), torch.tensor(ours), torch.tensor(LABELS), 4), figure)
    assert gap == pytest.approx((gain.low, gain.high), abs=0.01)
    assert gap[1] - gap[0] > 0.01


def test_nothing_is_said_of_counts_of_other_images_and_of_no_difference() -> None:
    ours, theirs = (tally(right) for right in networks(0.1))
    other = tally(networks(0.1)[0], np.roll(LABELS, 1) % 3)
    for second in (counts_alone(theirs), other, ours):
        assert gap_of_means((ours,), (second,)) is None
        assert gap_between_classes("worst_class", ours, second) is None
        assert gap_between_classes("nsd", second, ours) is None
    assert gap_of_means((ours, ours), (theirs, theirs)) is not None


def test_a_class_without_images_is_left_out() -> None:
    labels = LABELS % 3
    ours, theirs = (Tally.counted(right, labels, 5) for right in networks(0.05))
    low, high = gap_between_classes("worst_class", ours, theirs) or (0, 0)
    assert -0.1 < low < 0.05 < high < 0.2
