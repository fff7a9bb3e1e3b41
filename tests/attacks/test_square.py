from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robust_core.attacks import BALLS, L2, Linf, Noise, Step, square
from robust_core.attacks.square import _bumps, _side
from robust_core.types import UserError
from tests.attacks.checks import check_inside
from tests.attacks.conftest import Halves, accuracy

Trained = tuple[nn.Module, Tensor, Tensor]


class Secret(nn.Module):
    """Answers questions, counts them, and has no gradient to give."""

    class Sealed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, logits: Tensor) -> Tensor:
            return logits.clone()

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            raise AssertionError("a black-box attack asked for a gradient")

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.asked, self.calls = net, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        self.asked, self.calls = self.asked + len(x), self.calls + 1
        assert not torch.is_grad_enabled(), "a graph is being built"
        return self.Sealed.apply(self.net(x))


@pytest.mark.parametrize("norm", sorted(BALLS))
def test_it_fools_with_answers_alone_and_keeps_its_budget(norm: str, trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:100], trained[2][:100]
    ball = BALLS[norm](0.08 if norm == "linf" else 2.0)
    noise = Noise(0, torch.arange(100))
    clean = accuracy(net, x, y)
    secret = Secret(net)
    few = square(secret, x, y, ball, queries=10, generator=noise)
    assert secret.calls <= 10
    secret = Secret(net)
    many = square(secret, x, y, ball, queries=200, generator=noise)
    assert secret.calls <= 200
    check_inside(many, x, norm, ball.eps)
    assert accuracy(net, many, y) < accuracy(net, few, y) < clean
    assert accuracy(net, many, y) < clean - 25
    # Images that are fooled are asked about no more, and those wrong from the start are left alone.
    survivors = int((net(many).argmax(dim=1) == y).sum())
    assert survivors * 200 <= secret.asked < 0.7 * 100 * 200
    wrong = net(x).argmax(dim=1) != y
    assert wrong.any()
    assert torch.equal(many[wrong], x[wrong])


@pytest.mark.parametrize("norm", sorted(BALLS))
def test_under_the_true_distance_it_never_flips(norm: str, halves: Halves, grey: Tensor) -> None:
    y = halves(grey).argmax(dim=1)
    true = halves.distance(grey, norm)
    noise = Noise(0, torch.arange(len(grey)))
    assert accuracy(halves, square(halves, grey, y, BALLS[norm](true * 0.95), queries=150, generator=noise), y) == 100
    # Without gradients it takes more than 5 % over; in L-inf a linear net is easy, for every square counts alone.
    assert accuracy(halves, square(halves, grey, y, BALLS[norm](true * 2.5), queries=300, generator=noise), y) < 50


@pytest.mark.parametrize("norm", sorted(BALLS))
def test_targeted_square_reaches_its_target(norm: str, trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:30], trained[2][:30]
    target = net(x).scatter(1, y[:, None], float("-inf")).argmax(dim=1)
    ball = BALLS[norm](0.2 if norm == "linf" else 4.0)
    x_adv = square(net, x, y, ball, queries=150, target=target, generator=Noise(0, torch.arange(30)))
    assert accuracy(net, x_adv, target) > 60


@pytest.mark.parametrize("norm", sorted(BALLS))
def test_batches_do_not_change_it(norm: str, trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:12], trained[2][:12]
    ball, noise = BALLS[norm](0.02 if norm == "linf" else 0.5), Noise(4, torch.arange(12))
    whole = square(net, x, y, ball, queries=30, generator=noise)
    parts = [
        square(net, x[rows], y[rows], ball, queries=30, generator=noise.of(rows))
        for rows in (torch.tensor([0, 1, 2]), torch.arange(3, 12))
    ]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)


def test_the_way_is_seen_at_regular_queries_and_never_falls(trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:20], trained[2][:20]
    way: list[Step] = []
    x_adv = square(net, x, y, Linf(0.03), queries=120, generator=Noise(0, torch.arange(20)), on_step=way.append)
    indices = [step.index for step in way]
    assert indices[:-1] == list(range(0, 120, 3))[: len(indices) - 1]
    assert indices[-2] < indices[-1] <= 119
    assert torch.equal(way[0].x, x)
    assert torch.equal(way[-1].x, x_adv)
    values = torch.stack([step.loss for step in way[1:]])
    assert (values[1:] >= values[:-1] - 1e-5).all()
    torch.testing.assert_close(way[-1].loss, -way[-1].margin)


def test_linf_steps_are_squares_of_one_colour() -> None:
    """Where nothing is clipped every pixel is at x ± eps, whatever was accepted."""

    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            z = (x.flatten(1) * torch.arange(x[0].numel()).cos()).sum(dim=1)
            return torch.stack([torch.full_like(z, 1e3), z], dim=1)

    x = torch.full((3, 3, 9, 9), 0.5)
    x_adv = square(
        Noisy(), x, torch.zeros(3, dtype=torch.int64), Linf(0.1), queries=60, generator=Noise(0, torch.arange(3))
    )
    torch.testing.assert_close((x_adv - x).abs(), torch.full_like(x, 0.1))
    assert not torch.equal(x_adv[0], x_adv[1])


def test_l2_patterns_have_length_one_and_two_opposite_halves() -> None:
    for side in (1, 2, 3, 5, 8):
        pattern = _bumps(side, torch.device("cpu"))
        assert pattern.shape == (side, side)
        assert float(pattern.norm()) == pytest.approx(1)
        if side > 1:
            assert (pattern[:, : side // 2] > 0).all()
            assert (pattern[:, side // 2 :] < 0).all()


def test_l2_spends_the_whole_budget(trained: Trained) -> None:
    net, x, y = trained[0], 0.3 + 0.4 * trained[1][:20], trained[2][:20]
    x_adv = square(net, x, y, L2(0.4), queries=40, generator=Noise(0, torch.arange(20)))
    right = net(x).argmax(dim=1) == y
    assert float(L2(0.4).distance(x_adv, x)[right].min()) > 0.399


def test_squares_shrink_by_the_published_schedule() -> None:
    x = torch.zeros(1, 1, 100, 100)
    sides = [_side(0.8, 2 + square, 10_002, x) for square in (0, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001)]
    assert sides == [round((0.8 / 2**k) ** 0.5 * 100) for k in range(10)]
    assert _side(0.8, 82, 102, x) == _side(0.8, 8002, 10_002, x)
    assert _side(1e-9, 2, 10, x) == 1


def test_wrong_settings_are_named(halves: Halves, grey: Tensor) -> None:
    y = torch.zeros(len(grey), dtype=torch.int64)
    with pytest.raises(UserError, match=r"queries must be ≥ 1 and share in \(0, 1\]; got queries=0"):
        square(halves, grey, y, Linf(0.1), queries=0, generator=torch.Generator())
    alone = square(halves, grey, y, Linf(0.1), queries=1, generator=torch.Generator())
    assert torch.equal(alone, grey)  # one look is the clean image's
