"""Fairness figures and intervals against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from robust_core.cards import Tally
from robust_core.evaluation.measures import class_figures, nsd, share_figure, wilson


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
    assert (nothing["worst_class"].low, nothing["worst_class"].high) == (0, 0)
