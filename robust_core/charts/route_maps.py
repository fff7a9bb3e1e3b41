"""A route as heat maps: filter by filter clean against adversarial, and conv by conv over an attack's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from robust_core.charts.series import in_percents, numbers
from robust_core.charts.theme import LIGHT, Theme, axis, figure, label, mixed, note, share_axis
from robust_core.explain.routing import Way, distances
from robust_core.types import UserError

Order = Literal["change", "index"]
FAINT = 0.02  # change of ω up to which no map takes its full colour: below half of PARTED nothing must look turned
ROW = 26  # px a conv
WIDTH = 0.29  # of the figure, each of three maps


def signal_maps(
    clean: Mapping[str, ArrayLike],
    adversarial: Mapping[str, ArrayLike],
    *,
    order: Order = "change",
    neutral: float = 1.0,
    look: Theme = LIGHT,
) -> go.Figure:
    """Three maps side by side, a row a conv, a cell a filter: clean, adversarial, difference.

    clean, adversarial: by conv (filters,); neutral: the value of the palest colour, 1 for signals, 0 for P(expert).
    order: "change" puts a conv's most changed filters first, in all three maps alike; "index" leaves them. The first
    two maps share one scale, the difference has its own, neither below ±FAINT. Raises UserError where the routes do
    not fit each other.
    """
    if list(clean) != list(adversarial) or any(np.shape(clean[n]) != np.shape(adversarial[n]) for n in clean):
        raise UserError(f"both routes must be of one network; got {list(clean)} and {list(adversarial)}")
    if order not in ("change", "index"):
        raise UserError(f"unknown order {order!r}; known: change, index")
    before, after = ({n: numbers(r[n]) for n in r} for r in (clean, adversarial))
    places = {n: change_order(after[n] - before[n]) if order == "change" else np.arange(len(before[n])) for n in before}
    maps = [
        {n: before[n][places[n]] - neutral for n in before},
        {n: after[n][places[n]] - neutral for n in before},
        {n: (after[n] - before[n])[places[n]] for n in before},
    ]
    own, change = _reach([*maps[0].values(), *maps[1].values()]), _reach(list(maps[2].values()))
    chart = figure(look, height=92 + ROW * len(before), alt=_alt(before, after, order), margin_t=30, margin_b=52)
    for n, (rows, title, top) in enumerate(
        zip(maps, ("clean", "adversarial", "adversarial − clean"), (own, own, change), strict=True)
    ):
        _map(chart, n, rows, places, title, top, neutral if n < 2 else 0.0, look)
    across = "filters, most changed first" if order == "change" else "filters, by index"
    chart.update_xaxes(axis(look, across, showgrid=False, showticklabels=False))
    if not before:
        chart.add_annotation(note(look, "this network has no signals", xref="paper", yref="paper", x=0, y=1))
    return chart


def change_order(change: NDArray[np.floating]) -> NDArray[np.int64]:
    """Places of a conv's filters from the most changed to the least; equal ones by index."""
    return np.argsort(-np.abs(np.nan_to_num(change)), kind="stable")


def _map(
    chart: go.Figure,
    n: int,
    rows: Mapping[str, NDArray[np.float64]],
    places: Mapping[str, NDArray[np.int64]],
    title: str,
    top: float,
    neutral: float,
    look: Theme,
) -> None:
    longest = max((len(v) for v in rows.values()), default=0)
    # Convs have different numbers of filters: each row is stretched to the map's whole width.
    columns = np.floor(np.linspace(0, 1, max(longest, 1), endpoint=False)[None] * [[len(v)] for v in rows.values()])
    cells = columns.astype(int) if len(rows) else np.zeros((0, 0), dtype=int)
    values = [v[c] for v, c in zip(rows.values(), cells, strict=True)]
    words = [
        [f"{label(name)}<br>filter {places[name][c]}: {v[c] + neutral:.3f}" for c in row]
        for (name, v), row in zip(rows.items(), cells, strict=True)
    ]
    suffix = "" if n == 0 else str(n + 1)
    left = n * (WIDTH + (1 - 3 * WIDTH) / 2)
    chart.add_trace(
        go.Heatmap(
            z=[[float(x) if np.isfinite(x) else None for x in row] for row in values],
            customdata=words,
            hovertemplate="%{customdata}<extra></extra>",
            zmin=-top,
            zmax=top,
            colorscale=diverging(look),
            showscale=False,
            ygap=3,
            xaxis=f"x{suffix}",
            yaxis=f"y{suffix}",
        )
    )
    named: dict[str, Any] = {"tickvals": list(range(len(rows))), "ticktext": [label(name) for name in rows]}
    settings = axis(look, range=[len(rows) - 0.5, -0.5], showgrid=False, **named)
    chart.update_layout(
        {
            f"xaxis{suffix}": {"domain": [left, left + WIDTH], "anchor": f"y{suffix}"},
            f"yaxis{suffix}": settings | {"anchor": f"x{suffix}", "showticklabels": n == 0},
        }
    )
    ends = f"{neutral - top:.2f} … {neutral + top:.2f}" if n < 2 else f"±{top:.3g}"
    told = f"<b>{title}</b>  <span style='color:{look.muted}'>{ends}</span>"
    chart.add_annotation(
        note(look, told, xref="paper", yref="paper", x=left, y=1, yanchor="bottom", yshift=4)
        | {"font": {"size": 12, "color": look.ink}}
    )


def route_over_steps(way: Way, *, look: Theme = LIGHT) -> go.Figure:
    """How far the route is from the clean one, conv by conv (down) and step by step (across), with P(adversarial).

    Distances as in `explain.distances`: mean |Δω|, or the total variation of P(expert).
    """
    apart = distances(way.clean, way.route)
    z = np.array([values.numpy() for values in apart.values()], dtype=np.float64)
    top = max(float(np.nanmax(z, initial=0.0)), FAINT)
    first = ", ".join(f"{name} {row[0]:.3f} → {row[-1]:.3f}" for name, row in zip(apart, z, strict=True))
    typed = way.route.p_type is not None
    chart = figure(
        look,
        height=90 + ROW * len(z) + (70 if typed else 0),
        alt=f"Distance of the route from the clean image's, first to last step: {first}.",
        showlegend=False,
    )
    chart.add_trace(
        go.Heatmap(
            x=list(way.index),
            z=[[float(v) if np.isfinite(v) else None for v in row] for row in z],
            zmin=0,
            zmax=top,
            colorscale=[[0, mixed(look.adversarial, look.page, 0.06)], [1, look.adversarial]],
            ygap=3,
            customdata=[[label(name)] * len(way.index) for name in apart],
            hovertemplate="%{customdata}, step %{x}<br>distance %{z:.4f}<extra></extra>",
            colorbar={
                "title": {"text": "distance", "side": "right", "font": {"size": 12, "color": look.muted}},
                "thickness": 10,
                "outlinewidth": 0,
                "tickfont": {"size": 11, "color": look.muted},
                "nticks": 4,
            },
        )
    )
    share = 0.72 if typed else 1.0
    chart.update_xaxes(axis(look, "step of the attack", showgrid=False))
    named: dict[str, Any] = {"tickvals": list(range(len(z))), "ticktext": [label(n) for n in apart]}
    chart.update_yaxes(axis(look, range=[len(z) - 0.5, -0.5], showgrid=False, domain=[0, share], **named))
    if way.route.p_type is not None:
        p = way.route.p_type[:, 1].double().numpy()
        line = {"color": look.adversarial, "width": 2}
        chart.add_trace(
            go.Scatter(
                x=list(way.index),
                y=[float(v) if np.isfinite(v) else None for v in p],
                line=line,
                yaxis="y2",
                mode="lines",
                hovertext=in_percents(p),
                hovertemplate="step %{x}: P(adversarial) %{hovertext}<extra></extra>",
            )
        )
        chart.update_layout(
            yaxis2=share_axis(look, "P(adv.)", at=(0, 0.5, 1), domain=[share + 0.06, 1], range=[-0.02, 1.02])
        )
    return chart


def diverging(look: Theme) -> list[list[float | str]]:
    """Blue below, the page's own colour in the middle, vermilion above."""
    return [[0, look.clean], [0.5, mixed(look.muted, look.page, 0.08)], [1, look.adversarial]]


def _reach(values: Sequence[NDArray[np.float64]]) -> float:
    whole = np.concatenate([np.abs(v[np.isfinite(v)]) for v in values]) if values else np.zeros(0)
    return max(float(whole.max(initial=0.0)), FAINT)


def _alt(before: Mapping[str, NDArray[np.float64]], after: Mapping[str, NDArray[np.float64]], order: str) -> str:
    if not before:
        return "This network has no routing signals."
    told = []
    for name in before:
        change = np.nan_to_num(after[name] - before[name])
        top = int(np.abs(change).argmax())
        told.append(f"{name}: largest change {change[top]:+.3f} at filter {top}")
    return f"Signals of the clean and the adversarial image and their difference, by {order}. {'; '.join(told)}."
