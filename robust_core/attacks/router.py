"""Attacks that know the router: an attack on a dynamic network counts only if it knows the defence.

Each is PGD on something that involves the route. The end-to-end attacks (PGD, APGD, ...) already differentiate through
the router; these aim at it. Source: the rules of Tramèr et al. 2020 for adaptive attacks.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from robust_core.attacks.balls import Ball
from robust_core.attacks.gradient import pgd
from robust_core.attacks.steps import Classes, Images, Objective, OnStep, Rows, Step, aim, look
from robust_core.routed import Routed
from robust_core.types import TYPES, Classifier, Route, Routing, TypeName, UserError, trace

RouterAim = Literal["clean", "adversarial", "type", "signals"]


def router_pgd(
    model: nn.Module,
    x: Images,
    y: Classes,
    ball: Ball,
    *,
    towards: RouterAim,
    route_weight: float = 1.0,
    loss: str = "ce",
    target: Classes | None = None,
    **settings: Any,
) -> Images:
    """PGD that steers the router. The remaining settings are pgd's.

    towards: "clean" or "adversarial" climbs CE + λ·log P(that type): wrong, and routed there; λ is route_weight.
    "type" climbs -log P(the type the untouched image is taken for), "signals" the squared distance of the signals (of a
    mixture of experts, of the experts' probabilities) from the untouched image's; both leave the class alone.
    Raises UserError for a network without a router, or without what is steered.
    """
    own = _untouched(model, x)
    if towards != "signals" and own.p_type is None:
        raise UserError(f"this network tells no types, so its router cannot be steered towards {towards!r}")
    if towards == "signals" and not (own.signals or own.experts):
        raise UserError("this network's router gives no signals to move")

    def objective(rows: Rows) -> Objective:
        before = own.map(lambda values: values[rows])
        if towards == "signals":
            return lambda seen: _moved(seen.route, before)
        if towards == "type":
            assert before.p_type is not None
            taken = before.p_type.argmax(dim=1)
            return lambda seen: -log_type(seen.route, taken)
        wrong = aim(y[rows], None if target is None else target[rows], loss)
        column = torch.full_like(y[rows], TYPES.index(towards))
        return lambda seen: wrong(seen) + route_weight * log_type(seen.route, column)

    return pgd(model, x, y, ball, objective=objective, target=target, **settings)


def path_pgd(
    model: nn.Module,
    x: Images,
    y: Classes,
    ball: Ball,
    *,
    path: TypeName,
    target: Classes | None = None,
    on_step: OnStep | None = None,
    **settings: Any,
) -> Images:
    """PGD on the network with its route held to one type; what it makes is meant for the free network, which judges
    the restarts.

    on_step sees the free network's answer and route at each point. The remaining settings are pgd's.
    """
    if _untouched(model, x[:1]).p_type is None:
        raise UserError("this network tells no types, so its path cannot be held to one")
    assert isinstance(model, Classifier)
    climbed = aim(y, target, "ce")

    def report(step: Step) -> None:
        if on_step is not None:
            look(model, step.x, y, climbed, step.index, on_step)

    held = Routed(model, Routing(p_type=path))
    return pgd(held, x, y, ball, target=target, judge=model, on_step=report if on_step else None, **settings)


def _untouched(model: nn.Module, x: Images) -> Route:
    """The route of the images as they are. Raises UserError where there is none."""
    with torch.no_grad():
        route = trace(model, x).route
    if not route:
        raise UserError("this network is static: it has no router to attack; choose an AW-Net or a mixture of experts")
    return route


def log_type(route: Route, types: Classes) -> Tensor:
    """log P(type) of each image, for the row of TYPES given for it; (N,)."""
    assert route.p_type is not None
    chosen: Tensor = route.p_type.gather(1, types[:, None])[:, 0]
    return chosen.clamp_min(torch.finfo(chosen.dtype).tiny).log()


def _moved(route: Route, before: Route) -> Tensor:
    """Squared distance of two routes, summed over all convs; (N,)."""
    now, then = ({**r.signals, **r.experts} for r in (route, before))
    return torch.stack([(now[name] - then[name]).square().sum(dim=1) for name in now]).sum(dim=0)
