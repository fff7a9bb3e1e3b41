"""Holding the route: the own route changes nothing, the other's route gives the other's answer, misfits are refused."""

from __future__ import annotations

import pytest
import torch

from robust_core.explain import Override, alone, apply, attack_anew, collect, effect, follow
from robust_core.explain.overrides import convs_in
from robust_core.types import Routing, UserError
from tests.explain.routers import PGD, few, tiny_net


@pytest.fixture(scope="module")
def net():
    return tiny_net("aw_net")


@pytest.fixture(scope="module")
def crowd(net, small):
    return collect(net, small, few(small), PGD)


def test_the_own_route_in_gives_the_same_logits(net, crowd):
    assert Override().free
    for seen, free in zip(apply(net, crowd, Override(), batch_size=5), (crowd.clean, crowd.adversarial), strict=True):
        assert torch.allclose(seen.logits, free.logits, atol=1e-6)
    for seen, free in zip(
        apply(net, crowd, Override(scale=1.0, signals="own")), (crowd.clean, crowd.adversarial), strict=True
    ):
        assert torch.allclose(seen.logits, free.logits, atol=1e-6)


def test_each_images_own_signals_by_name_change_nothing_for_it_and_something_for_its_twin(net, crowd):
    clean, adversarial = apply(net, crowd, Override(signals="clean"))
    assert torch.allclose(clean.logits, crowd.clean.logits, atol=1e-6)
    assert not torch.allclose(adversarial.logits, crowd.adversarial.logits, atol=1e-4)
    clean, adversarial = apply(net, crowd, Override(signals="adversarial"))
    assert torch.allclose(adversarial.logits, crowd.adversarial.logits, atol=1e-6)
    assert not torch.allclose(clean.logits, crowd.clean.logits, atol=1e-4)


def test_a_neutral_route_is_the_twin_without_signals(net, crowd):
    clean, _ = apply(net, crowd, Override(signals="ones", p_type="clean"))
    ones = {name: torch.ones_like(s) for name, s in crowd.clean.route.signals.items()}
    by_hand = net.trace(crowd.x, routing=Routing(p_type="clean", signals=ones)).logits
    assert torch.allclose(clean.logits, by_hand, atol=1e-6)
    assert all(bool((s == 1).all()) for s in clean.route.signals.values())


def test_forced_types_shares_and_scales_reach_the_network(net, crowd):
    forced, _ = apply(net, crowd, Override(p_type="adversarial"))
    shared, _ = apply(net, crowd, Override(p_type=1.0))
    assert torch.allclose(forced.logits, shared.logits, atol=1e-5)
    between, _ = apply(net, crowd, Override(p_type=0.25))
    assert torch.allclose(between.route.p_type, torch.tensor([[0.75, 0.25]]).expand(len(crowd), 2))
    scaled, _ = apply(net, crowd, Override(scale=0.5, where=("layer2.0",)))
    assert torch.allclose(scaled.route.signals["layer2.0.conv1"], crowd.clean.route.signals["layer2.0.conv1"] / 2)
    assert torch.equal(scaled.route.signals["layer1.0.conv1"], crowd.clean.route.signals["layer1.0.conv1"])


def test_shuffled_signals_are_the_same_numbers_elsewhere(net, crowd):
    held, _ = apply(net, crowd, Override(signals="shuffled", seed=1))
    for name, own in crowd.clean.route.signals.items():
        assert torch.equal(held.route.signals[name].sort(dim=1).values, own.sort(dim=1).values)
    assert not torch.equal(held.route.signals["layer2.0.conv2"], crowd.clean.route.signals["layer2.0.conv2"])
    again, _ = apply(net, crowd, Override(signals="shuffled", seed=1))
    assert torch.equal(again.logits, held.logits)


def test_class_means_are_those_of_the_clean_images_of_the_true_class(net, crowd):
    held, adversarial = apply(net, crowd, Override(signals="class_mean"))
    name = "layer1.0.conv1"
    for k in crowd.y.unique().tolist():
        mean = crowd.clean.route.signals[name][crowd.y == k].mean(dim=0)
        for seen in (held, adversarial):
            assert torch.allclose(seen.route.signals[name][crowd.y == k], mean.expand(int((crowd.y == k).sum()), -1))


def test_experts_are_held_where_asked_and_nowhere_else(small):
    moe = tiny_net("moe")
    crowd = collect(moe, small, few(small, 4), PGD)
    conv = "layer1.0.conv2"
    held, _ = apply(moe, crowd, Override(experts={conv: 1}))
    assert held.route.experts[conv].argmax(dim=1).tolist() == [1] * 4
    assert torch.equal(held.route.experts["layer1.0.conv1"], crowd.clean.route.experts["layer1.0.conv1"])
    by_hand = moe.trace(crowd.x, routing=Routing(experts={conv: 1})).logits
    assert torch.allclose(held.logits, by_hand, atol=1e-6)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (Override(experts={"layer1.0.conv1": 0}), "no experts to choose"),
        (Override(signals="ones", where=("layer9",)), "no routed block or conv 'layer9'; known: layer1.0"),
    ],
)
def test_an_override_that_does_not_fit_a_soft_route_is_refused(net, crowd, override, said):
    with pytest.raises(UserError, match=said):
        apply(net, crowd, override)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (Override(p_type="clean"), "no signals and no types"),
        (Override(scale=0.5), "known: experts, 0 to 1"),
        (Override(experts={"stem": 0}), "no conv with experts 'stem'; known: layer1.0.conv1"),
        (Override(experts={"layer1.0.conv1": 7}), "are 0 to 1; got 7"),
    ],
)
def test_an_override_that_does_not_fit_a_hard_route_is_refused(small, override, said):
    moe = tiny_net("moe")
    crowd = collect(moe, small, few(small, 2), PGD)
    with pytest.raises(UserError, match=said):
        apply(moe, crowd, override)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"signals": "clear"}, "did you mean 'clean'"),
        ({"p_type": "adverse"}, "unknown type"),
        ({"p_type": 1.5}, "in \\[0, 1\\]"),
        ({"scale": 3.0}, "in \\[0, 2\\]"),
    ],
)
def test_settings_out_of_range_are_refused_where_they_are_made(made, said):
    with pytest.raises(UserError, match=said):
        Override(**made)


def test_counts_are_of_images_right_before_and_after(crowd):
    free = effect(crowd, crowd.clean, crowd.adversarial)
    right = crowd.clean.logits.argmax(dim=1) == crowd.y
    still = crowd.adversarial.logits.argmax(dim=1) == crowd.y
    assert (free.n, free.clean, free.robust, free.changed) == (12, int(right.sum()), int((right & still).sum()), 0)
    worst = effect(crowd, crowd.clean, crowd.clean)
    assert worst.robust == int(right.sum())


def test_an_attacker_who_knows_the_held_route_climbs_higher_there(net, crowd):
    override = Override(p_type="clean", signals="clean")
    _, transferred = apply(net, crowd, override)
    knowing = attack_anew(net, crowd, override, batch_size=5)
    cross_entropy = torch.nn.functional.cross_entropy
    assert cross_entropy(knowing.logits, crowd.y) > cross_entropy(transferred.logits, crowd.y)
    assert torch.allclose(knowing.route.signals["layer1.0.conv1"], crowd.clean.route.signals["layer1.0.conv1"])


def test_one_picture_alone_is_held_like_many(net, small):
    way = follow(net, small.floats([4]), int(small.labels[4]), PGD)
    one = alone(way, small.class_names)
    clean, adversarial = apply(net, one, Override(signals="clean", p_type="clean"))
    assert clean.logits.shape == adversarial.logits.shape == (1, 10)
    means = {name: torch.full((10, s.shape[1]), float("nan")) for name, s in way.clean.signals.items()}
    with pytest.raises(UserError, match="collect more"):
        apply(net, one, Override(signals="class_mean"), means=means)


def test_blocks_and_convs_are_named_in_the_networks_order(crowd):
    route = crowd.clean.route
    assert convs_in(route, ()) == tuple(route.signals)
    assert convs_in(route, ("layer2.0.conv1", "layer1.0")) == ("layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1")


def test_an_override_says_what_it_is():
    assert Override().describe() == "the router's own route"
    held = Override(p_type="clean", signals="ones", where=("layer1.0",), scale=0.5)
    assert held.describe() == "clean batch norm, signals of 1 in layer1.0, signals × 0.5 in layer1.0"
