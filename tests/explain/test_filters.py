"""Distributions of filters: Wasserstein-1 by hand, layers found by their name in the static twin, ω at work."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from robust_core.explain import collect, compare_filters, effective_filters, layers, wasserstein
from robust_core.types import UserError
from tests.explain.routers import PGD, few, tiny_net

NUMBERS = some.lists(some.floats(-5, 5), min_size=1, max_size=12)


def test_wasserstein_by_hand():
    assert wasserstein(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])) == 0
    assert wasserstein(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])) == pytest.approx(2)
    assert wasserstein(torch.tensor([0.0]), torch.tensor([0.0, 0.0, 3.0])) == pytest.approx(1)
    with pytest.raises(UserError, match="either side"):
        wasserstein(torch.zeros(0), torch.zeros(1))


@given(NUMBERS, NUMBERS)
def test_wasserstein_is_a_distance_and_repeats_do_not_count(a, b):
    x, y = torch.tensor(a), torch.tensor(b)
    apart = wasserstein(x, y)
    assert apart >= 0
    assert wasserstein(y, x) == pytest.approx(apart, abs=1e-9)
    assert wasserstein(x.repeat(3), y) == pytest.approx(apart, abs=1e-6)
    assert wasserstein(x + 1, x) == pytest.approx(1, abs=1e-5)


def test_a_dynamic_network_has_its_twins_layers_and_its_router_is_left_out():
    static, dynamic = tiny_net("residual"), tiny_net("aw_net")
    assert list(layers(dynamic)) == list(layers(static))
    norms = layers(static)["layer1.0.conv1"].norms
    assert norms[2] == pytest.approx(float(static.layer1[0].conv1.weight[2].detach().norm()))


def test_the_same_filters_are_no_distance_apart_and_shifted_ones_are(small):
    net = tiny_net("residual")
    assert all(pair.norm_distance == pair.weight_distance == 0 for pair in compare_filters(net, net))
    other = tiny_net("residual")
    with torch.no_grad():
        other.layer1[0].conv2.weight.mul_(2)
    apart = {pair.name: pair for pair in compare_filters(net, other)}
    mean = float(layers(net)["layer1.0.conv2"].norms.mean())
    assert apart["layer1.0.conv2"].norm_distance == pytest.approx(mean, rel=1e-5)
    assert apart["layer1.0.conv1"].norm_distance == 0
    with pytest.raises(UserError, match="one family"):
        compare_filters(net, torch.nn.Linear(2, 2))


def test_effective_norms_are_signal_times_norm(small):
    net = tiny_net("aw_net")
    crowd = collect(net, small, few(small, 5), PGD)
    first = effective_filters(net, crowd)[0]
    signals = crowd.adversarial.route.signals[first.name]
    assert torch.allclose(first.adversarial.view(5, -1), signals * first.plain)
    assert first.distance == pytest.approx(wasserstein(first.clean, first.adversarial))
    with pytest.raises(UserError, match="no filters up or down"):
        effective_filters(net, collect(tiny_net("moe"), small, few(small, 2), PGD))
