"""Where a network's routes part: of one image along an attack, and of any two batches conv by conv.

Two routes of a conv are as far apart as their signals differ in the mean over filters, mean |ω' - ω|; where experts
are chosen, as the router's probabilities differ in total, ½·Σ|p' - p|. A block parts where a conv of it does. These
measures and the default threshold are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from robust_core.attacks import AttackSettings, Step, run
from robust_core.explain.borrowed import borrowed
from robust_core.models.experts import ExpertConv
from robust_core.types import Classifier, Route, Routing, Trace, UserError

PARTED = 0.05  # mean |Δω| of a conv from which on two routes count as parted: 5 % of a neutral filter


@dataclass(frozen=True, kw_only=True, eq=False)
class Way:
    """One image's route at every point of an attack, the last being the image the attack returns.

    x (1, C, H, W), clean_logits (1, K), clean: one row; images (S, C, H, W), logits (S, K), margin (S,), route: a row a
    point. index: the points' step numbers. margin is against y, below zero: misclassified.
    """

    settings: AttackSettings
    y: int
    target: int | None
    x: Float[Tensor, "1 c h w"]
    clean_logits: Float[Tensor, "1 k"]
    clean: Route
    index: tuple[int, ...]
    images: Float[Tensor, "s c h w"]
    logits: Float[Tensor, "s k"]
    margin: Float[Tensor, " s"]
    route: Route

    def at(self, point: int) -> Route:
        """The route at one point, as a batch of one."""
        rows = slice(len(self.index) - 1, None) if point == -1 else slice(point, point + 1)
        return self.route.map(lambda values: values[rows])


def follow(
    model: Classifier,
    x: Float[Tensor, "1 c h w"],
    y: int,
    settings: AttackSettings,
    *,
    target: int | None = None,
    most: int = 101,
    tick: Callable[[], None] | None = None,
) -> Way:
    """Attacks one image and keeps the route at each step; of more than `most` an even choice with both ends.

    tick is called at each point that is kept by the attack's report. Raises UserError where the network is static.
    """
    with torch.no_grad():
        clean = model.trace(x)
    check_dynamic(clean.route)
    way: list[Step] = []

    def keep(step: Step) -> None:
        way.append(step)
        if tick is not None:
            tick()

    run(settings, model, x, torch.tensor([y], device=x.device), target=target, on_step=keep)
    if len(way) > most:
        way = [way[int(i)] for i in torch.linspace(0, len(way) - 1, most).round()]
    return Way(
        settings=settings,
        y=y,
        target=target,
        x=x,
        clean_logits=clean.logits,
        clean=clean.route,
        index=tuple(step.index for step in way),
        images=torch.cat([step.x for step in way]),
        logits=torch.cat([step.logits for step in way]),
        margin=torch.cat([step.margin for step in way]),
        route=joined([step.route for step in way]),
    )


def check_dynamic(route: Route) -> None:
    """Raises UserError for the empty route of a static network."""
    if not route:
        raise UserError("this network is static: it takes one path for every image; choose an AW-Net or a mixture")


def joined(routes: list[Route]) -> Route:
    """Routes of several batches as one."""
    first = routes[0]
    types = [r.p_type for r in routes if r.p_type is not None]
    return Route(
        signals={name: torch.cat([r.signals[name] for r in routes]) for name in first.signals},
        p_type=torch.cat(types) if types else None,
        experts={name: torch.cat([r.experts[name] for r in routes]) for name in first.experts},
    )


def decisions(route: Route) -> dict[str, Tensor]:
    """What the router decided, by conv in the network's order: signals (N, filters) or P(expert) (N, experts)."""
    return {**route.signals, **route.experts}


def distances(before: Route, after: Route) -> dict[str, Float[Tensor, " n"]]:
    """By conv, how far two batches' routes lie apart, row by row (one of them may be a single row).

    Raises UserError where they are not of one network.
    """
    if list(decisions(before)) != list(decisions(after)):
        raise UserError(
            f"both routes must name the same convs; got {list(decisions(before))} and {list(decisions(after))}"
        )
    apart = {name: (after.signals[name] - signal).abs().mean(dim=1) for name, signal in before.signals.items()}
    return apart | {name: (after.experts[name] - p).abs().sum(dim=1) / 2 for name, p in before.experts.items()}


def block_of(conv: str) -> str:
    """ "layer1.0.conv2" belongs to "layer1.0"."""
    return conv.rpartition(".")[0] or conv


def blocks_of(route: Route) -> dict[str, tuple[str, ...]]:
    """The convs of each block, in the network's order."""
    blocks: dict[str, tuple[str, ...]] = {}
    for conv in decisions(route):
        blocks[block_of(conv)] = (*blocks.get(block_of(conv), ()), conv)
    return blocks


def parted(before: Route, after: Route, threshold: float = PARTED) -> dict[str, Bool[Tensor, " n"]]:
    """By block: do the routes differ there? Signals: a conv's mean |Δω| is above the threshold. Experts: another one
    is used."""
    apart = distances(before, after)
    differ = {name: apart[name] > threshold for name in before.signals}
    for name, p in before.experts.items():
        differ[name] = after.experts[name].argmax(dim=1) != p.argmax(dim=1)
    return {
        block: torch.stack([differ[conv] for conv in convs]).any(dim=0) for block, convs in blocks_of(before).items()
    }


def first_parting(before: Route, after: Route, threshold: float = PARTED) -> tuple[str | None, ...]:
    """Row by row the first block where the routes part; None where they never do."""
    by_block = parted(before, after, threshold)
    rows = len(next(iter(by_block.values()), ()))
    return tuple(next((block for block, rows_ in by_block.items() if bool(rows_[n])), None) for n in range(rows))


@dataclass(frozen=True, kw_only=True, eq=False)
class FilterView:
    """One filter (or expert) of a routed conv, on the clean image and on the adversarial one.

    signal: (2,), its factor on each, or the router's probability of the expert. weights: (C_in, 3, 3), None for an
    expert. response: (2, H, W), the conv's output after ω; of an expert the mean |output| of its filters, were it used.
    logits: (2, K) as routed; swapped: (2, K) with this filter's signal taken from the other image; of an expert: with
    this conv made to use it.
    """

    conv: str
    number: int
    signal: Float[Tensor, " two"]
    weights: Float[Tensor, "c k k"] | None
    response: Float[Tensor, "2 h w"]
    logits: Float[Tensor, "2 k"]
    swapped: Float[Tensor, "2 k"]


@torch.no_grad()
def look_at_filter(
    model: Classifier, x: Float[Tensor, "1 c h w"], x_adv: Float[Tensor, "1 c h w"], conv: str, number: int
) -> FilterView:
    """One filter of a routed conv. Hangs a hook on `model` while it runs: not for a net that others use at that time.

    Raises UserError for an unknown conv or number.
    """
    both = torch.cat([x, x_adv])
    own = model.trace(both)
    check_dynamic(own.route)
    chosen = decisions(own.route)
    if conv not in chosen:
        raise UserError(f"no routed conv {conv!r}; known: {', '.join(chosen)}")
    values = chosen[conv]
    if not 0 <= number < values.shape[1]:
        raise UserError(f"{conv} has {values.shape[1]} of them; {number} must lie in [0, {values.shape[1]})")
    if conv in own.route.experts:
        seen, output, _ = _with_output(model, both, conv, Routing(experts={conv: number}))
        response, swapped, weights = output.abs().mean(dim=1), seen.logits, None
    else:
        _, output, weight = _with_output(model, both, conv, None)
        response = output[:, number] * values[:, number, None, None]
        weights = weight[number]
        other = values.clone()
        other[:, number] = values.flip(0)[:, number]
        swapped = model.trace(both, routing=Routing(signals={conv: other})).logits
    return FilterView(
        conv=conv,
        number=number,
        signal=values[:, number],
        weights=weights,
        response=response,
        logits=own.logits,
        swapped=swapped,
    )


def _with_output(model: Classifier, x: Tensor, conv: str, routing: Routing | None) -> tuple[Trace, Tensor, Tensor]:
    """The trace, and the conv's own output in it."""
    module = routed_conv(model, conv)
    kept: list[Tensor] = []
    with borrowed(model):
        module.register_forward_hook(lambda _m, _i, output: kept.append(output.clone()))
        seen = model.trace(x, routing=routing)
    return seen, kept[0].float(), module.weight.float()


def routed_conv(model: Classifier, conv: str) -> nn.Conv2d:
    """The module that a route calls by this name. Raises UserError where there is none."""
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, ExpertConv)) and (name == conv or name.endswith(f".{conv}")):
            return module
    raise UserError(f"no conv {conv!r} in this network")


def chosen_experts(route: Route) -> dict[str, Int64[Tensor, " n"]]:
    """By conv the expert each image uses."""
    return {name: p.argmax(dim=1) for name, p in route.experts.items()}
