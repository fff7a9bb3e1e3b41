"""The mixture of experts against its equations: one expert an image, gradients that reach the router, overrides."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust_core.models import MoENet, build
from robust_core.models.experts import ExpertConv, hard_gate
from robust_core.types import Routing, UserError
from tests.conftest import TINY, lived_in


def moe(**options: object) -> MoENet:
    net = build("moe", in_channels=1, num_classes=10, seed=0, **TINY, **options)
    assert isinstance(net, MoENet)
    return net


def test_the_gate_is_hard_in_value_and_soft_in_gradient() -> None:
    scores = torch.tensor([[0.1, 0.7, -0.2], [2.0, 1.0, 0.0]], requires_grad=True)
    gate = hard_gate(scores)
    assert gate.tolist() == [[0, 1, 0], [1, 0, 0]]
    (got,) = torch.autograd.grad(gate[0, 1], scores)
    p = scores.detach()[0].softmax(dim=0)
    by_hand = torch.stack([-p[1] * p[0], p[1] * (1 - p[1]), -p[1] * p[2]])
    torch.testing.assert_close(got[0], by_hand)
    assert not got[1].any()


def test_each_image_is_convolved_with_the_filters_of_its_expert() -> None:
    conv = ExpertConv(nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), 3)
    x = torch.rand(5, 4, 9, 9, generator=torch.Generator().manual_seed(1))
    chosen = torch.tensor([2, 0, 2, 1, 0])
    out = conv(x, F.one_hot(chosen, 3).float())
    for i, e in enumerate(chosen.tolist()):
        alone = F.conv2d(x[i : i + 1], conv.weight[6 * e : 6 * e + 6], stride=2, padding=1)
        torch.testing.assert_close(out[i : i + 1], alone)


def test_with_every_image_at_the_first_expert_it_is_its_static_twin(images: torch.Tensor) -> None:
    twin = build("residual", in_channels=1, num_classes=10, seed=0, **TINY).eval()
    net = moe(n_experts=3).eval()
    held = net.trace(images, routing=Routing(experts=0))
    assert torch.equal(held.logits, twin(images))
    assert not torch.equal(net.trace(images, routing=Routing(experts=1)).logits, held.logits)


def test_the_route_tells_who_was_chosen(images: torch.Tensor) -> None:
    net = lived_in(moe(n_experts=3))
    seen = net.trace(images)
    assert list(seen.route.experts) == list(net.backbone.regulated_convs())
    for share in seen.route.experts.values():
        torch.testing.assert_close(share.sum(dim=1), torch.ones(len(images)))
    used = {int(e) for share in seen.route.experts.values() for e in share.argmax(dim=1)}
    assert len(used) > 1
    again = net.trace(images, routing=Routing.like(seen.route))
    torch.testing.assert_close(again.logits, seen.logits)
    one = next(iter(seen.route.experts))
    other = (seen.route.experts[one].argmax(dim=1) + 1) % 3
    moved = net.trace(images, routing=Routing(experts={one: other}))
    assert not torch.allclose(moved.logits, seen.logits)
    assert torch.equal(moved.route.experts[one].argmax(dim=1), other)
    assert torch.equal(moved.free.experts[one], seen.free.experts[one])


def test_the_loss_teaches_the_router_and_every_expert_that_was_used(images: torch.Tensor) -> None:
    net = lived_in(moe()).train()
    seen = net.trace(images)
    seen.logits.square().sum().backward()
    for name, head in zip(net.router.conv_names, net.router.heads, strict=True):
        assert head.weight.grad is not None
        assert bool(head.weight.grad.any()), name
        conv = net.backbone.get_submodule(name)
        used = seen.route.experts[name].argmax(dim=1).unique().tolist()
        for e, part in enumerate(conv.weight.grad.split(conv.filters)):
            assert bool(part.any()) == (e in used), name


def test_the_input_gradient_runs_through_the_router(images: torch.Tensor) -> None:
    net = lived_in(moe())
    x = images.clone().requires_grad_()
    (free,) = torch.autograd.grad(net(x).sum(), x)
    held = net.trace(x, routing=Routing.like(net.trace(images).route))
    (fixed,) = torch.autograd.grad(held.logits.sum(), x)
    assert (free - fixed).abs().max() > 1e-6


@pytest.mark.parametrize(
    ("routing", "message"),
    [
        (Routing(experts=2), r"\[0, 2\); got 2"),
        (Routing(experts={"layer9.0.conv1": 0}), "known: layer1.0.conv1"),
        (Routing(experts={"layer1.0.conv1": torch.zeros(3)}), "one an image"),
        (Routing(p_type="clean"), "chooses experts"),
        (Routing(scale=2.0), "chooses experts"),
    ],
)
def test_an_override_that_does_not_fit_is_refused(routing: Routing, message: str, images: torch.Tensor) -> None:
    with pytest.raises(UserError, match=message):
        moe().trace(images, routing=routing)


def test_one_expert_is_no_choice() -> None:
    with pytest.raises(UserError, match="n_experts must be ≥ 2"):
        moe(n_experts=1)
