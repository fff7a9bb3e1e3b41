"""Fairness figures and intervals against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_core.cards import Tally
from robust_core.evaluation.measures import (
    class_figures,
    in_percent,
    nsd,
    percents,
    share_figure,
    spaced,
    wilson,
)


def tally(*classes: tuple[int, int]) -> Tally:
    """(right, of) for each class."""
    right, of = zip(*classes, strict=True)
    return Tally(n=sum(of), correct=sum(right), class_n=of, class_correct=right)


def test_wilson_by_hand() -> None:
    low, high = wilson(50, 100)
    assert (low, high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1
    figure = share_figure(tally((30, 50), (20, 50)))
    assert (figure.value, figure.low, figure.high) == (0.5, low, high)


def test_nsd_by_hand() -> None:
    assert nsd([0.8, 0.4]) == pytest.approx(0.2 / 0.6)
    assert nsd([0.5, 0.5, None]) == 0
    assert nsd([0.0, 0.0]) is None


def test_bootstrap_repeats_holds_its_figure_and_narrows_with_images() -> None:
    few, many = tally((16, 20), (8, 20)), tally((1600, 2000), (800, 2000))
    small, large = class_figures(few, seed=1), class_figures(many, seed=1)
    assert small == class_figures(few, seed=1) != class_figures(few, seed=2)
    for figures in (small, large):
        assert figures["worst_class"].value == 0.4
        assert figures["nsd"].value == pytest.approx(1 / 3)
        for figure in figures.values():
            assert figure.low < figure.value < figure.high
    # The worse class is far from the other one, so its interval is that of one share: 1.96·sqrt(.4·.6/2000).
    reach = 1.96 * math.sqrt(0.4 * 0.6 / 2000)
    assert large["worst_class"].high - 0.4 == pytest.approx(reach, rel=0.15)
    assert 0.4 - large["worst_class"].low == pytest.approx(reach, rel=0.15)
    assert small["worst_class"].high - small["worst_class"].low > 6 * reach


def test_a_class_without_images_is_left_out_and_nothing_right_has_no_nsd() -> None:
    figures = class_figures(tally((5, 10), (0, 0), (10, 10)))
    assert figures["worst_class"].value == 0.5
    assert 0 < figures["worst_class"].low < 0.5 < figures["worst_class"].high
    nothing = class_figures(tally((0, 10), (0, 10)))
    assert nothing.keys() == {"worst_class"}


def test_no_interval_is_a_point_where_none_or_all_are_right() -> None:
    # 0 of n: z² / (n + z²), z = 1.96. Of 10,000 that is 3.8416 / 10003.8416 = 0.000384, 0.04 %.
    assert wilson(0, 10_000) == (0.0, pytest.approx(3.8416 / 10_003.8416, rel=1e-9))
    assert wilson(10_000, 10_000) == (pytest.approx(10_000 / 10_003.8416, rel=1e-9), 1.0)
    nothing = class_figures(tally((0, 10), (0, 40)))["worst_class"]
    assert (nothing.value, nothing.low) == (0, 0)
    assert nothing.high == pytest.approx(3.8416 / 13.8416)  # of the class of 10, the less certain
    perfect = class_figures(tally((1000, 1000), (1000, 1000)))
    assert (perfect["worst_class"].low, perfect["worst_class"].high) == (pytest.approx(1000 / 1003.8416), 1)
    assert perfect["nsd"].low == 0 < perfect["nsd"].high < 0.01
    lonely = class_figures(tally((5, 100), (0, 100), (0, 100)))["nsd"]  # every resample gives √2
    assert lonely.low < lonely.value == pytest.approx(math.sqrt(2))
    assert class_figures(tally((0, 100), (50, 100)))["worst_class"].high == pytest.approx(3.8416 / 103.8416)


@pytest.mark.parametrize(
    ("correct", "n", "told"),
    [
        (0, 10_000, ["0.00", "0.00", "0.04"]),
        (0, 7_600, ["0.0", "0.0", "0.1"]),
        (0, 70_000, ["0.00", "0.00", "0.01"]),
        (0, 100_000, ["0.000", "0.000", "0.004"]),
        (10_000, 10_000, ["100.00", "99.96", "100.00"]),
        (3, 10_000, ["0.03", "0.01", "0.09"]),
        (9_997, 10_000, ["99.97", "99.91", "99.99"]),
        (50, 100, ["50.0", "40.4", "59.6"]),
        (0, 10, ["0.0", "0.0", "27.8"]),
    ],
)
def test_as_many_decimals_as_keep_what_is_no_point_from_looking_like_one(correct: int, n: int, told: list[str]) -> None:
    assert percents(correct / n, *wilson(correct, n)) == told


@given(st.integers(1, 200_000), st.data())
def test_nothing_is_printed_as_nought_or_all_that_is_not(n: int, drawn: st.DataObject) -> None:
    correct = drawn.draw(st.one_of(st.integers(0, n), st.sampled_from([0, 1, n - 1, n])))
    value, low, high = percents(correct / n, *wilson(correct, n))
    assert low != high
    assert (float(value) == 0) == (correct == 0)
    assert (float(value) == 100) == (correct == n)
    assert float(low) <= float(value) <= float(high)


def test_a_percentage_is_written_with_a_space_that_no_line_breaks_at() -> None:
    assert in_percent(0.742) == "74.2\u00a0%"
    assert in_percent(0.5, *wilson(50, 100)) == "50.0\u00a0% [40.4, 59.6]"
    assert in_percent(0.0, *wilson(0, 10_000)) == "0.00\u00a0% [0.00, 0.04]"
    assert in_percent(0.866, whole=True) == "87\u00a0%"
    assert spaced("86.3% of 12 and 95 % (W %d)") == "86.3\u00a0% of 12 and 95\u00a0% (W %d)"
