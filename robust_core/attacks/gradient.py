"""Attacks that follow the gradient with a fixed step: FGSM, PGD, MI-FGSM and PGD on the Carlini-Wagner margin.

An attack is a pure function: the model is only asked for outputs and input gradients, randomness comes from the
generator that is passed in, and every step can be watched on the way. The images it returns are the last iterate
(with restarts: the last iterate of each image's best attempt).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from robust_core.attacks.balls import Ball, per_image
from robust_core.attacks.losses import AttackLoss, carlini_wagner
from robust_core.attacks.noise import Noise, as_noise
from robust_core.attacks.steps import (
    Classes,
    Images,
    Objective,
    OnStep,
    Outcome,
    Rows,
    aim,
    best_of,
    climb,
    fooled,
    look,
)
from robust_core.types import UserError, trace

Start = Literal["uniform", "normal"]
NARROW = 0.001  # spread of the "normal" start, pixel units


def pgd(
    model: nn.Module,
    x: Images,
    y: Classes,
    ball: Ball,
    *,
    steps: int = 20,
    step_size: float | Tensor | None = None,
    loss: AttackLoss | str = "ce",
    objective: Callable[[Rows], Objective] | None = None,
    momentum: float | None = None,
    random_start: bool = True,
    start: Start = "uniform",
    restarts: int = 1,
    target: Classes | None = None,
    judge: nn.Module | None = None,
    generator: torch.Generator | Noise | None = None,
    on_step: OnStep | None = None,
) -> Images:
    """Projected gradient ascent with a constant step.

    x: (N, C, H, W) in [0, 1]; y: true classes; target: classes to reach instead. step_size: length of a step in the
    ball's norm, pixel units; 2.5·eps/steps where none is given. momentum: the decay μ of MI-FGSM. start: where a random
    start lies, "uniform" in the ball or "normal", x + 0.001·N(0, 1), as TRADES and the distillation methods have it.
    restarts: how many random starts at most; an image keeps the first that fools, else the one of the highest loss.
    judge: the network that is to be fooled, where it is not the one climbed on.
    objective: for rows of the batch, what to climb in place of a loss on the logits. on_step sees steps + 1 points.
    The model should be in eval mode.
    Raises UserError for settings out of range, or a random start with no generator.
    Source: Madry et al. 2018; with momentum, Dong et al. 2018, eq. 6.
    """
    if steps < 0 or restarts < 1:
        raise UserError(f"steps must be ≥ 0 and restarts ≥ 1; got steps={steps}, restarts={restarts}")
    if restarts > 1 and not random_start:
        raise UserError(f"restarts={restarts} without a random start would repeat one attack; set random_start=True")
    noise = starting_noise(random_start, generator, x)
    step = 2.5 * ball.eps / max(steps, 1) if step_size is None else step_size

    def ascend(rows: Rows, number: int, watch: OnStep | None) -> tuple[Images, Objective]:
        xs, part = x[rows], ball.of(rows)
        first = xs if noise is None else _begun(part, xs, noise.of(rows), number, start)
        wanted = None if target is None else target[rows]
        goal = aim(y[rows], wanted, loss) if objective is None else objective(rows)
        length = per_image(step.to(x)[rows]) if isinstance(step, Tensor) else step
        return _ascend(model, xs, y[rows], first, part, goal, steps, length, momentum, watch), goal

    def attempt(rows: Rows, number: int, watch: OnStep | None) -> Outcome:
        x_adv, goal = ascend(rows, number, watch)
        with torch.no_grad():
            seen = trace(model, x_adv)
            logits = seen.logits if judge is None else judge(x_adv)
            return Outcome(x_adv, goal(seen), fooled(logits, y[rows], None if target is None else target[rows]))

    if restarts == 1:  # nothing to choose from: the last look at the logits is saved
        return ascend(slice(None), 0, on_step)[0]
    return best_of(restarts, attempt, len(x), x.device, on_step)


def _begun(ball: Ball, x: Images, noise: Noise, number: int, start: Start) -> Images:
    """The random start of attempt `number`."""
    if start == "uniform":
        return ball.random(x, noise, draw=number)
    return ball.project(x + NARROW * noise.normal(number, *x.shape[1:]).to(x), x)


def starting_noise(random_start: bool, generator: torch.Generator | Noise | None, x: Images) -> Noise | None:
    """The noise of the random starts, none where there are none."""
    if not random_start:
        return None
    if generator is None:
        raise UserError("a random start needs a generator: pass torch.Generator().manual_seed(...)")
    return as_noise(generator, x)


def _ascend(
    model: nn.Module,
    x: Images,
    y: Classes,
    start: Images,
    ball: Ball,
    objective: Objective,
    steps: int,
    step: float | Tensor,
    momentum: float | None,
    on_step: OnStep | None,
) -> Images:
    project = ball.around(x)
    x_adv, velocity = start, torch.zeros_like(x)
    for index in range(steps):
        gradient, _, _ = climb(model, x_adv, y, objective, index=index, on_step=on_step)
        if momentum is not None:
            # MI-FGSM adds up gradients of L1 length one, so that early large gradients do not rule.
            length = gradient.abs().flatten(1).sum(dim=1)
            velocity = momentum * velocity + gradient / per_image(torch.where(length > 0, length, 1.0))
            gradient = velocity
        x_adv = project(x_adv + step * ball.ascend(gradient))
    if on_step is not None:
        look(model, x_adv, y, objective, steps, on_step)
    return x_adv


def fgsm(
    model: nn.Module,
    x: Images,
    y: Classes,
    ball: Ball,
    *,
    loss: AttackLoss | str = "ce",
    target: Classes | None = None,
    on_step: OnStep | None = None,
) -> Images:
    """One step of length eps from the image itself. Source: Goodfellow et al. 2015."""
    return pgd(
        model, x, y, ball, steps=1, step_size=ball.eps, loss=loss, random_start=False, target=target, on_step=on_step
    )


mi_fgsm = partial(pgd, momentum=1.0, random_start=False)
"""PGD that keeps its momentum: transfers better to other networks. Source: Dong et al. 2018."""


def cw_pgd(
    model: nn.Module,
    x: Images,
    y: Classes,
    ball: Ball,
    *,
    steps: int = 30,
    step_size: float | Tensor | None = None,
    kappa: float = 50.0,
    random_start: bool = True,
    start: Start = "uniform",
    restarts: int = 1,
    target: Classes | None = None,
    generator: torch.Generator | Noise | None = None,
    on_step: OnStep | None = None,
) -> Images:
    """PGD on the Carlini-Wagner margin ("CW∞" of robustness tables). kappa: margin in logits at which it is content."""
    return pgd(
        model,
        x,
        y,
        ball,
        steps=steps,
        step_size=step_size,
        loss=partial(carlini_wagner, kappa=kappa),
        random_start=random_start,
        start=start,
        restarts=restarts,
        target=target,
        generator=generator,
        on_step=on_step,
    )
