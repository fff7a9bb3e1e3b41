"""Auto-PGD: projected gradient ascent with momentum that sets its own step size.

Source: Croce & Hein 2020 ("Reliable evaluation of adversarial robustness ..."), algorithm 1, with its DLR losses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from robust_core.attacks.balls import Ball, per_image
from robust_core.attacks.gradient import starting_noise
from robust_core.attacks.losses import targeted_logits_ratio
from robust_core.attacks.noise import Noise
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

MOMENTUM = 0.75  # share of the new direction, α of the paper
RISES = 0.75  # share of the steps since the last checkpoint that must have raised the loss, ρ of the paper


def checkpoints(steps: int) -> list[int]:
    """The steps after which the step size is judged: p_0 = 0, p_1 = 0.22, gaps that shrink by 0.03 down to 0.06."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    # Sums such as 0.22 + 0.19 may come out a last bit too high: rounded before they are rounded up.
    return sorted({math.ceil(round(p * steps, 9)) for p in shares if 0 < p <= 1})


def apgd(
    model: nn.Module,
    x: Images,
    y: Classes,
    ball: Ball,
    *,
    loss: str = "ce",
    steps: int = 100,
    restarts: int = 1,
    targets: int = 9,
    random_start: bool = True,
    until_fooled: bool = False,
    target: Classes | None = None,
    generator: torch.Generator | Noise | None = None,
    on_step: OnStep | None = None,
) -> Images:
    """The best point of each image's way: of those that fool, or else of all, the one of the highest loss.

    loss: "ce", "dlr", or "dlr_t", the targeted DLR. Without a `target`, "dlr_t" makes one attempt for each of the
    `targets` (at most K - 1) other classes the clean image is nearest to, and any wrong class counts. restarts: random
    starts at most (of each of those). until_fooled: an image that is fooled climbs no further than the next checkpoint
    of its step size; as many are fooled, in less time, but not all as badly. It is not for on_step, which sees the
    steps + 1 points visited, but for the last: that is the point returned.
    Raises UserError for settings out of range, too few classes, or a random start with no generator.
    """
    if steps < 1 or restarts < 1 or targets < 1:
        raise UserError(f"steps, restarts and targets must be ≥ 1; got {steps}, {restarts}, {targets}")
    if restarts > 1 and not random_start:
        raise UserError(f"restarts={restarts} without a random start repeats one attack; set random_start=True")
    noise = starting_noise(random_start, generator, x)
    goals = _nearest_classes(model, x, y, targets) if loss == "dlr_t" and target is None else None
    attempts_a_start = 1 if goals is None else goals.shape[1]

    def attempt(rows: Rows, number: int, watch: OnStep | None) -> Outcome:
        xs, ys, part = x[rows], y[rows], ball.of(rows)
        wanted = None if target is None else target[rows]
        towards = wanted if goals is None else goals[rows, number % attempts_a_start]

        def objective(left: Rows) -> Objective:
            if loss == "dlr_t" and towards is not None:
                ratio = partial(targeted_logits_ratio, y=ys[left], target=towards[left])
                return lambda seen: ratio(seen.logits)
            return aim(ys[left], None if wanted is None else wanted[left], loss)

        start = xs if noise is None else part.random(xs, noise.of(rows), draw=number // attempts_a_start)
        return _auto_pgd(model, xs, ys, wanted, start, part, objective, steps, until_fooled, watch)

    return best_of(restarts * attempts_a_start, attempt, len(x), x.device, on_step)


def _nearest_classes(model: nn.Module, x: Images, y: Classes, count: int) -> Classes:
    """(N, count): the classes other than y, from the highest logit down."""
    with torch.no_grad():
        logits = model(x)
    if logits.shape[1] < 4:
        raise UserError(f"the targeted DLR loss needs 4 classes or more; this network has {logits.shape[1]}")
    others = logits.scatter(1, y[:, None], float("-inf"))
    nearest: Classes = others.topk(min(count, logits.shape[1] - 1), dim=1).indices
    return nearest


def _auto_pgd(
    model: nn.Module,
    x: Images,
    y: Classes,
    target: Classes | None,
    start: Images,
    ball: Ball,
    objective: Callable[[Rows], Objective],
    steps: int,
    until_fooled: bool,
    on_step: OnStep | None,
) -> Outcome:
    rows, goal, wanted = torch.arange(len(x), device=x.device), objective(slice(None)), target
    project, judged = ball.around(x), set(checkpoints(steps))
    pace = Pace(2 * ball.radius(x).flatten())
    point, before = start, start
    gradient, loss, logits = climb(model, point, y, goal, index=0, on_step=on_step)
    peak, peak_gradient = Outcome(point, loss, fooled(logits, y, target)), gradient
    whole = kept = peak
    pace.begin(loss)
    for index in range(1, steps + 1):
        ahead = project(point + per_image(pace.size) * ball.ascend(gradient))
        if index > 1:
            ahead = project(point + MOMENTUM * (ahead - point) + (1 - MOMENTUM) * (point - before))
        before, point = point, ahead
        if index < steps:
            gradient, now, logits = climb(model, point, y[rows], goal, index=index, on_step=on_step)
        else:
            with torch.no_grad():
                seen = trace(model, point)
                now, logits = goal(seen), seen.logits
        last, loss = loss, now
        here = Outcome(point, loss, fooled(logits, y[rows], wanted))
        kept = here.where(here.beats(kept), kept)
        higher = loss > peak.loss
        peak, peak_gradient = here.where(higher, peak), torch.where(per_image(higher), gradient, peak_gradient)
        pace.note(loss > last)
        if index in judged and index < steps:
            back = per_image(pace.judge(peak.loss))
            point, gradient = torch.where(back, peak.x, point), torch.where(back, peak_gradient, gradient)
            loss = torch.where(back.flatten(), peak.loss, loss)
            if until_fooled and on_step is None and bool(kept.fooled.any()):
                whole, left = whole.put(rows, kept), (~kept.fooled).nonzero()[:, 0]
                rows, kept, peak, pace = rows[left], kept.of(left), peak.of(left), pace.of(left)
                if not len(rows):
                    break
                point, before, gradient, peak_gradient = (t[left] for t in (point, before, gradient, peak_gradient))
                loss, wanted = loss[left], None if target is None else target[rows]
                project, goal = ball.of(rows).around(x[rows]), objective(rows)
    kept = whole.put(rows, kept)
    if on_step is not None:
        look(model, kept.x, y, goal, steps, on_step)
    return kept


class Pace:
    """The step size of every image, halved where the last stretch brought too little."""

    def __init__(self, size: Float[Tensor, " n"]) -> None:
        self.size = size
        self.rises = torch.zeros_like(size)
        self.taken = 0
        self.halved = torch.zeros_like(size, dtype=torch.bool)

    def begin(self, peak: Float[Tensor, " n"]) -> None:
        self.peak = peak

    def note(self, rose: Bool[Tensor, " n"]) -> None:
        self.rises = self.rises + rose
        self.taken += 1

    def of(self, rows: Int64[Tensor, " m"]) -> Pace:
        """The pace of some of the images."""
        part = Pace(self.size[rows])
        part.peak, part.rises, part.halved = self.peak[rows], self.rises[rows], self.halved[rows]
        part.taken = self.taken
        return part

    def judge(self, peak: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """At a checkpoint: which images go back to their peak with half the step. Conditions 1 and 2 of the paper."""
        few_rises = self.rises < RISES * self.taken
        stuck = ~self.halved & (peak <= self.peak)
        self.halved = few_rises | stuck
        self.size = torch.where(self.halved, self.size / 2, self.size)
        self.peak, self.rises, self.taken = peak, torch.zeros_like(self.size), 0
        return self.halved
