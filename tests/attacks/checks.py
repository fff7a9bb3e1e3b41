"""The checks an attack has to pass, as functions, so that planted faults can be shown to fail them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from robust_core.attacks import BALLS, Ball
from tests.attacks.conftest import Halves

White = Callable[[Halves, Tensor, Tensor, Ball], Tensor]


def check_boundary(attack: White, net: Halves, x: Tensor, norm: str) -> None:
    """5 % under the true distance nothing flips, 5 % over it everything does. Each image has a budget of its own."""
    y = net(x).argmax(dim=1)
    true = net.distance(x, norm)
    for share, flips in ((0.95, False), (1.05, True)):
        ball = BALLS[norm](true * share)
        x_adv = attack(net, x, y, ball)
        check_inside(x_adv, x, norm, true * share)
        flipped = net(x_adv).argmax(dim=1) != y
        assert flipped.tolist() == [flips] * len(x), f"at {share} of the true distance"


def check_inside(x_adv: Tensor, x: Tensor, norm: str, eps: Tensor | float) -> None:
    """The promise of the ball, in float64."""
    change = (x_adv.double() - x.double()).flatten(1)
    size = change.abs().amax(dim=1) if norm == "linf" else change.norm(dim=1)
    assert (size <= torch.as_tensor(eps, dtype=torch.float64)).all(), "outside the ball"
    assert float(x_adv.min()) >= 0
    assert float(x_adv.max()) <= 1, "not an image"
