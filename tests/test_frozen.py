"""The frozen view computes what the network computes, follows its updates in place, and leaves it alone."""

from __future__ import annotations

import pytest
import torch

from robust_core.frozen import Frozen, frozen
from robust_core.models import build
from robust_core.models.blocks import ScaleShift
from robust_core.models.mix_bn import MixBN
from robust_core.types import Classifier, Routing
from tests.conftest import TINY, lived_in, tiny
from tests.models.papers import with_history


def test_view_equals_the_network(any_net: Classifier, images: torch.Tensor, device: torch.device) -> None:
    net, x = any_net.to(device), images.to(device)
    view = frozen(net)
    torch.testing.assert_close(view(x), net(x), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(m, (torch.nn.BatchNorm2d, MixBN)) for m in getattr(view, "backbone", view).modules())
    assert not any(p.requires_grad for p in view.parameters())


@pytest.mark.parametrize("mix", ["full", "affine", "none"])
def test_view_of_every_mix_and_route(mix: str, images: torch.Tensor) -> None:
    net = lived_in(build("aw_net", in_channels=1, num_classes=10, seed=0, mix=mix, **TINY))
    view = frozen(net)
    for routing in (None, Routing(p_type="clean"), Routing(p_type="adversarial"), Routing(p_type=0.3, scale=1.5)):
        seen, expected = view.trace(images, routing=routing), net.trace(images, routing=routing)
        torch.testing.assert_close(seen.logits, expected.logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(seen.route.p_type, expected.route.p_type)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet56", {"width": 8, "blocks": (2, 1, 1), "shortcut": "A"}),
        ("preact_resnet18", {"width": 8, "blocks": (2, 1), "final_norm": True, "shortcut_from": "input"}),
        ("mobilenet_v2", {"width": 8}),
        ("wrn_34_10", {"widen_factor": 1}),
        ("aw_mobilenet_v2", {"width": 8, "blocks": (1, 2, 2), "mix": "affine"}),
        ("aw_resnet18", {"width": 8, "mix": "none", "mean": [0.4], "std": [0.3]}),
    ],
)
def test_view_of_whole_depths_and_other_options(name: str, options: dict[str, object], images: torch.Tensor) -> None:
    net = with_history(lived_in(build(name, in_channels=1, num_classes=10, seed=0, **options)))
    view = frozen(net)
    seen, expected = view.trace(images[:2]), net.trace(images[:2])
    torch.testing.assert_close(seen.logits, expected.logits, rtol=1e-4, atol=1e-4)
    for stage, features in expected.stages.items():
        torch.testing.assert_close(seen.stages[stage], features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "norms", "left"),
    [("resnet18", 6, 0), ("preact_resnet18", 4, 2), ("mobilenet_v2", 10, 0), ("aw_resnet18", 18, 6)],
)
def test_nothing_is_left_of_a_norm_that_follows_a_conv(name: str, norms: int, left: int) -> None:
    """With no conv before it, or a router's signal between, a scale and a shift are."""
    net = build(name, in_channels=1, num_classes=10, seed=0, **TINY)
    assert sum(isinstance(m, (torch.nn.BatchNorm2d, MixBN)) for m in net.modules()) == norms
    kept = [m for m in frozen(net).modules() if isinstance(m, (ScaleShift, torch.nn.BatchNorm2d, MixBN))]
    assert len(kept) == left
    assert all(isinstance(m, ScaleShift) for m in kept)


def test_input_gradient_is_the_network_s(any_net: Classifier, images: torch.Tensor) -> None:
    def gradient(net: Classifier) -> torch.Tensor:
        x = images.clone().requires_grad_()
        return torch.autograd.grad(net(x).logsumexp(dim=1).sum(), x)[0]

    torch.testing.assert_close(gradient(frozen(any_net)), gradient(any_net), rtol=1e-3, atol=1e-5)


def test_refresh_follows_an_update_without_new_memory(any_net: Classifier, images: torch.Tensor) -> None:
    keeper = Frozen(any_net)
    view = keeper.refresh()
    addresses = {name: tensor.data_ptr() for name, tensor in view.state_dict().items()}
    before = view(images)
    lived_in(any_net)
    assert keeper.refresh() is view
    assert addresses == {name: tensor.data_ptr() for name, tensor in view.state_dict().items()}
    assert (view(images) - before).abs().max() > 1e-3
    torch.testing.assert_close(view(images), any_net(images), rtol=1e-4, atol=1e-4)


def test_network_is_left_as_it_was(any_net: Classifier) -> None:
    any_net.train()
    before = {k: v.clone() for k, v in any_net.state_dict().items()}
    frozen(any_net)
    assert any_net.training
    assert all(p.requires_grad for p in any_net.parameters())
    assert all(torch.equal(before[k], v) for k, v in any_net.state_dict().items())


@pytest.mark.parametrize("name", ["residual", "aw_net", "moe", "preact_resnet18", "mobilenet_v2"])
def test_view_in_bfloat16_is_near_and_answers_in_float32(name: str, images: torch.Tensor) -> None:
    net = lived_in(build(name, in_channels=1, num_classes=10, seed=0, **tiny(name)))
    view = frozen(net, torch.bfloat16)
    seen, expected = view.trace(images), net.trace(images)
    assert seen.logits.dtype == torch.float32
    spread = float(expected.logits.detach().std())
    # bfloat16 keeps 8 bits; a stated bound, not a measured one.
    assert float((seen.logits - expected.logits).detach().abs().max()) < 0.15 * spread
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(view(x).logsumexp(dim=1).sum(), x)
    exact = images.clone().requires_grad_()
    (expected_gradient,) = torch.autograd.grad(net(exact).logsumexp(dim=1).sum(), exact)
    assert gradient.dtype == torch.float32
    alike = torch.nn.functional.cosine_similarity(gradient.flatten(1), expected_gradient.flatten(1))
    assert float(alike.detach().min()) > 0.9


def test_view_in_bfloat16_follows_its_network(images: torch.Tensor) -> None:
    keeper = Frozen(build("aw_net", in_channels=1, num_classes=10, seed=0, **TINY).eval(), torch.bfloat16)
    before = keeper.refresh()(images)
    lived_in(keeper.model)
    after = keeper.refresh()(images).detach()
    assert float((after - before).abs().max()) > 1e-3
    torch.testing.assert_close(after, keeper.model(images).detach(), rtol=0.1, atol=0.1 * float(after.std()))


def test_a_view_is_in_eval_mode_whatever_its_network_is_in(images: torch.Tensor) -> None:
    """With batch norms in the router, which are not folded away: an image is judged by itself, and no norm listens."""
    net = lived_in(build("aw_net", in_channels=1, num_classes=10, seed=0, router_norm="batch", **TINY))
    expected = net(images)
    keeper = Frozen(net.train())
    view = keeper.refresh()
    before = [{k: v.clone() for k, v in of.state_dict().items()} for of in (view, net)]
    torch.testing.assert_close(view(images), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(view(images[:1]), expected[:1], rtol=1e-4, atol=1e-4)
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in view.modules())
    for of, kept in zip((view, net), before, strict=True):
        assert all(torch.equal(kept[k], v) for k, v in of.state_dict().items())
