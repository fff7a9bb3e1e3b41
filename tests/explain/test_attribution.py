"""Attributions on networks whose answers can be worked out by hand, and giving a network back as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robust_core.explain.attribution import METHODS, attribute, default_stage
from robust_core.explain.borrowed import HOOKS
from robust_core.models import ARCHITECTURES, build
from robust_core.types import Classifier, Routing, Trace, UserError
from tests.conftest import tiny


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Linear(Classifier):
    """logits = W·x: every path method's map is W ⊙ (x - baseline)."""

    def __init__(self, size: int = 6, channels: int = 1, classes: int = 3) -> None:
        super().__init__()
        self.in_channels, self.num_classes = channels, classes
        self.weight = nn.Parameter(torch.randn(classes, channels, size, size, generator=generator(7)))

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        return Trace(logits=torch.einsum("nchw,kchw->nk", x, self.weight))


class Square(Linear):
    """logits = W·x²: the integral along the way from black is W ⊙ x², the plain gradient says twice that."""

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        return super().trace(x**2)


class Pooled(Classifier):
    """Two feature maps that are multiples of the image, pooled, then a linear layer: Grad-CAM by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.in_channels, self.num_classes = 1, 2
        self.register_buffer("factors", torch.tensor([1.0, -3.0]))
        self.register_buffer("weight", torch.tensor([[2.0, 1.0], [-1.0, 0.5]]))

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        features = x * self.factors[None, :, None, None]
        return Trace(logits=features.mean(dim=(2, 3)) @ self.weight.T, stages={"only": features})


class Shared(Classifier):
    """A network of the kind captum's DeepLift is silently wrong on: its ReLU is a function, not a module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.in_channels, self.num_classes = 1, 2
        self.one, self.two = nn.Linear(16, 12), nn.Linear(12, 2)
        with torch.no_grad():
            for layer in (self.one, self.two):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator(1)))
                layer.bias.fill_(0.7)  # so that units switch on and off between black and the image

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        return Trace(logits=self.two(self.one(x.flatten(1)).relu()))


@pytest.fixture(scope="module", params=["residual", "aw_net"])
def net(request: pytest.FixtureRequest) -> Classifier:
    """A small network whose batch norms and router have something to say."""
    model = build(request.param, in_channels=1, num_classes=4, width=4, blocks=(1, 1), seed=0)
    draw = generator(3)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draw))
        model.train()
        for _ in range(5):
            model(torch.rand(16, 1, 12, 12, generator=draw))
    return model.eval()


@pytest.fixture
def pair() -> Tensor:
    return torch.rand(2, 1, 12, 12, generator=generator(5))


@pytest.mark.parametrize("method", ["integrated_gradients", "deep_lift", "gradient_x_input"])
def test_on_a_linear_network_each_pixel_gets_its_weight_times_its_value(method: str) -> None:
    model, x = Linear(channels=3), torch.rand(2, 3, 6, 6, generator=generator())
    found = attribute(model, x, torch.tensor([0, 2]), method)
    expected = (model.weight[[0, 2]] * x).sum(dim=1)
    torch.testing.assert_close(found.map, expected.detach(), atol=1e-5, rtol=1e-4)
    assert found.signed
    if found.completeness is not None:
        torch.testing.assert_close(found.completeness.total, expected.sum(dim=(1, 2)).detach(), atol=1e-4, rtol=1e-4)
        assert float(found.completeness.error.abs().max()) < 1e-4
        assert float(found.completeness.relative.max()) < 1e-3


def test_the_baseline_is_where_the_way_begins() -> None:
    model, x = Linear(), torch.rand(1, 1, 6, 6, generator=generator())
    for method in ("integrated_gradients", "deep_lift"):
        found = attribute(model, x, 1, method, baseline=0.5)
        torch.testing.assert_close(found.map, (model.weight[1] * (x[0] - 0.5)).detach(), atol=1e-5, rtol=1e-4)
        assert "baseline 0.5" in found.label
    # Half a step of grey more, and the answer must differ.
    black = attribute(model, x, 1, "integrated_gradients").map
    assert not torch.allclose(black, attribute(model, x, 1, "integrated_gradients", baseline=0.5).map, atol=0.05)


def test_integrated_gradients_is_complete_where_the_gradient_alone_is_not() -> None:
    model, x = Square(), torch.rand(1, 1, 6, 6, generator=generator())
    whole = attribute(model, x, 0, "integrated_gradients", steps=8)
    torch.testing.assert_close(whole.map, (model.weight[0] * x[0] ** 2).detach(), atol=1e-5, rtol=1e-4)
    assert whole.completeness is not None
    assert float(whole.completeness.error.abs().max()) < 1e-4
    plain = attribute(model, x, 0, "gradient_x_input")
    torch.testing.assert_close(plain.map, 2 * whole.map, atol=1e-4, rtol=1e-4)
    assert plain.completeness is None


def test_more_steps_make_the_completeness_error_smaller(net: Classifier, pair: Tensor) -> None:
    def error(steps: int) -> float:
        found = attribute(net, pair, 1, "integrated_gradients", steps=steps).completeness
        assert found is not None
        return float(found.error.abs().max())

    assert error(128) < error(2) / 4


def test_completeness_says_how_wrong_a_map_is() -> None:
    model, x = Shared(), torch.rand(1, 1, 4, 4, generator=generator(2))
    found = attribute(model, x, 0, "deep_lift").completeness
    assert found is not None
    truth = float((model(x) - model(torch.zeros_like(x)))[0, 0].detach())
    assert float(found.difference) == pytest.approx(truth, abs=1e-5)
    assert float(found.error) == pytest.approx(float(found.total) - truth, abs=1e-5)
    assert float(found.relative) > 0.01  # a functional ReLU: DeepLift is wrong and says nothing, the error does


def test_deep_lift_is_complete_on_our_static_networks(pair: Tensor) -> None:
    model = build("residual", in_channels=1, num_classes=4, width=4, blocks=(1, 1), seed=0)
    with torch.no_grad():
        model.train()(torch.rand(16, 1, 12, 12, generator=generator()))
    found = attribute(model, pair, 2, "deep_lift").completeness
    assert found is not None
    assert float(found.error.abs().max()) < 1e-4 * max(1.0, float(found.difference.abs().max()))


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_every_relu_is_a_module_used_once_and_never_in_place(name: str) -> None:
    model = build(name, in_channels=1, num_classes=4, seed=0, **tiny(name)).eval()
    calls: dict[str, int] = {}

    def count(key: str) -> None:
        calls[key] = calls.get(key, 0) + 1

    relus = {key: module for key, module in model.named_modules() if isinstance(module, nn.ReLU)}
    for key, module in relus.items():
        assert not module.inplace
        module.register_forward_hook(lambda *_, key=key: count(key))
    model(torch.rand(1, 1, 12, 12, generator=generator()))
    assert relus
    assert calls == dict.fromkeys(relus, 1)


def test_saliency_is_the_largest_absolute_gradient_over_the_channels() -> None:
    model, x = Linear(channels=3), torch.rand(1, 3, 6, 6, generator=generator())
    found = attribute(model, x, 1, "saliency")
    torch.testing.assert_close(found.map[0], model.weight[1].abs().amax(dim=0).detach())
    assert not found.signed


def test_occlusion_of_single_pixels_on_a_linear_network_is_what_each_adds() -> None:
    model, x = Linear(channels=3), torch.rand(2, 3, 6, 6, generator=generator())
    found = attribute(model, x, 1, "occlusion", window=1, stride=1, baseline=0.25)
    torch.testing.assert_close(found.map, (model.weight[1] * (x - 0.25)).sum(dim=1).detach(), atol=1e-4, rtol=1e-3)
    wide = attribute(model, x, 1, "occlusion", window=6, stride=6)
    whole = (model.weight[1] * x).sum(dim=(1, 2, 3)).detach()
    torch.testing.assert_close(wide.map, whole[:, None, None].expand(2, 6, 6), atol=1e-4, rtol=1e-3)


def test_grad_cam_by_hand() -> None:
    x = torch.rand(2, 1, 5, 5, generator=generator())
    # Weights of the maps: (2, 1)/25 over features (x, -3x): 2x - 3x < 0, cut off; class 1: -x - 1.5x < 0 as well.
    assert float(attribute(Pooled(), x, 0, "grad_cam").map.abs().max()) == 0
    model = Pooled()
    model.weight[0] = torch.tensor([5.0, 1.0])
    torch.testing.assert_close(attribute(model, x, 0, "grad_cam").map, (5 - 3) / 25 * x[:, 0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("stage", ["stem", "layer1", "layer2"])
def test_grad_cam_agrees_with_captums(net: Classifier, pair: Tensor, stage: str) -> None:
    from captum.attr import LayerAttribution, LayerGradCam

    backbone = getattr(net, "backbone", net)
    layer = backbone.relu if stage == "stem" else backbone.get_submodule(stage)
    theirs = LayerGradCam(net, layer).attribute(pair, target=2, relu_attributions=True)
    theirs = LayerAttribution.interpolate(theirs, (12, 12), interpolate_mode="bilinear")[:, 0].detach()
    ours = attribute(net, pair, 2, "grad_cam", stage=stage).map
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_the_default_stage_is_the_last_with_more_than_4x4_places() -> None:
    sizes = {"stem": 14, "layer1": 14, "layer2": 7, "layer3": 4}
    stages = {name: torch.zeros(1, 2, side, side) for name, side in sizes.items()}
    assert default_stage(stages) == "layer2"
    assert default_stage({"a": torch.zeros(1, 2, 4, 4), "b": torch.zeros(1, 2, 2, 2)}) == "b"
    with pytest.raises(UserError, match="names no stages"):
        attribute(Linear(), torch.zeros(1, 1, 6, 6), 0, "grad_cam")


@pytest.mark.parametrize("method", METHODS.names())
def test_a_pair_gets_the_maps_its_images_get_alone(net: Classifier, pair: Tensor, method: str) -> None:
    both = attribute(net, pair, torch.tensor([1, 3]), method)
    assert both.map.shape == (2, 12, 12)
    assert not both.map.requires_grad
    for i, k in enumerate((1, 3)):
        alone = attribute(net, pair[i : i + 1], k, method)
        torch.testing.assert_close(both.map[i], alone.map[0], atol=1e-4, rtol=1e-3)
    assert float(both.map.abs().max()) > 0


@pytest.mark.parametrize("method", METHODS.names())
def test_the_network_and_the_random_state_come_back_as_they_were(net: Classifier, pair: Tensor, method: str) -> None:
    net.train()
    children = list(net.modules())
    children[-1].training = False
    next(net.parameters()).grad = kept = torch.ones_like(next(net.parameters()))
    hook = net.register_forward_hook(lambda *_: None)
    state, before = torch.random.get_rng_state(), {k: v.clone() for k, v in net.state_dict().items()}
    try:
        attribute(net, pair, 0, method)
        assert all(m.training for m in children[:-1])
        assert not children[-1].training
        assert all(p.requires_grad for p in net.parameters())
        assert next(net.parameters()).grad is kept
        assert bool((kept == 1).all())
        assert all(p.grad is None for p in list(net.parameters())[1:])
        assert sum(len(vars(m)[name]) for m in children for name in HOOKS) == 1
        assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
        assert torch.equal(state, torch.random.get_rng_state())
    finally:
        hook.remove()
        net.eval().zero_grad()


@pytest.mark.parametrize("method", METHODS.names())
def test_the_network_comes_back_also_on_error(method: str) -> None:
    class Broken(Pooled):
        calls = 0

        def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
            self.calls += 1
            if self.calls > 1:
                raise RuntimeError("the cable is out")
            return super().trace(x)

    model = Broken()
    model.relu = nn.ReLU()
    model.scale = nn.Parameter(torch.ones(1))
    model.train()
    with pytest.raises(RuntimeError, match="cable"):
        attribute(model, torch.rand(1, 1, 6, 6, generator=generator()), 0, method)
    assert model.training
    assert model.relu.training
    assert model.scale.requires_grad
    assert sum(len(vars(m)[name]) for m in model.modules() for name in HOOKS) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "salincy"}, "did you mean 'saliency'"),
        ({"method": "occlusion", "windw": 3}, "did you mean 'window'"),
        ({"method": "occlusion", "window": 13}, "window must fit"),
        ({"method": "occlusion", "window": 2, "stride": 3}, "must not exceed"),
        ({"method": "integrated_gradients", "steps": 0}, "steps must be a whole number ≥ 1"),
        ({"method": "grad_cam", "stage": "layer9"}, "unknown stage 'layer9'"),
        ({"target_class": 4}, r"must lie in \[0, 4\)"),
        ({"target_class": torch.tensor([0, 1, 2])}, "one class or one per image"),
        ({"x": torch.zeros(1, 12, 12)}, "must be"),
    ],
)
def test_mistakes_are_named(net: Classifier, pair: Tensor, change: dict[str, object], words: str) -> None:
    call: dict[str, object] = {"x": pair, "target_class": 0, "method": "saliency"}
    with pytest.raises(UserError, match=words):
        attribute(net, **(call | change))
