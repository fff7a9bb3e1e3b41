"""Route maps: three heat maps in one order, and the way of a route over an attack's steps."""

from __future__ import annotations

import numpy as np
import pytest

from robust_core.charts import (
    FAINT,
    alt,
    change_order,
    class_signals,
    route_change,
    route_over_steps,
    signal_maps,
)
from robust_core.explain import PARTED, distances, follow
from robust_core.types import UserError
from tests.charts.reading import sent, words
from tests.explain.routers import PGD, tiny_net

CLEAN = {"a.conv1": [1.0, 1.0], "a.conv2": [1.0, 0.5, 1.0, 1.0]}
ADVERSARIAL = {"a.conv1": [1.0, 1.3], "a.conv2": [1.1, 0.5, 0.6, 1.0]}


def test_the_most_changed_filter_comes_first_in_all_three_maps():
    maps = sent(signal_maps(CLEAN, ADVERSARIAL))["data"]
    assert [m["z"][1] for m in maps] == [
        pytest.approx([0.0, 0.0, -0.5, 0.0]),
        pytest.approx([-0.4, 0.1, -0.5, 0.0]),
        pytest.approx([-0.4, 0.1, 0.0, 0.0]),
    ]
    assert maps[2]["z"][0] == pytest.approx([0.3, 0.3, 0, 0])  # two filters over four cells
    assert "filter 2: 0.600" in maps[1]["customdata"][1][0]
    assert "filter 2: -0.400" in maps[2]["customdata"][1][0]


def test_by_index_nothing_is_moved_and_the_order_is_said():
    chart = signal_maps(CLEAN, ADVERSARIAL, order="index")
    assert sent(chart)["data"][1]["z"][1] == pytest.approx([0.1, -0.5, -0.4, 0.0])
    assert chart.layout.xaxis.title.text == "filters, by index"
    assert "by index" in alt(chart)
    assert "largest change -0.400 at filter 2" in alt(chart)


def test_clean_and_adversarial_share_a_scale_the_difference_has_its_own():
    clean, adversarial, change = signal_maps(CLEAN, ADVERSARIAL).data
    assert clean.zmax == adversarial.zmax == -clean.zmin == pytest.approx(0.5)
    assert change.zmax == pytest.approx(0.4)
    assert "0.50 … 1.50" in words(signal_maps(CLEAN, ADVERSARIAL))


def test_what_hardly_differs_looks_so():
    still = {"a.conv1": [1.0, 1.0], "a.conv2": [1.0, 0.5, 1.001, 1.0]}
    *_, change = signal_maps(CLEAN, still).data
    assert change.zmax == FAINT
    assert max(abs(v) for row in change.z for v in row) == pytest.approx(0.05 * FAINT)
    assert class_signals([[[1.0, 1.001]], [[1.0, 0.999]]], ["a"]).data[0].zmax == FAINT
    faint = route_change({"a": [1.0]}, {"a": [1.001]}).layout.xaxis.range
    assert faint[1] == pytest.approx(1.15 * FAINT)
    assert FAINT < 0.5 * PARTED


def test_misfits_are_refused_and_an_empty_route_says_so():
    with pytest.raises(UserError, match="one network"):
        signal_maps(CLEAN, {"a.conv1": [1.0, 1.0]})
    with pytest.raises(UserError, match="unknown order"):
        signal_maps(CLEAN, ADVERSARIAL, order="size")
    assert "no signals" in words(signal_maps({}, {}))
    broken = sent(signal_maps({"a": [float("nan")]}, {"a": [1.0]}))
    assert broken["data"][0]["z"] == [[None]]


def test_equal_changes_keep_their_index():
    assert change_order(np.array([0.1, -0.3, 0.1, 0.3])).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize("architecture", ["aw_net", "moe"])
def test_the_way_over_steps_is_the_distance_of_each_conv_at_each_step(small, architecture):
    net = tiny_net(architecture)
    way = follow(net, small.floats([0]), int(small.labels[0]), PGD)
    chart = route_over_steps(way)
    heat = chart.data[0]
    apart = distances(way.clean, way.route)
    assert list(heat.x) == [0, 1, 2, 3]
    assert np.allclose(np.array(heat.z, dtype=float), np.array([v.numpy() for v in apart.values()]), atol=1e-6)
    assert len(chart.data) == (2 if architecture == "aw_net" else 1)
    assert "first to last step" in alt(chart)
