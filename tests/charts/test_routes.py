"""How the route moved: one bar a conv, as long as the mean change."""

from __future__ import annotations

import pytest

from robust_core.charts import LIGHT, alt, route_change, type_bars
from robust_core.types import UserError
from tests.charts.reading import sent, values, words

CLEAN = {"layer1.0.conv1": [1.0, 1.0], "layer1.0.conv2": [1.0, 0.5, 1.0]}
ADVERSARIAL = {"layer1.0.conv1": [1.2, 0.8], "layer1.0.conv2": [1.0, 1.1, 1.0]}


def test_bars_are_the_mean_absolute_change_in_the_networks_order() -> None:
    chart = route_change(CLEAN, ADVERSARIAL)
    (bars,) = sent(chart)["data"]
    assert values(bars["x"]) == pytest.approx([0.2, 0.2])
    assert chart.layout.yaxis.ticktext == tuple(CLEAN)
    assert "filter 1: 0.500 → 1.100" in bars["customdata"][1]
    assert "layer1.0.conv1 0.200" in alt(chart)


def test_an_unmoved_route_has_bars_of_length_zero() -> None:
    assert values(sent(route_change(CLEAN, CLEAN))["data"][0]["x"]) == [0, 0]


def test_no_signals_and_signals_that_are_not_finite() -> None:
    assert "no signals" in words(route_change({}, {}))
    assert "no routing signals" in alt(route_change({}, {}))
    broken = route_change({"a": [1.0, float("nan")]}, {"a": [1.0, 1.0]})
    assert values(sent(broken)["data"][0]["x"]) == [None]
    assert broken.data[0].text == ("not finite",)


def test_routes_must_be_of_one_network() -> None:
    with pytest.raises(UserError, match="same convs"):
        route_change(CLEAN, {"other": [1.0]})
    with pytest.raises(UserError, match="equal length"):
        route_change({"a": [1.0]}, {"a": [1.0, 2.0]})


def test_type_bars_hold_both_shares_in_their_colours() -> None:
    chart = type_bars(0.1, 0.8)
    (bars,) = sent(chart)["data"]
    assert values(bars["x"]) == [0.1, 0.8]
    assert list(chart.data[0].marker.color) == [LIGHT.clean, LIGHT.adversarial]
    assert "10.0\u00a0% for the clean image, 80.0\u00a0% for the adversarial image" in alt(chart)
    assert values(sent(type_bars(0.1, None))["data"][0]["x"]) == [0.1]
    assert values(sent(type_bars(float("nan"), 0.2))["data"][0]["x"]) == [None, 0.2]
