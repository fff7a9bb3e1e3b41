from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robust_core.attacks import BALLS, Linf, Noise, Step, apgd, pgd
from robust_core.attacks.apgd import Pace, checkpoints
from robust_core.attacks.losses import LOSSES, targeted_logits_ratio
from robust_core.types import UserError
from tests.attacks.conftest import Halves, accuracy

Trained = tuple[nn.Module, Tensor, Tensor]


def test_checkpoints_are_those_of_the_paper() -> None:
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(1) == [1]
    for steps in (2, 7, 20, 1000):
        assert checkpoints(steps)[0] == -(-22 * steps // 100)
        assert all(0 < mark <= steps for mark in checkpoints(steps))


def test_pace_halves_on_either_condition_and_for_each_image_alone() -> None:
    pace = Pace(torch.ones(3))
    pace.begin(torch.zeros(3))
    for rose in ([True, True, False], [True, True, False], [True, False, True], [True, True, False]):
        pace.note(torch.tensor(rose))
    # Image 0 rose always, image 1 on 3 steps of 4 (not too few), image 2 on one; all have a new peak.
    assert pace.judge(torch.ones(3)).tolist() == [False, False, True]
    assert pace.size.tolist() == [1.0, 1.0, 0.5]
    pace.note(torch.tensor([True, True, True]))
    # No new peak halves the step of those that kept it at the last checkpoint, and only of those.
    assert pace.judge(torch.ones(3)).tolist() == [True, True, False]
    assert pace.size.tolist() == [0.5, 0.5, 0.5]


def test_losses_by_hand() -> None:
    logits = torch.tensor([[4.0, 1.0, 3.0, 0.5, 2.0]])
    y = torch.tensor([0])
    dlr = LOSSES["dlr"]
    assert float(dlr(logits, y, targeted=False)) == pytest.approx(-(4 - 3) / (4 - 2))
    assert float(dlr(logits, torch.tensor([1]), targeted=False)) == pytest.approx(-(1 - 4) / (4 - 2))
    towards = targeted_logits_ratio(logits, y=y, target=torch.tensor([3]))
    assert float(towards) == pytest.approx(-(4 - 0.5) / (4 - (2 + 1) / 2))
    for loss in ("dlr", "cw", "ce"):  # more is nearer to the aim
        worse, better = logits, logits + torch.tensor([[-0.5, 0, 0, 0.5, 0]])
        assert LOSSES[loss](better, y, targeted=False) > LOSSES[loss](worse, y, targeted=False)
        target = torch.tensor([3])
        assert LOSSES[loss](better, target, targeted=True) > LOSSES[loss](worse, target, targeted=True)
    torch.testing.assert_close(dlr(logits * 7, y, targeted=False), dlr(logits, y, targeted=False))


def test_dlr_says_how_many_classes_it_needs(grey: Tensor) -> None:
    net, y = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), torch.zeros(len(grey), dtype=torch.int64)
    apgd(net, grey, y, Linf(0.1), loss="dlr", steps=2, random_start=False)
    with pytest.raises(UserError, match="needs 4 classes or more; this network has 3"):
        apgd(net, grey, y, Linf(0.1), loss="dlr_t", steps=2, random_start=False)
    with pytest.raises(UserError, match="needs 4 classes or more"):
        apgd(net, grey, y, Linf(0.1), loss="dlr", steps=2, random_start=False, target=y)
    with pytest.raises(UserError, match="steps, restarts and targets must be ≥ 1; got 0, 1, 9"):
        apgd(net, grey, y, Linf(0.1), steps=0, random_start=False)


def test_first_steps_by_hand() -> None:
    """One pixel from 0.5 within 0.1 of it; the loss is highest at 0.53, or at 0.8, which is out of reach."""

    class Hill(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            z = -20 * (x.flatten() - torch.tensor([0.53, 0.8])).square()
            return torch.stack([torch.zeros_like(z), z], dim=1)  # class 0 stands, and cross-entropy rises with z

    x, y, way = torch.full((2, 1, 1, 1), 0.5), torch.zeros(2, dtype=torch.int64), list[Step]()
    apgd(Hill(), x, y, Linf(0.1), steps=10, random_start=False, on_step=way.append)
    assert checkpoints(10)[:2] == [3, 5]
    # z is one step of 0.2 along the sign of the slope, brought back to [0.4, 0.6]; then x + ¾(z - x) + ¼(x - before).
    first = 0.6
    second = 0.6 + 0.75 * (0.4 - 0.6) + 0.25 * (0.6 - 0.5)
    third = second + 0.75 * (0.6 - second) + 0.25 * (second - 0.6)
    # It rose in two steps of three, too few: from the best point, which is the third, with half the step.
    fourth = third + 0.75 * -0.1 + 0.25 * (third - second)
    visited = torch.stack([step.x.flatten() for step in way[:5]])
    assert visited[:, 0].tolist() == pytest.approx([0.5, first, second, third, fourth], abs=1e-6)
    assert visited[:, 1].tolist() == pytest.approx([0.5, 0.6, 0.6, 0.6, 0.6], abs=1e-6)


@pytest.mark.parametrize("norm", sorted(BALLS))
def test_apgd_is_no_weaker_than_pgd_with_as_many_steps(norm: str, trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:100], trained[2][:100]
    ball, noise = BALLS[norm](0.03 if norm == "linf" else 0.7), Noise(0, torch.arange(len(x)))
    by_pgd = accuracy(net, pgd(net, x, y, ball, steps=15, generator=noise), y)
    for loss in ("ce", "dlr"):
        assert accuracy(net, apgd(net, x, y, ball, steps=15, loss=loss, generator=noise), y) <= by_pgd + 0.5
    all_targets = apgd(net, x, y, ball, steps=15, loss="dlr_t", generator=noise)
    one_target = apgd(net, x, y, ball, steps=15, loss="dlr_t", targets=1, generator=noise)
    assert accuracy(net, all_targets, y) <= accuracy(net, one_target, y)
    assert accuracy(net, all_targets, y) <= by_pgd + 0.5


def test_the_best_point_is_returned_not_the_last(halves: Halves, grey: Tensor) -> None:
    """On a loss that the way overshoots: 0 at a ring around the image, so the last point is not the best."""

    class Ring(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            z = -((x - 0.5).flatten(1).norm(dim=1) - 0.037).abs() * 300 + 0.5
            return torch.stack([torch.zeros_like(z), z, z - 30, z - 30], dim=1)

    x, y = torch.full((6, 1, 4, 4), 0.5), torch.zeros(6, dtype=torch.int64)
    way: list[Step] = []
    x_adv = apgd(Ring(), x, y, Linf(0.1), steps=40, generator=torch.Generator().manual_seed(0), on_step=way.append)
    assert torch.equal(way[-1].x, x_adv)
    visited = torch.stack([step.loss for step in way[:-1]])
    assert (way[-1].loss >= visited.max(dim=0).values - 1e-6).all()
    assert (way[-1].loss > visited[-1]).any()


@pytest.mark.parametrize("loss", ["ce", "dlr_t"])
def test_until_fooled_fools_the_same_images_for_less(loss: str, trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:100], trained[2][:100]
    asked = 0

    class Counted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            nonlocal asked
            asked += len(x)
            logits: Tensor = net(x)
            return logits

    fooled, looks = [], []
    for until_fooled in (False, True):
        asked, noise = 0, Noise(0, torch.arange(len(x)))
        ball = Linf(0.02)
        x_adv = apgd(Counted(), x, y, ball, steps=30, loss=loss, generator=noise, until_fooled=until_fooled)
        assert bool((ball.distance(x_adv, x) <= 0.02).all())
        fooled.append(net(x_adv).argmax(dim=1) != y)
        looks.append(asked)
    assert torch.equal(fooled[0], fooled[1])
    assert 20 < int(fooled[0].sum()) < 90
    assert looks[1] < 0.97 * looks[0]
