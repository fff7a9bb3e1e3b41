"""What every attack shares: a point on its way, the gradient at it, whether it fools, the best of several attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from robust_core.attacks.losses import LOSSES, AttackLoss, margin
from robust_core.types import Route, Trace, trace

Images = Float[Tensor, "n c h w"]
Classes = Int64[Tensor, " n"]
Objective = Callable[[Trace], Tensor]  # the loss per image that an attack climbs
Rows = Int64[Tensor, " m"] | slice  # some images of a batch; slice(None) is all of them


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One point of an attack's way; the last one is the image the attack returns.

    index counts steps (Square: queries); where there is a random start, point 0 is that, not the clean image.
    x: the images at this point. loss: what the attack climbs. margin: z_y - max of the others (against the true class).
    """

    index: int
    x: Images
    logits: Float[Tensor, "n k"]
    loss: Float[Tensor, " n"]
    margin: Float[Tensor, " n"]
    route: Route


OnStep = Callable[[Step], None]


def fooled(logits: Float[Tensor, "n k"], y: Classes, target: Classes | None = None) -> Bool[Tensor, " n"]:
    """Has the attacker reached its aim: any wrong class, or the target?"""
    predicted = logits.argmax(dim=1)
    return predicted != y if target is None else predicted == target


def aim(y: Classes, target: Classes | None, loss: AttackLoss | str) -> Objective:
    """A loss on the logits, with its classes bound."""
    chosen = LOSSES[loss] if isinstance(loss, str) else loss
    bound = partial(chosen, classes=y if target is None else target, targeted=target is not None)
    return lambda seen: bound(seen.logits)


def climb(
    model: nn.Module, x: Images, y: Classes, objective: Objective, *, index: int = 0, on_step: OnStep | None = None
) -> tuple[Images, Float[Tensor, " n"], Float[Tensor, "n k"]]:
    """The gradient of the objective at x, its value, and the logits there; reports the point to on_step."""
    point = x.detach().requires_grad_()
    with torch.enable_grad():
        seen = trace(model, point)
        loss = objective(seen)
        (gradient,) = torch.autograd.grad(loss.sum(), point)
    loss, logits = loss.detach(), seen.logits.detach()
    if on_step is not None:
        on_step(_step(index, x, logits, loss, y, seen.route))
    return gradient, loss, logits


def look(model: nn.Module, x: Images, y: Classes, objective: Objective, index: int, on_step: OnStep) -> None:
    """Reports a point that needs no gradient any more: the end of the way."""
    with torch.no_grad():
        seen = trace(model, x)
        on_step(_step(index, x, seen.logits, objective(seen), y, seen.route))


def _step(index: int, x: Images, logits: Tensor, loss: Tensor, y: Classes, route: Route) -> Step:
    route = route.map(Tensor.detach)
    return Step(index=index, x=x.detach(), logits=logits, loss=loss, margin=margin(logits, y), route=route)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Where an attempt ended. loss: what it climbed, there."""

    x: Images
    loss: Float[Tensor, " n"]
    fooled: Bool[Tensor, " n"]

    def beats(self, other: Outcome) -> Bool[Tensor, " n"]:
        """Fooling counts first, then the higher loss."""
        return (self.fooled & ~other.fooled) | ((self.fooled == other.fooled) & (self.loss > other.loss))

    def where(self, rows: Bool[Tensor, " n"], other: Outcome) -> Outcome:
        """This outcome in the rows that are set, the other elsewhere."""
        return Outcome(
            torch.where(rows[:, None, None, None], self.x, other.x),
            torch.where(rows, self.loss, other.loss),
            torch.where(rows, self.fooled, other.fooled),
        )

    def of(self, rows: Int64[Tensor, " m"]) -> Outcome:
        return Outcome(self.x[rows], self.loss[rows], self.fooled[rows])

    def put(self, rows: Int64[Tensor, " m"], part: Outcome) -> Outcome:
        """This outcome with some rows replaced."""
        return Outcome(
            self.x.index_copy(0, rows, part.x),
            self.loss.index_copy(0, rows, part.loss),
            self.fooled.index_copy(0, rows, part.fooled),
        )


Attempt = Callable[[Rows, int, OnStep | None], Outcome]


def best_of(attempts: int, attempt: Attempt, n: int, device: torch.device, on_step: OnStep | None) -> Images:
    """Makes up to `attempts` attempts on the images not yet fooled and keeps for each image its best.

    attempt(rows, number, on_step) attacks the images of those rows. on_step is told, once all is done, the way of the
    attempt that was kept, image by image.
    """
    todo = torch.arange(n, device=device)
    way: list[Step] = []
    kept = attempt(todo, 0, way.append if on_step else None)
    for number in range(1, attempts):
        todo = (~kept.fooled).nonzero()[:, 0]
        if not len(todo):
            break
        part: list[Step] = []
        new, old = attempt(todo, number, part.append if on_step else None), kept.of(todo)
        better = new.beats(old)
        kept = kept.put(todo, new.where(better, old))
        way = [_spliced(a, b, todo[better], better) for a, b in zip(way, part, strict=True)] if on_step else way
    if on_step is not None:
        for step in way:
            on_step(step)
    return kept.x


def _spliced(whole: Step, part: Step, rows: Tensor, chosen: Tensor) -> Step:
    """`whole` with the chosen images of `part` in its rows."""

    def put(into: Tensor, values: Tensor) -> Tensor:
        return into.index_copy(0, rows, values[chosen])

    types = whole.route.p_type, part.route.p_type
    return Step(
        index=whole.index,
        x=put(whole.x, part.x),
        logits=put(whole.logits, part.logits),
        loss=put(whole.loss, part.loss),
        margin=put(whole.margin, part.margin),
        route=Route(
            signals={name: put(signal, part.route.signals[name]) for name, signal in whole.route.signals.items()},
            p_type=None if types[0] is None or types[1] is None else put(types[0], types[1]),
            experts={name: put(share, part.route.experts[name]) for name, share in whole.route.experts.items()},
        ),
    )
