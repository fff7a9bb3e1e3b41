from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robust_core.attacks import BALLS, AttackSettings, run, smallest_eps
from robust_core.types import UserError
from tests.attacks.checks import check_inside
from tests.attacks.conftest import Halves

Trained = tuple[nn.Module, Tensor, Tensor]


@pytest.mark.parametrize("norm", sorted(BALLS))
@pytest.mark.parametrize("name", ["fgsm", "pgd", "mi_fgsm", "cw", "apgd_ce"])
def test_it_finds_the_distance_of_a_linear_classifier(name: str, norm: str, halves: Halves, grey: Tensor) -> None:
    y = halves(grey).argmax(dim=1)
    tolerance = 0.0005 if norm == "linf" else 0.004
    attack = AttackSettings(name=name, norm=norm, eps=0.9, steps=20)
    found = smallest_eps(halves, grey[:4], y[:4], attack=attack, tolerance=tolerance)
    for image, true, x in zip(found, halves.distance(grey[:4], norm).tolist(), grey[:4, None], strict=True):
        assert image.eps is not None
        # Above the true distance, within the tolerance and what the attack falls short of the best direction.
        assert true <= image.eps <= true * (1.03 if norm == "l2" else 1.0) + tolerance
        assert 0 < image.eps - image.safe <= tolerance
        check_inside(image.x, x, norm, image.eps)
        assert (image.clean, image.predicted) == (0, 1)
        torch.testing.assert_close(halves(image.x), image.logits)


def test_its_answer_is_what_the_attack_does_with_that_budget(trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:6], trained[2][:6]
    attack = AttackSettings(name="pgd", seed=3)
    for i, image in enumerate(smallest_eps(net, x, y, attack=attack)):
        again = run(attack.replace(eps=image.eps), net, x, y, indices=range(6))[i : i + 1]
        torch.testing.assert_close(again, image.x, rtol=0, atol=1e-6)
        assert int(net(again).argmax()) == image.predicted
        if image.eps:
            below = run(attack.replace(eps=image.safe), net, x, y)[i : i + 1]
            assert int(net(below).argmax()) == int(y[i])


def test_already_wrong_is_zero_and_unreachable_is_none(halves: Halves, grey: Tensor) -> None:
    wrong = torch.ones(len(grey), dtype=torch.int64)
    for image in smallest_eps(halves, grey, wrong):
        assert (image.eps, image.safe, image.predicted) == (0.0, 0.0, 0)
    y = torch.zeros(len(grey), dtype=torch.int64)
    for image in smallest_eps(halves, grey, y, hi=0.01):
        assert image.eps is None
        assert image.safe == 0.01
        assert image.predicted == 0
    for image in smallest_eps(halves, grey[:2], y[:2], target=3):  # a class no budget reaches
        assert image.eps is None


def test_targets_cost_more(trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:6], trained[2][:6]
    free = smallest_eps(net, x, y)
    target = net(x).argsort(dim=1)[:, -3]
    aimed = smallest_eps(net, x, y, target=target)
    assert sum(image.predicted == int(t) for image, t in zip(aimed, target, strict=True)) >= 5
    sums = [sum(image.eps or 0 for image in images) for images in (free, aimed)]
    assert sums[0] < sums[1]


def test_square_and_names_work_too(trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:3], trained[2][:3]
    white = smallest_eps(net, x, y, attack="pgd", norm="l2", seed=1)
    black = smallest_eps(net, x, y, attack=AttackSettings(name="square", norm="l2", queries=60))
    for w, b in zip(white, black, strict=True):
        assert w.eps is not None
        assert b.eps is None or b.eps >= w.eps
    assert smallest_eps(net, x[:0], y[:0]) == []


def test_wrong_bounds_are_named(halves: Halves, grey: Tensor) -> None:
    y = torch.zeros(len(grey), dtype=torch.int64)
    with pytest.raises(UserError, match="hi and tolerance must be > 0, in pixel units; got hi=-1"):
        smallest_eps(halves, grey, y, hi=-1)
    with pytest.raises(UserError, match="unknown attack 'pdg'; did you mean 'pgd'"):
        smallest_eps(halves, grey, y, attack="pdg")
