"""An attack's way as lines: what is drawn is what was reported, gaps included."""

from __future__ import annotations

from itertools import pairwise

import pytest

from robust_core.charts import DARK, alt, progress
from robust_core.types import UserError
from tests.charts.reading import sent, values, words

STEPS, LOSS, MARGIN = [0, 1, 2, 3], [0.1, 0.5, 1.2, 2.0], [3.0, 0.4, -0.2, -1.5]


def test_lines_hold_the_numbers() -> None:
    shares = {"p_true": [0.9, 0.6, 0.3, 0.1], "p_adversarial": [0.1, 0.2, 0.3, 0.4]}
    chart = sent(progress(STEPS, LOSS, MARGIN, current=2, **shares))
    lines = {line["name"]: values(line["y"]) for line in chart["data"]}
    assert lines == {
        "margin": MARGIN,
        "loss": LOSS,
        "P(true class)": shares["p_true"],
        "P(type = adversarial)": shares["p_adversarial"],
    }
    assert all(values(line["x"]) == STEPS for line in chart["data"])
    panels = [line["yaxis"] for line in chart["data"]]
    assert panels == ["y", "y2", "y3", "y3"]
    domains = [chart["layout"][key]["domain"] for key in ("yaxis", "yaxis2", "yaxis3")]
    assert all(upper[0] > lower[1] for upper, lower in pairwise(domains))


def test_the_current_step_is_the_large_mark_and_the_vertical_line() -> None:
    chart = progress(STEPS, LOSS, MARGIN, current=2)
    for line in chart.data:
        assert line.marker.size.index(max(line.marker.size)) == 2
    assert [s.x0 for s in chart.layout.shapes if s.x0 == s.x1] == [2]
    assert not [s for s in progress(STEPS, LOSS, MARGIN).layout.shapes if s.x0 == s.x1]


def test_fooled_begins_where_the_margin_falls_below_zero() -> None:
    chart = progress(STEPS, LOSS, MARGIN)
    assert "fooled from step 2" in words(chart)
    assert any(s.type == "rect" and s.y1 == 0 and s.y0 <= -1.5 for s in chart.layout.shapes)
    assert any(s.type == "line" and s.y0 == s.y1 == 0 for s in chart.layout.shapes)
    assert "margin from 3.00 to -1.50" in alt(chart)
    assert "fooled from step 2" in alt(chart)
    safe = progress(STEPS, LOSS, [3.0, 2.0, 1.0, 0.5])
    assert "fooled" not in words(safe)
    assert "never fooled" in alt(safe)
    assert not [s for s in safe.layout.shapes if s.type == "rect"]


def test_a_targeted_attack_says_itself_when_it_arrives() -> None:
    chart = progress(STEPS, LOSS, MARGIN, fooled=[False, False, False, True])
    assert "fooled from step 3" in words(chart)


def test_what_is_not_finite_is_a_gap_and_said() -> None:
    chart = progress(STEPS, [0.1, float("nan"), float("inf"), 2.0], [1.0, float("nan"), 0.5, float("-inf")], look=DARK)
    margin, loss = (values(line["y"]) for line in sent(chart)["data"])
    assert margin == [1.0, None, 0.5, None]
    assert loss == [0.1, None, None, 2.0]
    assert "4 values are not finite" in words(chart)


def test_no_steps_and_one_step_are_figures_too() -> None:
    assert "no steps" in alt(progress([], [], []))
    assert values(sent(progress([0], [0.3], [1.0], current=0))["data"][0]["y"]) == [1.0]


def test_lengths_must_fit() -> None:
    with pytest.raises(UserError, match="4 steps need 4 values of loss, got 1"):
        progress(STEPS, [1.0], MARGIN)
    with pytest.raises(UserError, match="4 steps need 4 values of margin, got 2"):
        progress(STEPS, LOSS, [1.0, 2.0])
