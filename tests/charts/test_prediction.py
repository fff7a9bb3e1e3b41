"""Probabilities as bars: the numbers, their order and their names are those given."""

from __future__ import annotations

import numpy as np
import pytest

from robust_core.charts import DARK, LIGHT, alt, probabilities
from robust_core.types import UserError
from tests.charts.reading import sent, values, words

NAMES = ["cat", "dog", "<i>owl</i>"]
CLEAN, ADVERSARIAL = [0.7, 0.2, 0.1], [0.05, 0.9, 0.05]


def test_bars_hold_the_numbers_in_the_classes_order() -> None:
    chart = sent(probabilities(NAMES, CLEAN, ADVERSARIAL, true=0, target=1))
    clean, adversarial = chart["data"]
    assert (clean["name"], adversarial["name"]) == ("clean", "adversarial")
    assert values(clean["x"]) == CLEAN
    assert values(adversarial["x"]) == ADVERSARIAL
    assert clean["y"] == adversarial["y"] == [0, 1, 2]
    assert clean["text"] == ["70\u00a0%", "20\u00a0%", "10\u00a0%"]
    low, high = chart["layout"]["yaxis"]["range"]
    assert low > high  # the first class on top
    assert chart["layout"]["xaxis"]["range"][0] == 0
    assert 1 <= chart["layout"]["xaxis"]["range"][1] < 1.2


def test_true_class_and_target_are_marked_and_names_are_plain_text() -> None:
    ticks = probabilities(NAMES, CLEAN, true=0, target=1).layout.yaxis.ticktext
    assert ticks == ("<b>◆ cat</b>", "◎ dog", "&lt;i&gt;owl&lt;/i&gt;")
    assert "◆" not in "".join(probabilities(NAMES, CLEAN).layout.yaxis.ticktext)


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_clean_is_blue_and_adversarial_vermilion(look: object) -> None:
    chart = probabilities(NAMES, CLEAN, ADVERSARIAL, look=look)
    assert [bar.marker.color for bar in chart.data] == [look.clean, look.adversarial]


def test_the_sentence_says_both_predictions() -> None:
    said = alt(probabilities(NAMES, CLEAN, ADVERSARIAL, true=0))
    assert "Clean: cat 70.0\u00a0%" in said
    assert "adversarial: dog 90.0\u00a0%, true class cat 5.0\u00a0%" in said


def test_many_classes_show_the_top_ones_and_always_the_true_one_and_the_target() -> None:
    clean, adversarial = np.full(100, 0.001), np.full(100, 0.001)
    clean[17], adversarial[40], clean[3] = 0.8, 0.6, 0.3
    chart = probabilities([f"class {k}" for k in range(100)], clean, adversarial, true=99, target=98)
    ticks = list(chart.layout.yaxis.ticktext)
    assert ticks[:3] == ["class 17", "class 40", "class 3"]
    assert len(ticks) == 10
    assert "<b>◆ class 99</b>" in ticks
    assert "◎ class 98" in ticks
    assert values(sent(chart)["data"][0]["x"])[:3] == [0.8, 0.001, 0.3]
    assert "10 of 100 classes" in words(chart)
    assert chart.layout.height < 450


def test_twenty_classes_are_all_shown() -> None:
    chart = probabilities([str(k) for k in range(20)], np.full(20, 0.05))
    assert len(chart.layout.yaxis.ticktext) == 20
    assert "of 20" not in words(chart)


@pytest.mark.parametrize("classes", [3, 100])
def test_what_is_not_finite_is_a_gap_and_said(classes: int) -> None:
    broken = np.full(classes, np.nan)
    broken[1] = np.inf
    chart = probabilities([str(k) for k in range(classes)], np.full(classes, 1 / classes), broken, true=2)
    assert set(values(sent(chart)["data"][1]["x"])) == {None}
    assert f"{classes} values are not finite" in words(chart)
    assert "no finite probability" in alt(chart)


def test_lengths_must_fit() -> None:
    with pytest.raises(UserError, match="3 class names"):
        probabilities(NAMES, [0.5, 0.5])
    with pytest.raises(UserError, match="3 class names"):
        probabilities(NAMES, CLEAN, [1.0])
