"""Every registered architecture: shapes, one forward path, and nothing in place that attribution would stumble on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from robust_core.models import ARCHITECTURES, build
from robust_core.types import Classifier, UserError
from tests.conftest import tiny


def test_trace_is_the_forward_path(any_net: Classifier, images: torch.Tensor, device: torch.device) -> None:
    net, x = any_net.to(device), images.to(device)
    seen = net.trace(x)
    assert seen.logits.shape == (6, 10)
    assert torch.equal(seen.logits, net(x))
    assert next(iter(seen.stages)) == "stem"
    assert len(seen.stages) >= 3
    assert all(stage.shape[0] == 6 and stage.ndim == 4 for stage in seen.stages.values())


def test_eval_logits_do_not_depend_on_batch_mates(any_net: Classifier, images: torch.Tensor) -> None:
    together = any_net(images)
    alone = torch.cat([any_net(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_each_relu_is_used_once_and_not_in_place(any_net: Classifier, images: torch.Tensor) -> None:
    relus = [m for m in any_net.modules() if isinstance(m, nn.ReLU)]
    assert relus
    assert not any(relu.inplace for relu in relus)
    calls: dict[int, int] = {}
    hooks = [
        relu.register_forward_hook(lambda module, *_: calls.update({id(module): calls.get(id(module), 0) + 1}))
        for relu in relus
    ]
    any_net(images)
    for hook in hooks:
        hook.remove()
    assert set(calls.values()) == {1}


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_a_seed_fixes_the_weights_and_leaves_the_global_generator_alone(name: str) -> None:
    before = torch.get_rng_state()
    a = build(name, in_channels=3, num_classes=4, seed=5, **tiny(name))
    assert torch.equal(before, torch.get_rng_state())
    b = build(name, in_channels=3, num_classes=4, seed=5, **tiny(name))
    c = build(name, in_channels=3, num_classes=4, seed=6, **tiny(name))
    weights = [net.state_dict() for net in (a, b, c)]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert not all(torch.equal(weights[0][k], weights[2][k]) for k in weights[0])


def test_state_dict_has_the_usual_cifar_keys() -> None:
    keys = build("residual", in_channels=3, num_classes=10, width=16, blocks=(2, 2)).state_dict().keys()
    for key in ("conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer2.0.shortcut.0.weight",
                "layer2.0.shortcut.1.bias", "layer2.1.bn2.weight", "linear.weight", "linear.bias"):  # fmt: skip
        assert key in keys
    assert "layer1.0.shortcut.0.weight" not in keys


def test_sizes_are_those_the_docs_promise() -> None:
    for width, blocks, low, high in (
        (16, (2, 2, 2), 0.15e6, 0.25e6),
        (32, (1, 1, 1), 0.25e6, 0.35e6),
        (32, (2, 2, 2), 0.6e6, 0.8e6),
    ):
        net = build("residual", in_channels=1, num_classes=10, width=width, blocks=blocks)
        assert low < sum(p.numel() for p in net.parameters()) < high


def test_normalisation_is_inside(images: torch.Tensor) -> None:
    plain = build("residual", in_channels=1, num_classes=10, seed=0, width=8).eval()
    inside = build("residual", in_channels=1, num_classes=10, seed=0, width=8, mean=[0.3], std=[0.5]).eval()
    torch.testing.assert_close(inside(images), plain((images - 0.3) / 0.5))


def test_unknown_names_come_with_the_nearest_known() -> None:
    with pytest.raises(UserError, match="did you mean 'residual'"):
        build("residul", in_channels=1, num_classes=10)
    with pytest.raises(UserError, match="did you mean 'width'"):
        build("residual", in_channels=1, num_classes=10, widht=8)
    with pytest.raises(UserError, match="blocks of residual: .* not allowed as a Sequence"):
        build("residual", in_channels=1, num_classes=10, blocks="many")


def test_a_static_network_refuses_a_route(images: torch.Tensor) -> None:
    from robust_core.types import Routing

    with pytest.raises(UserError, match="static"):
        build("residual", in_channels=1, num_classes=10, width=8).trace(images, routing=Routing(p_type="clean"))
