"""Routes of many images: paths as a Sankey diagram, codes as a map, shares of variance, class means, experts' load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from robust_core.charts.route_maps import FAINT, diverging
from robust_core.charts.series import counted_in_percents, in_percents, numbers
from robust_core.charts.theme import LIGHT, Theme, axis, faded, figure, label, note, share_axis
from robust_core.evaluation.measures import in_percent
from robust_core.explain.crowd import Shares
from robust_core.explain.paths import CodeMap, Paths, flows
from robust_core.types import TYPES, UserError

SYMBOLS = ("circle", "x", "square", "diamond", "triangle-up", "cross", "star", "pentagon", "triangle-down", "hexagon")


def group_colours(names: Sequence[str], look: Theme) -> list[str]:
    """One colour a group: blue and vermilion for the two types, the theme's categories for classes, in turn."""
    if tuple(names) == TYPES:
        return [look.clean, look.adversarial]
    every = (*look.categories, look.clean, look.adversarial)
    return [every[n % len(every)] for n in range(len(names))]


def sankey(found: Paths, *, look: Theme = LIGHT, height: int = 380) -> go.Figure:
    """Images flowing from block to block between route states; a ribbon's height counts them, its colour is its group.

    Nodes are named "block: state (images)"; hovering tells the ribbon's.
    """
    place, names, xs = _nodes(found)
    made = flows(found)
    colours = group_colours(found.group_names, look)
    told = [
        f"{len(f.rows)} × {label(found.group_names[f.group])}<br>{label(found.blocks[f.block])} "
        f"{found.names[f.block][f.source]} → {label(found.blocks[f.block + 1])} {found.names[f.block + 1][f.target]}"
        for f in made
    ]
    n = found.state.shape[1]
    heads = ", ".join(f"{b} in {len(s)} states" for b, s in zip(found.blocks, found.names, strict=True))
    chart = figure(look, height=height, alt=f"Paths of {n} images through {len(found.blocks)} blocks: {heads}.")
    chart.add_trace(
        go.Sankey(
            arrangement="fixed",
            node={
                "label": names,
                "x": xs,
                "y": _heights(found, place),
                "pad": 16,
                "thickness": 14,
                "line": {"width": 0},
                "color": [look.muted] * len(names),
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": [place[f.block, f.source] for f in made],
                "target": [place[f.block + 1, f.target] for f in made],
                "value": [len(f.rows) for f in made],
                "color": [faded(colours[f.group], 0.5) for f in made],
                "customdata": told,
                "hovertemplate": "%{customdata}<extra></extra>",
            },
        )
    )
    if len(found.blocks) < 2:
        chart.add_annotation(note(look, "one block only: nothing flows", xref="paper", yref="paper", x=0, y=1))
    return chart


def _nodes(found: Paths) -> tuple[dict[tuple[int, int], int], list[str], list[float]]:
    place: dict[tuple[int, int], int] = {}
    names: list[str] = []
    xs: list[float] = []
    last = max(len(found.blocks) - 1, 1)
    for b, states in enumerate(found.names):
        counts = np.bincount(found.state[b].numpy(), minlength=len(states))
        for s, name in enumerate(states):
            place[b, s] = len(names)
            names.append(f"{label(found.blocks[b])}: {label(name)} ({counts[s]})")
            xs.append(0.001 + 0.998 * b / last)
    return place, names, xs


def _heights(found: Paths, place: Mapping[tuple[int, int], int]) -> list[float]:
    """Where each node's middle stands, from above: its states in order, by their counts."""
    ys = [0.0] * len(place)
    for b, states in enumerate(found.names):
        counts = np.bincount(found.state[b].numpy(), minlength=len(states)) / found.state.shape[1]
        for s in range(len(states)):
            ys[place[b, s]] = min(0.999, max(0.001, 0.92 * float(counts[:s].sum() + counts[s] / 2) + 0.04))
    return ys


def code_map(
    found: CodeMap,
    groups: ArrayLike,
    group_names: Sequence[str],
    *,
    index: ArrayLike | None = None,
    look: Theme = LIGHT,
    height: int = 460,
) -> go.Figure:
    """Route codes as points on their two main axes, one unit on both. groups: (2N,) into group_names; index: (2N,) the
    images' numbers, for the hover. Groups differ by mark, too."""
    points = numbers(found.points.numpy())
    of = np.asarray(groups)
    numbers_ = np.arange(len(of)) if index is None else np.asarray(index)
    if len(of) != len(points):
        raise UserError(f"one group a point: {len(points)} points, {len(of)} groups")
    colours = group_colours(group_names, look)
    shares = [in_percent(float(share), whole=True) for share in found.explained]
    centres = []
    chart = figure(look, height=height, alt="", margin_t=34)
    for g, name in enumerate(group_names):
        rows = np.flatnonzero(of == g)
        if not len(rows):
            continue
        x, y = points[rows, 0], points[rows, 1]
        centres.append(f"{name} {len(rows)} around ({x.mean():.2f}, {y.mean():.2f})")
        chart.add_trace(
            go.Scatter(
                name=f"{label(name)} ({len(rows)})",
                x=x,
                y=y,
                mode="markers",
                marker={"size": 6, "opacity": 0.6, "color": colours[g], "symbol": SYMBOLS[g % len(SYMBOLS)]},
                customdata=np.stack([numbers_[rows], rows], axis=1),
                hovertemplate=f"{label(name)}, image %{{customdata[0]}}<extra></extra>",
            )
        )
    chart.layout.meta = {"alt": f"Map of {len(points)} route codes: {'; '.join(centres)}."}
    chart.update_xaxes(axis(look, f"first axis, {shares[0]} of the variance", zeroline=False))
    chart.update_yaxes(axis(look, f"second axis, {shares[1]}", scaleanchor="x", constrain="domain"))
    return chart


def variance_shares(shares: Mapping[str, Shares], *, look: Theme = LIGHT) -> go.Figure:
    """A bar a conv: what its signals vary with, the type, the class within a type, or neither. Bars are 100 % long."""
    rows = list(range(len(shares)))
    parts: tuple[tuple[str, str, list[float]], ...] = (
        ("clean or adversarial", look.adversarial, [s.types for s in shares.values()]),
        ("class, within a type", look.categories[0], [s.classes for s in shares.values()]),
        ("image, within a class", look.grid, [s.within for s in shares.values()]),
    )
    said = "; ".join(
        f"{n} {in_percent(s.types, whole=True)} type, {in_percent(s.classes, whole=True)} class"
        if np.isfinite(s.types)
        else f"{n} constant"
        for n, s in shares.items()
    )
    chart = figure(
        look, height=84 + 26 * len(rows), alt=f"Shares of signal variance: {said}.", barmode="stack", margin_t=34
    )
    for name, colour, values in parts:
        finite = [v if np.isfinite(v) else 0.0 for v in values]
        chart.add_trace(
            go.Bar(
                orientation="h",
                name=name,
                x=finite,
                y=rows,
                width=0.66,
                marker={"color": colour, "line": {"width": 0}},
                text=[in_percent(v, whole=True) if v >= 0.06 else "" for v in finite],
                textposition="inside",
                insidetextanchor="middle",
                constraintext="none",
                textfont={"size": 11, "color": look.ink if colour == look.grid else look.page},
                textangle=0,
                hovertext=in_percents(numbers(finite)),
                hovertemplate=f"{name} %{{hovertext}}<extra></extra>",
            )
        )
    for row, s in zip(rows, shares.values(), strict=True):
        if not np.isfinite(s.types):
            chart.add_annotation(note(look, "constant: the same for every image", x=0.01, y=row, yanchor="middle"))
    chart.update_xaxes(share_axis(look, "share of the signals' variance", range=[0, 1]))
    chart.update_yaxes(_rows(look, list(shares)))
    return chart


def class_signals(
    means: ArrayLike, class_names: Sequence[str], *, neutral: float = 1.0, look: Theme = LIGHT
) -> go.Figure:
    """Mean signals (2, K, F) of one conv: a row a class, a column a filter, clean beside adversarial, on one scale.

    Filters are ordered by how much their clean class means differ. A class without images is left empty.
    """
    values = numbers(means) - neutral
    order = np.argsort(-np.nan_to_num(np.nanmax(values[0], axis=0) - np.nanmin(values[0], axis=0)), kind="stable")
    top = max(float(np.nanmax(np.abs(values), initial=0.0)), FAINT)
    chart = figure(
        look,
        height=90 + 20 * len(class_names),
        alt=f"Mean signals of {len(class_names)} classes, clean and adversarial, within {top:.2f} of {neutral:g}.",
        margin_t=30,
    )
    for n, name in enumerate(TYPES):
        suffix = "" if n == 0 else "2"
        left = 0.0 if n == 0 else 0.52
        z = values[n][:, order]
        words = [[f"{label(k)}<br>filter {f}" for f in order] for k in class_names]
        chart.add_trace(
            go.Heatmap(
                z=[[float(v) if np.isfinite(v) else None for v in row] for row in z],
                customdata=words,
                hovertemplate=f"%{{customdata}}: {neutral:g} + %{{z:.3f}}<extra>{name}</extra>",
                zmin=-top,
                zmax=top,
                colorscale=diverging(look),
                showscale=False,
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
            )
        )
        across = axis(look, "filters, those that tell classes apart first", showgrid=False, showticklabels=False)
        down = _rows(look, class_names) | {"showticklabels": n == 0, "anchor": f"x{suffix}"}
        chart.update_layout({f"xaxis{suffix}": across | {"domain": [left, left + 0.48]}, f"yaxis{suffix}": down})
        told = f"<b>{name}</b>  <span style='color:{look.muted}'>{neutral - top:.2f} … {neutral + top:.2f}</span>"
        chart.add_annotation(
            note(look, told, xref="paper", yref="paper", x=left, y=1, yanchor="bottom", yshift=4)
            | {"font": {"size": 12, "color": look.ink}}
        )
    return chart


def expert_load(
    clean: Mapping[str, ArrayLike], adversarial: Mapping[str, ArrayLike], *, look: Theme = LIGHT
) -> go.Figure:
    """Share of the images each expert takes, conv by conv: the upper bar of a pair clean, the lower adversarial.

    A bar of one colour is a collapse. Raises UserError where the two are not of one network.
    """
    if list(clean) != list(adversarial):
        raise UserError(f"both loads must name the same convs; got {list(clean)} and {list(adversarial)}")
    experts = max((len(numbers(share)) for share in clean.values()), default=0)
    said = "; ".join(f"{n} {', '.join(counted_in_percents(numbers(s)))}" for n, s in clean.items())
    chart = figure(
        look,
        height=84 + 40 * len(clean),
        alt=f"Clean images by expert: {said}.",
        barmode="stack",
        margin_t=34,
        legend_traceorder="normal",
    )
    for e in range(experts):
        xs, ys, words = [], [], []
        for row, name in enumerate(clean):
            for word, load, shift in (("clean", clean, -0.19), ("adversarial", adversarial, 0.19)):
                share = numbers(load[name])
                xs.append(float(share[e]) if e < len(share) else 0.0)
                ys.append(row + shift)
                words.append(f"{label(name)}, {word}<br>expert {e}: {in_percent(xs[-1])}")
        chart.add_trace(
            go.Bar(
                orientation="h",
                name=f"expert {e}",
                x=xs,
                y=ys,
                width=0.34,
                marker={"color": look.categories[e % len(look.categories)], "line": {"width": 0}},
                customdata=words,
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    chart.update_xaxes(share_axis(look, "share of the images (above clean, below adversarial)", range=[0, 1]))
    chart.update_yaxes(_rows(look, list(clean)))
    return chart


def _rows(look: Theme, names: Sequence[str]) -> dict[str, Any]:
    return axis(
        look,
        tickvals=list(range(len(names))),
        ticktext=[label(n) for n in names],
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        ticklabelstandoff=6,
    )
