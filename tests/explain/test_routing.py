"""One image's route along an attack: distances, where routes part, and one filter put back alone."""

from __future__ import annotations

import pytest
import torch

from robust_core.attacks import run
from robust_core.explain import distances, first_parting, follow, look_at_filter, parted
from robust_core.explain.routing import blocks_of, decisions
from robust_core.types import Route, Routing, UserError
from tests.explain.routers import PGD, tiny_net


def route(*rows: list[float]) -> Route:
    return Route(signals={"a.conv1": torch.tensor(rows), "b.conv1": torch.ones(len(rows), 2)})


def test_the_way_is_the_attacks_and_its_end_what_the_attack_returns(small):
    net, x, y = tiny_net("aw_net"), small.floats([3]), int(small.labels[3])
    way = follow(net, x, y, PGD)
    assert way.index == (0, 1, 2, 3)
    assert torch.equal(way.images[-1:], run(PGD, net, x, torch.tensor([y])))
    assert torch.allclose(way.clean_logits, net(x))
    again = net.trace(way.images).route
    assert all(torch.allclose(again.signals[n], way.route.signals[n], atol=1e-6) for n in again.signals)
    assert torch.allclose(way.at(-1).p_type, again.p_type[-1:], atol=1e-6)
    assert len(follow(net, x, y, PGD.replace(steps=30), most=5).index) == 5


def test_a_static_network_has_no_way(small):
    with pytest.raises(UserError, match="static"):
        follow(tiny_net("residual"), small.floats([0]), 0, PGD)


def test_distance_is_the_mean_change_of_signals_and_the_total_variation_of_experts():
    apart = distances(route([1.0, 1.0]), route([1.2, 1.0], [1.0, 0.8]))
    assert apart["a.conv1"].tolist() == pytest.approx([0.1, 0.1])
    assert apart["b.conv1"].tolist() == [0, 0]
    p = Route(experts={"c": torch.tensor([[0.9, 0.1]])})
    q = Route(experts={"c": torch.tensor([[0.6, 0.4]])})
    assert float(distances(p, q)["c"]) == pytest.approx(0.3)
    with pytest.raises(UserError, match="same convs"):
        distances(p, route([1.0, 1.0]))


def test_routes_part_in_the_first_block_beyond_the_threshold_and_not_below_it():
    before = route([1.0, 1.0])
    assert first_parting(before, route([1.11, 1.0]), 0.05) == ("a",)
    assert first_parting(before, route([1.09, 1.0]), 0.05) == (None,)
    late = Route(signals={"a.conv1": torch.ones(1, 2), "b.conv1": torch.full((1, 2), 1.5)})
    assert first_parting(before, late) == ("b",)


def test_experts_part_where_another_one_is_used():
    p, q, r = (Route(experts={"c.conv1": torch.tensor([row])}) for row in ([0.6, 0.4], [0.51, 0.49], [0.4, 0.6]))
    assert not parted(p, q)["c"].any()
    assert parted(p, r)["c"].all()


def test_convs_belong_to_their_blocks_in_the_networks_order(small):
    blocks = blocks_of(tiny_net("aw_net").trace(small.floats([0])).route)
    assert blocks == {
        "layer1.0": ("layer1.0.conv1", "layer1.0.conv2"),
        "layer2.0": ("layer2.0.conv1", "layer2.0.conv2"),
    }


def test_a_filter_put_back_is_an_override_of_that_one_signal(small):
    net = tiny_net("aw_net")
    x, x_adv = small.floats([0]), small.floats([1])
    conv, number = "layer2.0.conv1", 3
    seen = look_at_filter(net, x, x_adv, conv, number)
    both = torch.cat([x, x_adv])
    own = net.trace(both).route.signals[conv]
    assert torch.equal(seen.signal, own[:, number])
    swapped = own.clone()
    swapped[:, number] = own[:, number].flip(0)
    assert torch.allclose(seen.swapped, net.trace(both, routing=Routing(signals={conv: swapped})).logits)
    assert not torch.equal(seen.swapped, seen.logits)
    weight = net.get_submodule(f"backbone.{conv}").weight
    assert torch.equal(seen.weights, weight[number])
    assert seen.response.shape[0] == 2
    assert not any(module._forward_hooks for module in net.modules())


def test_a_response_is_the_convs_output_times_its_signal(small):
    net = tiny_net("aw_net")
    x = small.floats([0])
    seen = look_at_filter(net, x, x, "layer1.0.conv1", 2)
    stem = net.trace(x).stages["stem"]
    out = torch.nn.functional.conv2d(stem, net.backbone.layer1[0].conv1.weight, padding=1)
    assert torch.allclose(seen.response[0], out[0, 2] * seen.signal[0], atol=1e-5)


def test_an_expert_looked_at_is_used_on_both_pictures(small):
    net = tiny_net("moe", n_experts=3)
    x, x_adv = small.floats([0]), small.floats([1])
    conv = next(iter(decisions(net.trace(x).route)))
    seen = [look_at_filter(net, x, x_adv, conv, e) for e in range(3)]
    both = torch.cat([x, x_adv])
    for e, view in enumerate(seen):
        assert view.weights is None
        assert torch.allclose(view.swapped, net.trace(both, routing=Routing(experts={conv: e})).logits)
    assert not torch.equal(seen[0].swapped, seen[1].swapped)


def test_an_unknown_filter_is_refused(small):
    net, x = tiny_net("aw_net"), small.floats([0])
    with pytest.raises(UserError, match="no routed conv 'stem'"):
        look_at_filter(net, x, x, "stem", 0)
    with pytest.raises(UserError, match=r"99 must lie in \[0, 8\)"):
        look_at_filter(net, x, x, "layer1.0.conv1", 99)
