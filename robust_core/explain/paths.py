"""Paths of many images through a network, as route states block by block; and a map of their whole codes.

A route state is a cluster of a block's signals: our summary, the number of states being the reader's choice. Where
experts are chosen, the states are the experts' combinations that occur.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robust_core.explain.crowd import STILL, Crowd, is_constant
from robust_core.explain.routing import blocks_of, decisions
from robust_core.types import TYPES, Route, UserError


def route_states(
    values: Float[Tensor, "m f"], k: int, *, seed: int = 0, rounds: int = 50, starts: int = 4
) -> Int64[Tensor, " m"]:
    """k-means with k-means++ starts: the state of each row, 0 … k - 1, the best of `starts`; fewer where fewer rows
    differ. Source: Lloyd 1982; Arthur & Vassilvitskii 2007. Raises UserError for k below 1.
    """
    if k < 1:
        raise UserError(f"the number of route states must be 1 or more; got {k}")
    v = values.double()
    generator = torch.Generator().manual_seed(seed)
    best, best_cost = torch.zeros(len(v), dtype=torch.int64), float("inf")
    for _ in range(starts):
        centres = _spread_out(v, k, generator)
        for _round in range(rounds):
            state = torch.cdist(v, centres).argmin(dim=1)
            moved = torch.stack(
                [v[state == s].mean(dim=0) if bool((state == s).any()) else c for s, c in enumerate(centres)]
            )
            if torch.equal(moved, centres):
                break
            centres = moved
        cost = float((v - centres[state]).square().sum())
        if cost < best_cost:
            best, best_cost = state, cost
    numbered: Tensor = best.unique(return_inverse=True)[1]
    return numbered


def _spread_out(v: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Up to k of the rows, each drawn with the squared distance to those before it as weight."""
    rows = [int(torch.randint(len(v), (1,), generator=generator))]
    while len(rows) < k:
        gap = torch.cdist(v, v[rows]).amin(dim=1).square()
        if float(gap.max()) <= 1e-12:
            break
        rows.append(int(torch.multinomial(gap, 1, generator=generator)))
    return v[rows].clone()


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths:
    """2N rows (clean, then adversarial) through B blocks. state: (B, 2N); names: per block the name of each state.

    groups: (2N,), what the flows are coloured by, with group_names: the types, or the true classes.
    """

    blocks: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    state: Int64[Tensor, "b m"]
    groups: Int64[Tensor, " m"]
    group_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The rows that go from a state of block `block` to one of the next, of one group. rows: their numbers among 2N."""

    block: int
    source: int
    target: int
    group: int
    rows: tuple[int, ...]


def paths(crowd: Crowd, *, states: int = 3, by: str = "type", seed: int = 0) -> Paths:
    """The route state of every row in every block. by: "type" or "class". A block's states are numbered so that the
    first is the one with the largest share of clean rows.

    Raises UserError for an unknown `by`, and where the router is constant: then there is one path.
    """
    if by not in ("type", "class"):
        raise UserError(f"unknown grouping {by!r}; known: type, class")
    both = crowd.both
    if is_constant(both):
        raise UserError("the router decides the same for every image: there is one path, and no flow to draw")
    rows, names = [], []
    for convs in blocks_of(both).values():
        state, told = _states(both, convs, states, seed)
        state, told = _clean_first(state, told, crowd.types)
        rows.append(state)
        names.append(tuple(told))
    typed = by == "type"
    return Paths(
        blocks=tuple(blocks_of(both)),
        names=tuple(names),
        state=torch.stack(rows),
        groups=crowd.types if typed else crowd.classes,
        group_names=TYPES if typed else crowd.class_names,
    )


def _states(both: Route, convs: tuple[str, ...], k: int, seed: int) -> tuple[Tensor, list[str]]:
    if convs[0] in both.experts:
        used = torch.stack([both.experts[conv].argmax(dim=1) for conv in convs], dim=1)
        combos, state = used.unique(dim=0, return_inverse=True)
        return state, ["expert " + "+".join(map(str, combo.tolist())) for combo in combos]
    code = torch.cat([both.signals[conv] for conv in convs], dim=1)
    if float(code.std(dim=0, correction=0).max()) < STILL:
        return torch.zeros(len(code), dtype=torch.int64), ["constant"]
    state = route_states(code, k, seed=seed)
    return state, [""] * (int(state.max()) + 1)


def _clean_first(state: Tensor, told: list[str], types: Tensor) -> tuple[Tensor, list[str]]:
    share = torch.stack([types[state == s].double().mean() for s in range(len(told))])
    order = share.argsort(stable=True)
    return order.argsort()[state], [told[int(s)] or f"state {n + 1}" for n, s in enumerate(order)]


def flows(found: Paths) -> list[Flow]:
    """All flows between neighbouring blocks; those that leave a block are all its rows, and so are those that reach
    one. A network of one block has none."""
    made: list[Flow] = []
    for b in range(len(found.blocks) - 1):
        keys = torch.stack([found.state[b], found.state[b + 1], found.groups], dim=1)
        kinds, number = keys.unique(dim=0, return_inverse=True)
        for n, (source, target, group) in enumerate(kinds.tolist()):
            rows = tuple((number == n).nonzero()[:, 0].tolist())
            made.append(Flow(block=b, source=source, target=target, group=group, rows=rows))
    return made


@dataclass(frozen=True, kw_only=True, eq=False)
class CodeMap:
    """Route codes of 2N rows on their two main axes. points: (2N, 2); explained: the share of variance of each axis."""

    points: Float[Tensor, "m 2"]
    explained: tuple[float, float]


def code_map(crowd: Crowd) -> CodeMap:
    """PCA of the whole route code: all signals (or P(expert)) of an image side by side, and P(adversarial).

    The signs are fixed so that each axis' largest loading is positive. Raises UserError where the router is constant.
    """
    both = crowd.both
    if is_constant(both):
        raise UserError("the router decides the same for every image: all codes are one point")
    parts = list(decisions(both).values()) + ([] if both.p_type is None else [both.p_type[:, 1:]])
    code = torch.cat(parts, dim=1).double()
    code = code - code.mean(dim=0)
    axes, share = _main_axes(code)
    axes = axes * axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()
    points = code @ axes.T
    if points.shape[1] < 2:  # one number a code
        points = torch.cat([points, torch.zeros_like(points)], dim=1)
        share = torch.cat([share, torch.zeros_like(share)])
    return CodeMap(points=points.float(), explained=(float(share[0]), float(share[1])))


def _main_axes(code: Tensor) -> tuple[Tensor, Tensor]:
    """Up to two unit vectors and their shares of variance, by way of the smaller of the two Gram matrices."""
    wide = code.shape[1] > len(code)
    lengths, vectors = torch.linalg.eigh(code @ code.T if wide else code.T @ code)
    top = vectors[:, -2:].flip(1)
    axes = (code.T @ top if wide else top).T
    axes = axes / axes.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return axes, lengths.clamp_min(0)[-2:].flip(0) / lengths.clamp_min(0).sum()
