"""AW-Net against its equations: the static twin, filters scaled per sample, batch norms mixed, overrides."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust_core.models import AWNet, build
from robust_core.models.mix_bn import MixBN, Moments
from robust_core.models.router import GroupNorm
from robust_core.types import TYPES, Routing, UserError
from tests.conftest import TINY, lived_in

MIXES = ["full", "affine", "none"]


def aw_net(**options: object) -> AWNet:
    net = build("aw_net", in_channels=1, num_classes=10, seed=0, **TINY, **options)
    assert isinstance(net, AWNet)
    return net


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("training", [False, True])
def test_fresh_aw_net_is_its_static_twin_to_the_bit(mix: str, training: bool, images: torch.Tensor) -> None:
    twin = build("residual", in_channels=1, num_classes=10, seed=0, **TINY).train(training)
    net = aw_net(mix=mix).train(training)
    if mix == "affine" or (mix == "full" and training):  # one multiply-add of its own rounds differently
        torch.testing.assert_close(net(images), twin(images), rtol=1e-5, atol=2e-6)
    else:
        assert torch.equal(net(images), twin(images))
    seen = net.trace(images).route
    assert all(bool((signal == 1).all()) for signal in seen.signals.values())
    assert seen.p_type is not None
    assert bool((seen.p_type == 0.5).all())


def test_scaling_outputs_equals_scaling_filters_sample_by_sample(images: torch.Tensor) -> None:
    net = lived_in(aw_net())
    conv = net.backbone.layer1[0].conv1
    x = torch.rand(6, 8, 14, 14, generator=torch.Generator().manual_seed(2))
    signal = net.trace(images).route.signals["layer1.0.conv1"]
    assert signal.std() > 0
    by_output = conv(x) * signal[:, :, None, None]
    by_weight = torch.cat(
        [F.conv2d(x[i : i + 1], conv.weight * signal[i][:, None, None, None], padding=1) for i in range(6)]
    )
    torch.testing.assert_close(by_output, by_weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mix", ["full", "affine"])
def test_mixture_of_two_batch_norms_by_hand(mix: str) -> None:
    norm = MixBN(3, mix=mix).eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in (*norm.parameters(), *norm.buffers()):
        if tensor.is_floating_point():
            tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    u = torch.rand(2, 3, 4, 4, generator=generator)
    p = torch.tensor([[0.3, 0.7], [1.0, 0.0]])
    clean, adversarial = norm(u, "clean"), norm(u, "adversarial")
    assert (clean - adversarial).abs().max() > 0.01
    expected = p[:, 0, None, None, None] * clean + p[:, 1, None, None, None] * adversarial
    torch.testing.assert_close(norm(u, p), expected)
    if mix == "full":
        half = norm.clean
        by_hand = (u - half.running_mean[:, None, None]) / torch.sqrt(half.running_var[:, None, None] + half.eps)
        torch.testing.assert_close(clean, by_hand * half.weight[:, None, None] + half.bias[:, None, None])


def mixed(dtype: torch.dtype = torch.float64, **more: object) -> tuple[MixBN, torch.Tensor]:
    """A MixBN of three channels in training, with affines that differ, and six images."""
    generator = torch.Generator().manual_seed(0)
    norm = MixBN(3).to(dtype).train()
    for parameter in norm.parameters():
        parameter.data.copy_(torch.rand(parameter.shape, generator=generator) + 0.5)
    for half in (norm.clean, norm.adversarial):
        half.momentum = more.get("momentum", 0.1)
    return norm, torch.randn(6, 3, 4, 4, generator=generator, dtype=torch.float64).to(dtype) * 2 + 1


@pytest.mark.parametrize("momentum", [0.1, None])
def test_types_known_in_one_batch_are_two_pure_batches(momentum: float | None) -> None:
    """Outputs, gradients and running statistics, over two batches."""
    norm, u = mixed(momentum=momentum)
    twin, _ = mixed(momentum=momentum)
    adversarial = torch.tensor([0, 1, 1, 0, 1, 1], dtype=torch.bool)
    p = torch.stack([~adversarial, adversarial], dim=1).to(u.dtype)
    together, apart = (u.clone().requires_grad_() for _ in range(2))
    for _ in range(2):
        joint = norm(together, p)
        clean, attacked = twin(apart[~adversarial], "clean"), twin(apart[adversarial], "adversarial")
    torch.testing.assert_close(joint[~adversarial], clean)
    torch.testing.assert_close(joint[adversarial], attacked)
    joint.pow(3).sum().backward()
    (clean.pow(3).sum() + attacked.pow(3).sum()).backward()
    torch.testing.assert_close(together.grad, apart.grad)
    for (name, one), other in zip(norm.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)
    for (name, one), other in zip(norm.named_buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=name)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_moments_are_var_mean_s_and_their_gradient_is_true(layout: torch.memory_format) -> None:
    u = mixed()[1].to(memory_format=layout).requires_grad_()
    variance, mean = torch.var_mean(u, dim=(2, 3), correction=0)
    for ours, theirs in zip(Moments.apply(u), (mean, variance), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradcheck(Moments.apply, (u,))


def test_a_half_hears_an_image_as_far_as_it_speaks_for_it() -> None:
    """P of ½ for all is the plain batch norm; else the statistics are the weighted ones, computed here by hand."""
    norm, u = mixed()
    norm(u, torch.full((6, 2), 0.5, dtype=u.dtype))
    plain = torch.nn.BatchNorm2d(3).to(u.dtype).train()
    plain(u)
    for half in (norm.clean, norm.adversarial):
        torch.testing.assert_close(half.running_mean, plain.running_mean)
        torch.testing.assert_close(half.running_var, plain.running_var)
    norm, u = mixed()
    share = torch.linspace(0.1, 0.9, 6, dtype=u.dtype)
    y = norm(u, torch.stack([1 - share, share], dim=1))
    expected = torch.zeros_like(y)
    for half, w in ((norm.clean, 1 - share), (norm.adversarial, share)):
        mean = (w[:, None] * u.mean(dim=(2, 3))).sum(0) / w.sum()
        variance = (w[:, None] * (u - mean[:, None, None]).square().mean(dim=(2, 3))).sum(0) / w.sum()
        torch.testing.assert_close(half.running_mean, 0.1 * mean)
        own = (u - mean[:, None, None]) / torch.sqrt(variance + half.eps)[:, None, None]
        expected += w[:, None, None, None] * (own * half.weight[:, None, None] + half.bias[:, None, None])
    torch.testing.assert_close(y, expected)
    assert (norm.clean.running_mean - norm.adversarial.running_mean).abs().max() > 0.01


def test_a_half_that_heard_nothing_keeps_its_statistics() -> None:
    norm, u = mixed()
    y = norm(u, torch.tensor([[1.0, 0.0]], dtype=u.dtype).expand(6, 2))
    assert y.isfinite().all()
    assert int(norm.adversarial.num_batches_tracked) == 0
    assert norm.adversarial.running_mean.eq(0).all()
    assert norm.adversarial.running_var.eq(1).all()
    assert int(norm.clean.num_batches_tracked) == 1


def test_a_forced_type_trains_that_half_alone(images: torch.Tensor) -> None:
    net = aw_net().train()
    net.trace(images, routing=Routing(p_type="adversarial"))
    halves = [m for m in net.modules() if isinstance(m, MixBN)]
    assert halves
    assert all(int(m.adversarial.num_batches_tracked) == 1 and int(m.clean.num_batches_tracked) == 0 for m in halves)


def test_gradient_of_the_logits_runs_through_the_router(images: torch.Tensor) -> None:
    net = lived_in(aw_net())
    x = images.clone().requires_grad_()
    seen = net.trace(x)
    (free,) = torch.autograd.grad(seen.logits.sum(), x)
    held = net.trace(x, routing=Routing.like(net.trace(images).route))
    (fixed,) = torch.autograd.grad(held.logits.sum(), x)
    torch.testing.assert_close(held.logits, seen.logits)
    assert (free - fixed).abs().max() > 1e-6


def test_own_route_put_back_in_changes_nothing(images: torch.Tensor) -> None:
    net = lived_in(aw_net())
    own = net.trace(images)
    again = net.trace(images, routing=Routing.like(own.route))
    torch.testing.assert_close(again.logits, own.logits)
    torch.testing.assert_close(again.route.p_type, again.free.p_type)


def test_overrides_do_what_they_say_and_touch_no_weight(images: torch.Tensor) -> None:
    net = lived_in(aw_net())
    before = {k: v.clone() for k, v in net.state_dict().items()}
    own = net.trace(images)
    forced = {t: net.trace(images, routing=Routing(p_type=t)) for t in TYPES}
    assert not torch.allclose(forced["clean"].logits, forced["adversarial"].logits)
    torch.testing.assert_close(net.trace(images, routing=Routing(p_type=1.0)).logits, forced["adversarial"].logits)
    torch.testing.assert_close(net.trace(images, routing=Routing(p_type=0.0)).logits, forced["clean"].logits)
    shares = own.route.p_type[:, 1]
    torch.testing.assert_close(net.trace(images, routing=Routing(p_type=shares)).logits, own.logits)
    # One image's route on another: the first image's signals for all.
    name = "layer1.0.conv2"
    lent = net.trace(images, routing=Routing(signals={name: own.route.signals[name][0]}))
    torch.testing.assert_close(lent.logits[0], own.logits[0])
    assert not torch.allclose(lent.logits[1:], own.logits[1:])
    assert torch.equal(lent.free.signals[name], own.route.signals[name])
    doubled = net.trace(images, routing=Routing(scale={name: 2.0})).route.signals
    assert torch.equal(doubled[name], 2 * own.route.signals[name])
    assert torch.equal(doubled["layer1.0.conv1"], own.route.signals["layer1.0.conv1"])
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("routing", "message"),
    [
        (Routing(p_type="robust"), "known: clean, adversarial"),  # type: ignore[arg-type]
        (Routing(p_type=1.5), r"\[0, 1\]"),
        (Routing(p_type=torch.zeros(3)), "one per image"),
        (Routing(signals={"layer9.0.conv1": torch.ones(8)}), "known: layer1.0.conv1"),
        (Routing(scale={"layer9": 1.0}), "no regulated conv"),
        (Routing(signals={"layer1.0.conv1": torch.ones(5)}), r"\(8,\)"),
    ],
)
def test_an_override_that_does_not_fit_is_refused(routing: Routing, message: str, images: torch.Tensor) -> None:
    with pytest.raises(UserError, match=message):
        aw_net().trace(images, routing=routing)


@pytest.mark.parametrize(
    "options",
    [
        {"mix": "none"},
        {"signals": False},
        {"router_norm": "batch"},
        {"router_norm": "none"},
        {"router_activation": "leaky"},
        {"router_width": 4, "router_type_hidden": 8},
        {"type_reaches_features": False},
    ],
)
def test_open_choices_are_options(options: dict[str, object], images: torch.Tensor) -> None:
    net = lived_in(aw_net(**options)).train()
    seen = net.trace(images)
    assert bool(seen.route.signals) == options.get("signals", True)
    assert any(isinstance(m, MixBN) for m in net.modules()) == (options.get("mix") != "none") == net.mixes
    norms = [m for m in net.router.modules() if isinstance(m, (nn.GroupNorm, nn.BatchNorm2d))]
    assert {type(m) for m in norms} == {
        "batch": {nn.BatchNorm2d}, "none": set()
    }.get(str(options.get("router_norm")), {GroupNorm})  # fmt: skip
    seen.route.p_type[:, 0].log().sum().backward()  # type: ignore[index]
    reached = net.router.features[0].weight.grad is not None
    assert reached == options.get("type_reaches_features", True)
    point = images.clone().requires_grad_()
    net.eval().trace(point).route.p_type[:, 0].log().sum().backward()  # type: ignore[index]
    assert point.grad is not None  # an attack on the type finds its way, whatever the training did
    assert bool(point.grad.abs().sum() > 0)


@pytest.mark.parametrize("gain", [1.5, 4.0])
def test_signals_stay_below_the_gain_and_begin_at_one(gain: float, images: torch.Tensor) -> None:
    net = aw_net(signal_gain=gain)
    fresh = net.trace(images).route.signals
    torch.testing.assert_close(
        torch.cat([*fresh.values()], dim=1), torch.ones(len(images), sum(net.regulated_convs().values()))
    )
    with torch.no_grad():
        for head in net.router.signal_heads:
            head.bias.fill_(50.0)
    assert all(torch.allclose(s, torch.full_like(s, gain)) for s in net.trace(images).route.signals.values())


def test_which_convs_are_regulated_is_a_choice(images: torch.Tensor) -> None:
    net = lived_in(aw_net(regulate=["layer2", "conv2"], router_depth=2))
    assert list(net.trace(images).route.signals) == ["layer1.0.conv2", "layer2.0.conv1", "layer2.0.conv2"]
    assert sum(isinstance(m, nn.Conv2d) for m in net.router.modules()) == 2
    with pytest.raises(UserError, match="conv to regulate 'layer7'"):
        aw_net(regulate=["layer7"])
    with pytest.raises(UserError, match="signal_gain must be above 1"):
        aw_net(signal_gain=1.0)
    with pytest.raises(UserError, match="no experts"):
        net.trace(images, routing=Routing(experts=1))


def test_unknown_mix_is_refused() -> None:
    with pytest.raises(UserError, match="mix of aw_net: input should be 'full', 'affine' or 'none'"):
        aw_net(mix="half")


def test_a_leaky_router_comes_back_where_a_relu_is_dead_for_good(images: torch.Tensor) -> None:
    def gradient_of_a_dead_router(kind: str) -> float:
        net = lived_in(aw_net(router_activation=kind, router_norm="batch")).train()
        norm = net.router.features[1]
        norm.weight.data.fill_(1e-3)
        norm.bias.data.fill_(-1.0)  # nothing of any image is above zero
        p_type = net.trace(images).route.p_type
        assert p_type is not None
        p_type[:, 0].log().sum().backward()
        return float(norm.bias.grad.abs().sum())

    assert gradient_of_a_dead_router("relu") == 0
    assert gradient_of_a_dead_router("leaky") > 0
    with pytest.raises(UserError, match="router_activation"):
        aw_net(router_activation="gelu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_layout_of_an_image_changes_nothing_for_the_group_norm(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    ours, plain = GroupNorm(4, 8).to(dtype), nn.GroupNorm(4, 8).to(dtype)
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(5, 8, 6, 7, dtype=dtype)
    laid_out = x.to(memory_format=torch.channels_last).requires_grad_()
    assert torch.equal(ours(laid_out), plain(x))
    assert ours(laid_out).is_contiguous() > plain(laid_out).is_contiguous()  # it kept off the slow kernel
    ours(laid_out).square().sum().backward()
    assert laid_out.grad is not None
    assert laid_out.grad.abs().sum() > 0
