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
    return one.model_copy(update={"marks": None})


def networks(gap: float, n: int = 1000, rng: np.random.Generator = RNG) -> tuple[np.ndarray, np.ndarray]:
    """Two networks that err on much the same images; the first is right on a share `gap` more of them."""
    hard = rng.random(n)
    return hard + 0.05 * rng.random(n) < 0.75 + gap, hard + 0.05 * rng.random(n) < 0.75


def test_the_gap_of_w_robust_by_hand() -> None:
    labels, clean = np.arange(400) % 4, np.arange(400) < 350
    ours = tuple(Tally.counted(right, labels, 4) for right in (clean, np.arange(400) < 300))
    theirs = tuple(Tally.counted(right, labels, 4) for right in (clean, np.arange(400) < 200))
    each = 0.5 * ((np.arange(400) >= 200) & (np.arange(400) < 300))
    reach = 1.96 * each.std(ddof=1) / math.sqrt(400)
    assert gap_of_means(ours, theirs) == pytest.approx((0.125 - reach, 0.125 + reach))
    assert gap_of_means(theirs, ours) == pytest.approx((-0.125 - reach, -0.125 + reach))


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, held, widths = np.random.default_rng(1), 0, []
    for _ in range(400):
        ours, theirs = networks(0.05, rng=rng)
        low, high = gap_of_means((tally(ours),), (tally(theirs),)) or (0, 0)
        held += low <= 0.05 <= high
        widths.append(high - low)
    assert 0.92 <= held / 400 <= 0.98
    # Taken for independent, two shares of 0.75 of 1,000 images have an interval of 2·1.96·√(2·0.75·0.25/1000) = 0.076.
    assert np.mean(widths) < 0.035


@pytest.mark.parametrize("figure", ["worst_class", "nsd"])
def test_classes_as_the_bootstrap_over_all_images_has_them(figure: str) -> None:
    ours, theirs = networks(0.2)
    worse = (LABELS != 2) | (RNG.random(1000) < 0.6)  # a class that fares worse
    first, second = tally(ours & worse), tally(theirs & worse)
    low, high = gap_between_classes(figure, first, second) or (0, 0)  # type: ignore[arg-type]
    gain = getattr(compare(torch.tensor(theirs & worse), torch.tensor(ours & worse), torch.tensor(LABELS), 4), figure)
    mirrored = min(gain.low, 2 * gain.value - gain.high), max(gain.high, 2 * gain.value - gain.low)
    assert (low, high) == pytest.approx(mirrored, abs=0.01)
    assert low < gain.value < high
    turned = gap_between_classes(figure, second, first)  # type: ignore[arg-type]
    assert turned == pytest.approx((-high, -low), abs=0.01)


@pytest.mark.parametrize("others", [0.9, 0.55])
def test_alike_networks_are_seldom_told_apart_where_classes_tie_for_the_worst(others: float) -> None:
    """The minimum of tied classes lies below their shares, of the plain percentiles on one side in a fifth of all."""
    rng, labels, told = np.random.default_rng(2), np.repeat(np.arange(4), 250), 0
    ours, theirs = np.array([0.5, 0.9, 0.9, 0.9]), np.array([0.5, others, others, 0.9])
    for _ in range(100):
        hard, own = rng.random(1000), rng.random((2, 1000))
        rights = [0.7 * hard + 0.3 * noise for noise in own]
        cuts = [np.quantile(0.7 * rng.random(99_999) + 0.3 * rng.random(99_999), shares) for shares in (ours, theirs)]
        tallies = [Tally.counted(right < cut[labels], labels, 4) for right, cut in zip(rights, cuts, strict=True)]
        low, high = gap_between_classes("worst_class", *tallies) or (-1, 1)
        told += low > 0 or high < 0
    assert told <= 12


def test_nothing_is_said_of_counts_of_other_images_and_of_few_that_differ() -> None:
    ours, theirs = (tally(right) for right in networks(0.2))
    other = tally(networks(0.2)[0], np.roll(LABELS, 1) % 3)
    flipped = np.arange(1000) < 800
    few = [tally(flipped), tally(flipped ^ (np.arange(1000) % 50 == 0))]  # 20 differ
    for first, second in ((ours, counts_alone(theirs)), (ours, other), (ours, ours), few):
        assert gap_of_means((first,), (second,)) is None
        assert gap_between_classes("worst_class", first, second) is None
        assert gap_between_classes("nsd", second, first) is None
    assert gap_of_means((ours, ours), (theirs, theirs)) is not None
    assert gap_between_classes("nsd", ours, theirs) is not None
    assert gap_between_classes("nsd", ours, tally(np.zeros(1000, dtype=bool))) is None


def test_a_class_without_images_is_left_out() -> None:
    labels = LABELS % 3
    ours, theirs = (Tally.counted(right, labels, 5) for right in networks(0.15))
    low, high = gap_between_classes("worst_class", ours, theirs) or (0, 0)
    assert 0 < low < 0.15 < high < 0.3
