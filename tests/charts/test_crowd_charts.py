"""Figures of many routes: what flows adds up, shares are drawn as they are, collapse shows as one colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robust_core.charts import (
    LIGHT,
    alt,
    class_signals,
    code_map,
    distributions,
    expert_load,
    sankey,
    variance_shares,
)
from robust_core.explain import Shares, paths
from robust_core.explain.paths import CodeMap
from robust_core.types import Route, UserError
from tests.charts.reading import sent, values, words
from tests.explain.routers import made_crowd

Y = torch.tensor([0, 1, 2, 2])
NAN = float("nan")


def two_blocks():
    clean = Route(signals={"a.conv1": torch.full((4, 1), 0.8), "b.conv1": torch.tensor([[0.5], [0.5], [2.0], [2.0]])})
    adversarial = Route(signals={"a.conv1": torch.full((4, 1), 1.2), "b.conv1": torch.full((4, 1), 2.0)})
    return made_crowd(clean, adversarial, Y)


def test_ribbons_add_up_to_all_images_and_have_their_groups_colour():
    chart = sankey(paths(two_blocks(), states=2))
    (drawn,) = chart.data
    assert sum(drawn.link.value) == 8
    by_source = {s: sum(v for v, t in zip(drawn.link.value, drawn.link.source, strict=True) if t == s) for s in (0, 1)}
    assert by_source == {0: 4, 1: 4}
    assert len(set(drawn.link.color)) == 2
    assert [n.split(" (")[0] for n in drawn.node.label] == ["a: state 1", "a: state 2", "b: state 1", "b: state 2"]
    assert "a in 2 states" in alt(chart)


def test_the_code_map_draws_every_point_once_by_group():
    found = CodeMap(points=torch.tensor([[0.0, 1], [2, 3], [4, 5]]), explained=(0.75, 0.2))
    chart = code_map(found, [1, 0, 1], ("right", "wrong"), index=[7, 8, 9])
    assert [len(t.x) for t in chart.data] == [1, 2]
    assert chart.data[0].marker.symbol != chart.data[1].marker.symbol
    assert chart.layout.xaxis.title.text == "first axis, 75\u00a0% of the variance"
    assert "wrong 2 around (2.00, 3.00)" in alt(chart)
    with pytest.raises(UserError, match="one group a point"):
        code_map(found, [0, 1], ("a", "b"))


def test_shares_are_stacked_as_they_are_and_a_constant_conv_says_so():
    shares = {
        "a": Shares(types=0.2, classes=0.3, within=0.5, total=1.0),
        "b": Shares(types=NAN, classes=NAN, within=NAN, total=0.0),
    }
    chart = variance_shares(shares)
    assert [values(bar["x"]) for bar in sent(chart)["data"]] == [[0.2, 0], [0.3, 0], [0.5, 0]]
    assert "constant" in words(chart)
    assert "a 20\u00a0% type, 30\u00a0% class; b constant" in alt(chart)


def test_class_means_put_the_filter_first_that_tells_classes_apart():
    means = np.ones((2, 3, 2))
    means[0, :, 1] = [0.5, 1.0, 1.5]
    maps = sent(class_signals(means, ["x", "y", "z"]))["data"]
    assert maps[0]["z"] == [[-0.5, 0], [0, 0], [0.5, 0]]
    assert maps[1]["z"] == [[0, 0]] * 3


def test_load_is_drawn_for_both_types_and_a_misfit_is_refused():
    chart = expert_load({"a": [0.25, 0.75]}, {"a": [1.0, 0.0]})
    assert [values(bar["x"]) for bar in sent(chart)["data"]] == [[0.25, 1.0], [0.75, 0.0]]
    assert "25.0\u00a0%, 75.0\u00a0%" in alt(chart)
    with pytest.raises(UserError, match="same convs"):
        expert_load({"a": [1.0]}, {"b": [1.0]})


def test_a_panel_a_layer_with_its_distance_and_an_area_of_one():
    samples = {"conv1": ([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]), "conv2": ([0.0], [0.0])}
    chart = distributions(samples, ("A", "B"), distances={"conv1": 1.0, "conv2": 0.0})
    assert len(chart.data) == 4
    assert "<b>conv1</b>  W₁ = 1" in words(chart)
    line = chart.data[0]
    assert np.trapezoid(line.y, line.x) == pytest.approx(1)
    assert [t.showlegend for t in chart.data] == [True, True, False, False]
    assert [t.line.color for t in chart.data[:2]] == [LIGHT.good, LIGHT.categories[1]]
    with pytest.raises(UserError, match="conv1: 2 samples for 1 names"):
        distributions(samples, ("A",))
