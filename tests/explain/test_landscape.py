"""The loss surface against numbers worked out by hand on a linear network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robust_core.explain.landscape import loss_surface
from robust_core.models import build
from robust_core.types import UserError


class Sums(nn.Module):
    """logits (sum of the left column, sum of the right one); NaN where asked for."""

    def __init__(self, broken_above: float = float("inf")) -> None:
        super().__init__()
        self.broken_above = broken_above

    def forward(self, x: Tensor) -> Tensor:
        logits = x.sum(dim=(1, 2))
        return torch.where(logits[:, :1] > self.broken_above, float("nan"), logits)


IMAGE = torch.tensor([[[0.6, 0.5], [0.4, 0.2]]])  # logits (1.0, 0.7)
ALONG = torch.tensor([[[-0.1, 0.1], [-0.1, 0.1]]])  # logits (-0.2, +0.2) a length
ACROSS = torch.tensor([[[0.3, 0.3], [0.0, 0.0]]])  # orthogonal to ALONG: (+0.3, +0.3), rescaled to length 0.2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_known_values_on_a_linear_network() -> None:
    found = loss_surface(Sums(), IMAGE, 0, direction_a=ALONG, direction_b=ACROSS, extent=2, n=5)
    torch.testing.assert_close(found.a, torch.tensor([-2.0, -1, 0, 1, 2]))
    # Margin 0.3 - 0.4a, whatever b: both logits rise together across.
    margin = (0.3 - 0.4 * found.a)[None].expand(5, 5)
    torch.testing.assert_close(found.margin, margin)
    torch.testing.assert_close(found.loss, F.softplus(-margin))
    assert torch.equal(found.predicted, (margin < 0).long())
    assert found.length == pytest.approx(0.2)
    # One pixel of four, 0.2 - 0.2·√½·b... leaves the cube only where a·0.1 pushes it: counted point by point.
    b = found.b[:, None, None, None, None]
    across = ACROSS / ACROSS.norm() * 0.2
    images = IMAGE + found.a[None, :, None, None, None] * ALONG + b * across
    torch.testing.assert_close(found.outside, ((images < 0) | (images > 1)).float().mean(dim=(2, 3, 4)))


def test_the_two_images_are_on_the_grid_exactly() -> None:
    model = build("aw_net", in_channels=1, num_classes=4, width=4, blocks=(1, 1), seed=0).eval()
    x = torch.rand(1, 12, 12, generator=generator())
    delta = 0.05 * torch.randn(1, 12, 12, generator=generator(1))
    found = loss_surface(model, x, 2, direction_a=delta, generator=generator(2), n=7, extent=1.7, batch=10)
    row = int((found.b == 0).nonzero()[0, 0])
    with torch.no_grad():
        logits = model(torch.stack([x, x + delta]))
    truth = F.cross_entropy(logits, torch.tensor([2, 2]), reduction="none")
    for value, expected in zip((0.0, 1.0), truth, strict=True):
        column = int((found.a == value).nonzero()[0, 0])
        assert float(found.loss[row, column]) == pytest.approx(float(expected), abs=1e-6)
    assert bool((found.a.diff() > 0).all())


@pytest.mark.parametrize("draw", ["rademacher", "gaussian"])
def test_the_drawn_direction_is_orthogonal_as_long_and_the_generators_own(draw: str) -> None:
    seen: list[Tensor] = []

    class Watch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x.flatten(1)[:, :3]

    def across(seed: int) -> Tensor:
        seen.clear()
        x, delta = torch.full((3, 4, 4), 0.5), torch.randn(3, 4, 4, generator=generator(9))
        loss_surface(Watch(), x, 0, direction_a=delta, generator=generator(seed), draw=draw, n=3, extent=1)
        step = (torch.cat(seen).view(3, 3, 3, 4, 4)[2, 1] - x).clone()
        assert float(step.norm()) == pytest.approx(float(delta.norm()), rel=1e-4)
        assert float((step * delta).sum()) == pytest.approx(0, abs=1e-4)
        return step

    before = torch.random.get_rng_state()
    assert torch.equal(across(1), across(1))
    assert not torch.allclose(across(1), across(2), atol=0.1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_points_without_finite_logits_are_left_open() -> None:
    found = loss_surface(Sums(broken_above=1.1), IMAGE, 0, direction_a=ALONG, direction_b=ACROSS, n=5)
    broken = found.predicted < 0
    assert 0 < int(broken.sum()) < 25
    assert torch.equal(broken, found.loss.isnan())
    assert torch.equal(broken, found.margin.isnan())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"direction_a": torch.zeros(1, 2, 2)}, "length zero"),
        ({"direction_b": 2 * ALONG}, "parallel"),
        ({"direction_b": None}, "needs a generator"),
        ({"direction_b": None, "generator": generator(), "draw": "uniform"}, "unknown draw"),
        ({"n": 2}, "n ≥ 3"),
        ({"extent": 0.5}, "extent ≥ 1"),
        ({"direction_a": torch.ones(1, 3, 3)}, "one .* shape"),
        ({"y": 2}, r"class in \[0, 2\)"),
    ],
)
def test_mistakes_are_named(change: dict[str, object], words: str) -> None:
    call: dict[str, object] = {"x": IMAGE, "y": 0, "direction_a": ALONG, "direction_b": ACROSS}
    with pytest.raises(UserError, match=words):
        loss_surface(Sums(), **(call | change))
