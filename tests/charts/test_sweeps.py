"""Growing ε, and one image on many networks: numbers, verdicts and marks are those given."""

from __future__ import annotations

import pytest

from robust_core.charts import LIGHT, alt, epsilon_curve, put_points, transfer
from robust_core.types import UserError
from tests.charts.reading import sent, values, words

EPS, TRUE, WRONG = [0.0, 0.05, 0.1], [0.99, 0.6, 0.1], [0.01, 0.3, 0.85]


def test_the_curve_holds_its_numbers_and_marks_the_smallest() -> None:
    chart = epsilon_curve(EPS, TRUE, WRONG, smallest=0.062, current=0.05, true_name="cat", adversarial_name="dog")
    own, other = sent(chart)["data"]
    assert values(own["x"]) == values(other["x"]) == EPS
    assert (values(own["y"]), values(other["y"])) == (TRUE, WRONG)
    assert (own["name"], other["name"]) == ("P(cat)", "P(dog)")
    assert [s.x0 for s in chart.layout.shapes if s.type == "line"] == [0.062, 0.05]
    assert "smallest fooling ε = 0.062" in words(chart)
    assert "the smallest ε that fools is 0.062" in alt(chart)
    assert "P(cat) goes from 99.0\u00a0% to 10.0\u00a0%" in alt(chart)


def test_not_fooled_is_said_with_how_far_was_looked() -> None:
    chart = epsilon_curve(EPS, TRUE)
    assert "not fooled up to ε = 0.1" in words(chart)
    assert "no ε up to 0.1 fools" in alt(chart)
    assert not chart.layout.shapes


def test_the_classes_led_to_are_named_where_they_win() -> None:
    wrong, answers = [0.01, 0.3, 0.85, 0.9, 0.7], ["dog", "dog", "dog", "<b>", "<b>"]
    chart = epsilon_curve(range(5), [0.9] * 5, wrong, answers=answers, adversarial_name="likeliest other class")
    other = chart.data[1]
    assert list(other.customdata) == ["dog"] * 3 + ["&lt;b&gt;"] * 2
    assert list(other.text) == ["", "", "dog", "&lt;b&gt;", ""]
    assert "%{customdata}" in other.hovertemplate
    put_points(chart, [0, 1], [0.9, 0.2], [0.1, 0.8], answers=["cat", "cat"])
    assert (list(other.x), list(other.y), list(other.text)) == ([0, 1], [0.1, 0.8], ["", "cat"])
    with pytest.raises(UserError, match="as many answers"):
        put_points(chart, [0, 1], [0.9, 0.2], [0.1, 0.8], answers=["cat"])


def test_the_curve_leaves_gaps() -> None:
    chart = epsilon_curve(EPS, [0.9, float("nan"), 0.1])
    assert values(sent(chart)["data"][0]["y"]) == [0.9, None, 0.1]
    assert "1 values are not finite" in words(chart)


def test_transfer_has_a_row_a_network_in_the_given_order() -> None:
    chart = transfer(["one", "two"], [0.9, 0.8], [0.1, 0.7], ["dog", "cat"], [True, False], source="one")
    read = sent(chart)
    joins, clean, adversarial = read["data"]
    assert values(clean["x"]) == [0.9, 0.8]
    assert values(adversarial["x"]) == [0.1, 0.7]
    assert clean["y"] == adversarial["y"] == [0, 1]
    assert values(joins["x"]) == [0.9, 0.1, None, 0.8, 0.7, None]
    assert chart.layout.yaxis.ticktext == ("<b>one</b>", "two")
    verdicts = {a.y: (a.text, a.font.color) for a in chart.layout.annotations}
    assert verdicts == {0: ("✗ fooled: dog", LIGHT.adversarial), 1: ("✓ cat", LIGHT.good)}
    assert "fools 1 of 2 networks" in alt(chart)
    assert "one: 90.0\u00a0% to 10.0\u00a0%, sees dog" in alt(chart)


def test_charts_of_the_same_networks_and_classes_have_one_plot_width() -> None:
    both = ["one", "a longer one"], [0.9, 0.8], [0.1, 0.7]
    short = transfer(*both, ["cat", "cat"], [False, False], source="one", classes=["cat", "hippopotamus"])
    long = transfer(
        *both, ["hippopotamus", "cat"], [True, False], source="a longer one", classes=["cat", "hippopotamus"]
    )
    for side in ("l", "r"):
        assert short.layout.margin[side] == long.layout.margin[side] > 0
    assert short.layout.yaxis.automargin is long.layout.yaxis.automargin is False
    assert long.layout.margin.r >= transfer(*both, ["hippopotamus", "cat"], [True, False]).layout.margin.r


def test_transfer_leaves_gaps_and_can_be_empty() -> None:
    chart = transfer(["one"], [float("nan")], [0.4], ["dog"], [True])
    assert values(sent(chart)["data"][1]["x"]) == [None]
    assert "1 not finite" in chart.layout.xaxis.title.text
    assert "0 of 0" in alt(transfer([], [], [], [], []))


def test_lengths_must_fit() -> None:
    with pytest.raises(UserError, match="3 values of ε"):
        epsilon_curve(EPS, TRUE, [0.1])
    with pytest.raises(UserError, match="every network"):
        transfer(["one"], [0.1], [0.1], [], [True])
