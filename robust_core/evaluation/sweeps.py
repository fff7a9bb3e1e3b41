"""Accuracy as the attacker is given more: a larger ε, or more steps. A verdict an image and point, not shares alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from robust_core.attacks import AttackSettings, Step, run
from robust_core.evaluation.ensemble import RIGHT, verdicts
from robust_core.types import ImageSet, UserError


def stands(net: nn.Module, x: Tensor, y: Tensor) -> Bool[Tensor, " n"]:
    """Is each image right? Logits that are no numbers are wrong."""
    right: Tensor = verdicts(net, x, y) == RIGHT
    return right


def over_eps(
    net: nn.Module,
    images: ImageSet,
    attack: AttackSettings,
    eps: Sequence[float],
    *,
    indices: Int64[Tensor, " n"] | None = None,
) -> Bool[Tensor, "p n"]:
    """Which images stand at each budget; an image fooled at a smaller one is fooled at a larger one, for it may be
    changed as little there, and is not attacked again.

    net: in eval mode. eps: rising, pixel units; 0 is untouched. A step size that is set grows with ε. indices: which
    image of its set each is; its noise goes by it. Raises UserError where eps does not rise from 0 or more.
    """
    budgets = list(eps)
    if not budgets or any(b <= a for a, b in pairwise(budgets)) or budgets[0] < 0:
        raise UserError(f"eps must rise, from 0 or more; got {budgets}")
    x, y = images.floats(), images.labels
    known = torch.arange(len(images)) if indices is None else indices
    left, rows = stands(net, x, y), []
    for budget in budgets:
        todo = left.nonzero()[:, 0]
        if budget > 0 and len(todo):
            x_adv = run(_at(attack, budget), net, x[todo], y[todo], indices=known[todo])
            left = left.clone()
            left[todo] = stands(net, x_adv, y[todo])
        rows.append(left)
    return torch.stack(rows)


def _at(attack: AttackSettings, eps: float) -> AttackSettings:
    if attack.step_size is None or attack.eps == 0:
        return attack.replace(eps=eps)
    return attack.replace(eps=eps, step_size=min(1.0, attack.step_size * eps / attack.eps))


def over_steps(
    net: nn.Module, images: ImageSet, attack: AttackSettings, *, indices: Int64[Tensor, " n"] | None = None
) -> Bool[Tensor, "s n"]:
    """Which images stand after each step of one PGD, step 0 untouched: S + 1 rows of verdicts.

    With a step of fixed length, PGD of s steps is the first s steps of a longer one, so one run tells them all. Here an
    image may be lost and come back; more steps helping the defender is a sign of masked gradients.
    Raises UserError for an attack other than PGD, without a step size, or with restarts.
    """
    if attack.name != "pgd" or attack.step_size is None or attack.restarts != 1:
        raise UserError(
            "accuracy over steps needs pgd with a step_size and one restart, so that a short attack is the beginning "
            f"of a long one; got {attack.describe()}"
        )
    x, y = images.floats(), images.labels
    known = torch.arange(len(images)) if indices is None else indices
    right = stands(net, x, y)
    todo = right.nonzero()[:, 0]
    rows = [right]

    def watch(step: Step) -> None:
        if step.index:  # point 0 is the random start
            now = torch.zeros_like(right)
            sound = step.logits.isfinite().all(dim=1)
            now[todo] = (step.logits.argmax(dim=1) == y[todo]) & sound
            rows.append(now)

    if len(todo):
        run(attack, net, x[todo], y[todo], indices=known[todo], on_step=watch)
    else:
        rows += [right] * attack.steps
    return torch.stack(rows)
