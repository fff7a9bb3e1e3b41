"""Attacks on a router: each reaches its own aim on a network that allows it, inside its ball, and fools with it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from robust_core.attacks import ATTACKS, AttackSettings, Step, gradient, run
from robust_core.models import build
from robust_core.models.mix_bn import MixBN
from robust_core.routed import Routed
from robust_core.types import Classifier, Routing, UserError
from tests.conftest import TINY, lived_in

ROUTED = [name for name in ATTACKS.names() if ATTACKS[name].routed]
SETTINGS: dict[str, Any] = {"eps": 0.08, "steps": 8}


def open_router() -> Classifier:
    """An AW-Net whose router answers to the image, strongly."""
    net = lived_in(build("aw_net", in_channels=1, num_classes=10, seed=0, router_norm="none", **TINY))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for head in (*net.router.signal_heads, net.router.type_head[-1]):  # type: ignore[union-attr]
            head.weight.copy_(2 * torch.randn(head.weight.shape, generator=generator))
            head.bias.zero_()
    return net


@pytest.fixture(scope="module")
def net() -> Classifier:
    return open_router()


@pytest.fixture
def y(net: Classifier, images: Tensor) -> Tensor:
    return net(images).argmax(dim=1)


def p_clean(net: Classifier, x: Tensor) -> Tensor:
    p_type = net.trace(x).route.p_type
    assert p_type is not None
    return p_type[:, 0].detach()


def attacked(name: str, net: Classifier, x: Tensor, y: Tensor, **settings: Any) -> Tensor:
    return run(AttackSettings(name=name, **(SETTINGS | settings)), net, x, y)


@pytest.mark.parametrize("name", ROUTED)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_stays_in_its_ball_and_repeats(name: str, norm: str, net: Classifier, images: Tensor, y: Tensor) -> None:
    eps = 0.08 if norm == "linf" else 0.7
    settings = AttackSettings(name=name, norm=norm, eps=eps, steps=3, restarts=2)
    x_adv = run(settings, net, images, y)
    distance = settings.ball.distance(x_adv, images)
    assert bool((distance <= eps).all())
    assert bool((distance > eps / 4).all())
    assert torch.equal(run(settings, net, images, y), x_adv)


def test_routes_where_it_is_told_to(net: Classifier, images: Tensor, y: Tensor) -> None:
    to_clean = p_clean(net, attacked("router_to_clean", net, images, y, route_weight=10.0))
    to_adversarial = p_clean(net, attacked("router_to_adversarial", net, images, y, route_weight=10.0))
    assert bool((to_clean >= to_adversarial).all())
    assert float((to_clean - to_adversarial).mean()) > 0.1


def test_the_weight_of_the_route_is_lambda(net: Classifier, images: Tensor, y: Tensor) -> None:
    free, heavy = (attacked("router_to_clean", net, images, y, route_weight=w) for w in (0.0, 10.0))
    assert torch.equal(free, attacked("pgd", net, images, y))
    assert float((p_clean(net, heavy) - p_clean(net, free)).mean()) > 0.05


def test_flips_the_type_and_leaves_the_class_alone(net: Classifier, images: Tensor, y: Tensor) -> None:
    before = p_clean(net, images)
    after = p_clean(net, attacked("router_type", net, images, y, eps=0.2, steps=20))
    assert int(((before > 0.5) != (after > 0.5)).sum()) >= 4
    other = (y + 1) % 10
    assert torch.equal(attacked("router_type", net, images, other), attacked("router_type", net, images, y))


@pytest.mark.parametrize("kind", ["aw_net", "moe"])
def test_moves_the_signals_further_than_the_class_loss_does(kind: str, net: Classifier, images: Tensor) -> None:
    if kind == "moe":
        net = lived_in(build("moe", in_channels=1, num_classes=10, seed=0, router_norm="none", **TINY))
    y = net(images).argmax(dim=1)
    own = net.trace(images).route

    def moved(x: Tensor) -> Tensor:
        route = net.trace(x).route
        pairs = [(route.signals, own.signals), (route.experts, own.experts)]
        return sum(((now[n] - then[n]) ** 2).sum(dim=1) for now, then in pairs for n in then).detach()  # type: ignore[union-attr]

    assert bool((moved(attacked("router_signals", net, images, y)) > moved(attacked("pgd", net, images, y))).all())


def test_a_held_path_is_the_attack_on_that_path_told_by_the_free_network(
    net: Classifier, images: Tensor, y: Tensor
) -> None:
    way: list[Step] = []
    settings = AttackSettings(name="path_adversarial", **SETTINGS)
    x_adv = run(settings, net, images, y, on_step=way.append)
    held = Routed(net, Routing(p_type="adversarial"))
    assert torch.equal(x_adv, run(AttackSettings(name="pgd", **SETTINGS), held, images, y))
    assert torch.equal(way[-1].x, x_adv)
    assert len(way) == 9
    torch.testing.assert_close(way[-1].logits, net(x_adv))
    assert not torch.allclose(x_adv, attacked("path_clean", net, images, y))


def test_restarts_on_a_held_path_end_where_the_free_network_falls(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At an ε of nothing the free network stands everywhere, though held answers are wrong from the start."""
    net = open_router()
    with torch.no_grad():
        net.router.type_head[-1].bias.copy_(torch.tensor([-50.0, 50.0]))  # type: ignore[union-attr]
        for norm in net.modules():
            if isinstance(norm, MixBN):
                norm.clean.weight.neg_()
    y = net(images).argmax(dim=1)
    climbs, climb = [], gradient._ascend

    def counted(model: Classifier, x: Tensor, *rest: Any) -> Tensor:
        climbs.append(len(x))
        return climb(model, x, *rest)

    monkeypatch.setattr(gradient, "_ascend", counted)
    assert (Routed(net, Routing(p_type="clean"))(images).argmax(dim=1) != y).any()
    attacked("path_clean", net, images, y, eps=1e-6, restarts=3)
    assert climbs == [len(images)] * 3


@pytest.mark.parametrize("name", ROUTED)
def test_a_network_without_what_is_steered_is_refused(name: str, images: Tensor) -> None:
    static = lived_in(build("residual", in_channels=1, num_classes=10, seed=0, **TINY))
    y = torch.zeros(len(images), dtype=torch.int64)
    with pytest.raises(UserError, match="this network is static"):
        attacked(name, static, images, y)
    experts = lived_in(build("moe", in_channels=1, num_classes=10, seed=0, **TINY))
    if ATTACKS[name].routed == "types":
        with pytest.raises(UserError, match="tells no types"):
            attacked(name, experts, images, y)
    else:
        attacked(name, experts, images, y)
