"""The papers' networks: sizes and keys as published, stages, and a router's hold on their blocks."""

from __future__ import annotations

import re
from functools import partial

import pytest
import torch

from robust_core.models import build
from robust_core.models.backbone import Backbone
from robust_core.models.blocks import Control, Subsampled
from robust_core.models.mix_bn import MixBN
from robust_core.models.mobilenet_v2 import MobileNetV2
from robust_core.models.preact_resnet import PreActResNet
from robust_core.models.resnet import ResidualNet
from robust_core.models.wide_resnet import WideResNet
from robust_core.types import Routing, UserError
from tests.conftest import lived_in
from tests.models import papers

# Architecture, its options, the same network written apart, and its number of parameters.
PUBLISHED = [
    ("resnet18", {}, partial(papers.ResNet, 64, (2, 2, 2, 2)), 11_173_962),
    ("resnet56", {"shortcut": "A"}, partial(papers.ResNet, 16, (9, 9, 9), side="padded"), 853_018),
    ("resnet56", {}, partial(papers.ResNet, 16, (9, 9, 9)), 855_770),
    ("preact_resnet18", {}, partial(papers.PreActResNet, 64, (2, 2, 2, 2)), 11_171_146),
    ("preact_resnet18", {"final_norm": True}, partial(papers.PreActResNet, 64, (2, 2, 2, 2), True), 11_172_170),
    ("mobilenet_v2", {}, papers.MobileNetV2, 2_296_922),
    ("wrn_34_10", {}, partial(papers.WideResNet, 34, 10), 46_160_474),
]


@pytest.mark.parametrize(("name", "options", "paper", "parameters"), PUBLISHED)
def test_keys_shapes_and_sizes_are_the_published_ones(name, options, paper, parameters) -> None:
    with torch.device("meta"):
        ours, theirs = build(name, in_channels=3, num_classes=10, **options), paper()
    assert sum(p.numel() for p in ours.parameters()) == parameters
    shapes = [{key: tensor.shape for key, tensor in net.state_dict().items()} for net in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("name", "options", "stages"),
    [
        ("resnet18", {"width": 4}, {"stem": (4, 32), "layer1": (4, 32), "layer2": (8, 16), "layer4": (32, 4)}),
        ("preact_resnet18", {"width": 4}, {"stem": (4, 32), "layer1": (4, 32), "layer4": (32, 4)}),
        ("preact_resnet18", {"width": 4, "final_norm": True}, {"layer4": (32, 4), "head": (32, 4)}),
        ("mobilenet_v2", {"width": 8}, {"stem": (8, 32), "row1": (4, 32), "row2": (6, 32), "row3": (8, 16),
                                        "row5": (24, 8), "row7": (80, 4), "head": (320, 4)}),
        ("wrn_34_10", {"depth": 16, "widen_factor": 1}, {"stem": (16, 32), "block1": (16, 32), "block3": (64, 8),
                                                         "head": (64, 8)}),
    ],
)  # fmt: skip
def test_stages_have_the_published_resolutions(name, options, stages) -> None:
    net = build(name, in_channels=3, num_classes=10, seed=0, **options).eval()
    seen = net.trace(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))).stages
    for stage, (channels, side) in stages.items():
        assert seen[stage].shape == (1, channels, side, side), stage


def test_subsampled_keeps_every_second_pixel_between_channels_of_zeros() -> None:
    x = torch.arange(32.0).view(1, 2, 4, 4)
    y = Subsampled(2, 6, 2)(x)
    assert y.shape == (1, 6, 2, 2)
    assert torch.equal(y[:, 2:4], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 4:].any()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("wrn_34_10", {"depth": 33}, "6n + 4"),
        ("resnet18", {"shortcut": "C"}, "should be 'A' or 'B'"),
        ("preact_resnet18", {"shortcut_from": "x"}, "should be 'activated' or 'input'"),
        ("mobilenet_v2", {"blocks": [1] * 8}, "at most 7"),
        ("resnet18", {"blocks": [2, 0]}, "at least one block"),
        ("mobilenet_v2", {"mean": [0.5] * 3}, "both mean and std"),
        ("resnet18", {"mean": [0.5], "std": [0.5]}, "for each of 3 channels; got mean = [0.5]"),
        ("resnet18", {"mean": [0.5] * 3, "std": [0.5, 0.5, 0.0]}, "a std above 0"),
        ("resnet18", {"mean": 0.5, "std": 0.5}, "mean of resnet18: input should be"),
        ("resnet18", {"width": "wide"}, "valid integer; got 'wide'"),
        ("resnet18", {"width": 0}, "greater than or equal to 1; got 0"),
        ("wrn_34_10", {"widen_factor": 0}, "greater than or equal to 1"),
        ("aw_resnet18", {"stem_stride": 0}, "greater than or equal to 1"),
        ("aw_resnet18", {"signals": "False"}, "valid boolean; got 'False'"),
        ("aw_resnet18", {"type_reaches_features": 0}, "valid boolean; got 0"),
        ("aw_resnet18", {"signal_gain": float("inf")}, "finite number"),
        ("aw_mobilenet_v2", {"backbone": ResidualNet}, "unknown option"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        build(name, in_channels=3, num_classes=10, **options)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "twin"), [("aw_resnet18", "resnet18"), ("aw_mobilenet_v2", "mobilenet_v2")])
def test_a_fresh_aw_net_is_its_static_twin(name: str, twin: str, training: bool, images: torch.Tensor) -> None:
    options = {"width": 8, "blocks": (1, 2, 1)}
    static = build(twin, in_channels=1, num_classes=10, seed=0, **options).train(training)
    dynamic = build(name, in_channels=1, num_classes=10, seed=0, **options).train(training)
    torch.testing.assert_close(dynamic(images), static(images), rtol=1e-5, atol=1e-6)
    lived_in(dynamic)
    assert not torch.allclose(dynamic(images), static(images), rtol=0.01)


def test_a_router_turns_the_depthwise_convs_of_mobilenet(images: torch.Tensor) -> None:
    net = lived_in(build("aw_mobilenet_v2", in_channels=1, num_classes=10, seed=0, width=8, blocks=(1, 2)))
    assert list(net.regulated_convs()) == ["layers.0.conv2", "layers.1.conv2", "layers.2.conv2"]
    own = net.trace(images)
    for name in net.regulated_convs():
        off = net.trace(images, routing=Routing(scale={name: 0.0}))
        assert (off.logits - own.logits).abs().max() > 1e-4, name


@pytest.mark.parametrize(
    "backbone",
    [
        partial(ResidualNet, blocks=(1, 1)),
        partial(PreActResNet, width=8, blocks=(1, 1), final_norm=True),
        partial(MobileNetV2, width=8, blocks=(1, 1)),
        partial(WideResNet, depth=10, widen_factor=1),
    ],
)
def test_every_backbone_runs_under_control(backbone, images: torch.Tensor) -> None:
    """All norms mixed, each regulated conv's signal felt, and without a router's word the pass of the static net."""
    net: Backbone = lived_in(backbone(in_channels=1, num_classes=10, norm=partial(MixBN, mix="full")))
    halves = [net.run(images, Control(p_type=t)).logits for t in ("clean", "adversarial")]
    assert not torch.allclose(*halves, rtol=0.01)
    ones = {name: torch.ones(len(images), n) for name, n in net.regulated_convs().items()}
    torch.testing.assert_close(net.run(images, Control(p_type="clean", signals=ones)).logits, halves[0])
    for name in ones:
        turned = {**ones, name: ones[name] * 0.5}
        changed = net.run(images, Control(p_type="clean", signals=turned)).logits
        assert (changed - halves[0]).abs().max() > 1e-5, name
    static = lived_in(backbone(in_channels=1, num_classes=10))
    assert torch.equal(static.run(images).logits, static(images))
    torch.testing.assert_close(static.run(images, Control(signals=ones)).logits, static(images))
