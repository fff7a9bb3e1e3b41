"""Several networks under more and more attack, and under each other's attacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from robust_core.charts.marks import architecture_symbol, method_colour, whiskers
from robust_core.charts.series import numbers
from robust_core.charts.theme import LIGHT, Theme, axis, faded, figure, label, mixed, note, share_axis
from robust_core.evaluation.measures import in_percent, wilson
from robust_core.types import UserError

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
APART = 0.006  # of the axis, between the whiskers of two networks
# Shades of one colour, the first three far apart: so much of the page, or with minus of the ink, is in them.
SHADES = (0.0, -0.6, 0.45, -0.3, 0.25, -0.85)
LIGHTER = (0.0, 0.6, 0.3, 0.45, 0.15, 0.7)  # of a colour that is nearly the ink's
NEAR_INK = 0.25  # in lightness
LINE = 16  # px between two names at the lines' ends
NAMED = 24  # characters of a name there


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A network at each point of a sweep: how many of n images are right. method, architecture: as on its card."""

    name: str
    right: Sequence[int]
    n: int
    method: str = ""
    architecture: str = ""


def accuracy_curves(
    x: Sequence[float],
    nets: Sequence[Counted],
    *,
    x_title: str,
    x_name: str,
    usual: float | None = None,
    by_rank: bool = False,
    look: Theme = LIGHT,
    height: int = 400,
) -> go.Figure:
    """A line a network with 95 % whiskers (Wilson). x_name: what a value of x is called in hover ("ε", "steps").

    usual: the x of the leaderboard, marked. by_rank: points equally far apart, whatever their values (1, 2, 5, 10, …).
    Colour = objective and symbol = architecture, as in `tradeoff`, in shades where several share an objective; each has
    a dash of its own, and its name at its end. Whiskers stand side by side, a little beside their points where there
    are several.
    Raises UserError where a network has not one count a point, or no images.
    """
    for net in nets:
        if len(net.right) != len(x) or net.n < 1:
            raise UserError(f"{net.name!r} needs one count for each of {len(x)} points, of 1 image or more")
    places = list(range(len(x))) if by_rank else list(x)
    chart = figure(look, height=height, alt=_curves_alt(x, nets, x_name), hovermode="x unified", showlegend=True)
    chart.update_layout(margin={"l": 8, "r": 16, "t": 40, "b": 8})
    colours = line_colours([net.method for net in nets], look)
    apart = APART * (max(places) - min(places)) if places else 0.0
    for i, (net, colour) in enumerate(zip(nets, colours, strict=True)):
        shares, ends = [right / net.n for right in net.right], [wilson(right, net.n) for right in net.right]
        beside = apart * (i - (len(nets) - 1) / 2)
        chart.add_trace(
            go.Scatter(x=[place + beside for place in places], y=shares, mode="markers", hoverinfo="skip",
                       showlegend=False, cliponaxis=False, marker={"size": 1, "color": colour},
                       error_y=whiskers(shares, ends, faded(colour, 0.75)))
        )  # fmt: skip
        chart.add_trace(
            go.Scatter(
                name=label(net.name, 32),
                x=places,
                y=shares,
                mode="lines+markers",
                cliponaxis=False,
                line={"color": colour, "width": 2, "dash": DASHES[i % len(DASHES)]},
                marker={"color": colour, "size": 7, "symbol": architecture_symbol(net.architecture), "opacity": 1},
                customdata=[in_percent(share, *end) for share, end in zip(shares, ends, strict=True)],
                hovertemplate="%{customdata}",
            )
        )
    if usual is not None and (not by_rank or usual in x):
        at = list(x).index(usual) if by_rank else usual
        line = {"color": look.muted, "width": 1, "dash": "dot"}
        chart.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", layer="below", line=line)
        chart.add_annotation(
            note(look, f"the board's {x_name}", x=at, yref="paper", y=1, xshift=5, yanchor="top", xanchor="left")
        )
    ticks: dict[str, Any] = {"tickvals": places, "ticktext": [f"{v:.4g}" for v in x]}
    if nets and places:
        _name_ends(chart, max(places), nets, colours, height - 110, look)
        room = 0.025 * (max(places) - min(places)) or 0.5
        ticks["range"] = [min(places) - room, max(places) + room]  # or the names would count as points
    chart.update_xaxes(axis(look, x_title, showgrid=False, **ticks))
    chart.update_yaxes(share_axis(look, "accuracy", range=[-0.02, 1.02]))
    return chart


def line_colours(methods: Sequence[str], look: Theme) -> list[str]:
    """A colour a line: its objective's, where several have that in shades of it, the first in the very colour."""
    found: list[str] = []
    bases = [method_colour(method, look) for method in methods]
    for i, base in enumerate(bases):
        shades = SHADES if abs(lightness(base) - lightness(look.ink)) >= NEAR_INK else LIGHTER
        shade = shades[bases[:i].count(base) % len(shades)]
        found.append(mixed(look.ink if shade < 0 else look.page, base, abs(shade)) if shade else base)
    return found


def lightness(colour: str) -> float:
    """Of "#rrggbb", about as the eye weighs it, in [0, 1]."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.3 * red + 0.59 * green + 0.11 * blue


def _name_ends(
    chart: go.Figure, last: float, nets: Sequence[Counted], colours: Sequence[str], canvas: int, look: Theme
) -> None:
    """Each name right of its line's end, LINE px apart, in the order in which the lines lie; a stroke leads to it."""
    order = sorted(range(len(nets)), key=lambda i: (nets[i].right[-1] / nets[i].n, sum(nets[i].right) / nets[i].n))
    ends = [nets[i].right[-1] / nets[i].n for i in order]
    for i, share, at in zip(order, ends, spread([share * canvas for share in ends]), strict=True):
        chart.add_annotation(
            x=last, y=share, ax=26, ay=share * canvas - at, text=label(nets[i].name, NAMED), xanchor="left",
            font={"size": 12, "color": look.ink}, arrowhead=0, arrowwidth=2, arrowcolor=colours[i], standoff=5,
        )  # fmt: skip
    chart.update_layout(margin_r=40 + 5.8 * max(min(len(net.name), NAMED) for net in nets))


def spread(heights: Sequence[float]) -> list[float]:
    """These, rising, moved by as little as leaves LINE px between any two, none of them far below 0."""
    up: list[float] = []
    down: list[float] = []
    found: list[float] = []
    for height in heights:
        up.append(max([height, *(last + LINE for last in up[-1:])]))
    for height in reversed(heights):
        down.append(min([height, *(last - LINE for last in down[-1:])]))
    for high, low in zip(up, reversed(down), strict=True):
        found.append(max([(high + low) / 2, -LINE / 2, *(last + LINE for last in found[-1:])]))
    return found


def _curves_alt(x: Sequence[float], nets: Sequence[Counted], x_name: str) -> str:
    if not len(x) or not nets:
        return "No curve to show."
    told = [
        f"{net.name} "
        + ", ".join(f"{in_percent(right / net.n)} at {v:.4g}" for v, right in zip(x, net.right, strict=True))
        for net in nets
    ]
    return f"Accuracy by {x_name}, of {nets[0].n} images: {'; '.join(told)}."


def transfer_matrix(
    names: Sequence[str], right: ArrayLike, untouched: Sequence[int], n: int, *, look: Theme = LIGHT
) -> go.Figure:
    """Crafted on the row, tested on the column: how many of n images the column still gets right, as a share.

    right: counts (M, M); untouched: counts (M,), the row above. The diagonal, each network under its own attack, is
    framed. Raises UserError where the shapes do not fit.
    """
    table = numbers(right)
    m = len(names)
    if table.shape != (m, m) or len(untouched) != m or n < 1:
        raise UserError(f"{m} networks need counts of shape ({m}, {m}) and {m} of them untouched; got {table.shape}")
    shares = np.vstack([numbers(untouched)[None], table]) / n
    rows = ["untouched", *names]
    chart = figure(look, height=110 + 46 * len(rows), alt=_matrix_alt(names, shares, n), hovermode="closest")
    for part, colour in ((slice(0, 1), look.clean), (slice(1, None), look.adversarial)):
        z = np.full_like(shares, np.nan)
        # Attacked: the darker, the more was lost.
        z[part] = shares[part] if part.stop == 1 else 1 - shares[part]
        ramp = [[0, mixed(colour, look.page, 0.06)], [1, mixed(colour, look.page, 0.75)]]
        chart.add_trace(
            go.Heatmap(z=z.astype(np.float32), zmin=0, zmax=1, colorscale=ramp, showscale=False, hoverinfo="skip",
                       xgap=2, ygap=2)
        )  # fmt: skip
    places = [(r, c) for r in range(m + 1) for c in range(m)]

    def whole(r: int, c: int) -> str:
        return in_percent(shares[r, c], whole=True)

    chart.add_trace(
        go.Scatter(
            mode="markers+text",
            showlegend=False,
            x=[c for _, c in places],
            y=[r for r, _ in places],
            marker={"size": 34, "symbol": "square", "opacity": 0, "color": look.ink},
            text=[f"<b>{whole(r, c)}</b>" if r == c + 1 else whole(r, c) for r, c in places],
            textfont={"size": 14, "color": look.ink},
            hovertext=[_matrix_cell(names, shares, n, r, c) for r, c in places],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    for k in range(m):
        box = {"x0": k - 0.47, "x1": k + 0.47, "y0": k + 0.53, "y1": k + 1.47}
        chart.add_shape(type="rect", line={"color": look.ink, "width": 2}, **box)
    ticks = [label(name, 22) for name in names]
    chart.update_xaxes(
        axis(look, "tested on", range=[-0.5, m - 0.5], showgrid=False, side="top")
        | {"tickvals": list(range(m)), "ticktext": ticks, "tickfont": {"size": 12, "color": look.ink}}
    )
    chart.update_yaxes(
        axis(look, "crafted on", range=[m + 0.5, -0.5], showgrid=False)
        | {"tickvals": list(range(m + 1)), "ticktext": ["<i>untouched</i>", *ticks]}
        | {"tickfont": {"size": 12, "color": look.ink}}
    )
    return chart


def _matrix_cell(names: Sequence[str], shares: np.ndarray, n: int, r: int, c: int) -> str:
    right = round(float(shares[r, c]) * n)
    what = (
        "untouched"
        if r == 0
        else "under its own attack (white box)"
        if r == c + 1
        else f"under {label(names[r - 1])}'s attack"
    )
    return f"{label(names[c])} {what}:<br>{right} of {n} right, {in_percent(right / n, *wilson(right, n))}"


def _matrix_alt(names: Sequence[str], shares: np.ndarray, n: int) -> str:
    told = []
    for r, name in enumerate(names):
        said = ", ".join(f"{other} {in_percent(shares[r + 1, c], whole=True)}" for c, other in enumerate(names))
        told.append(f"crafted on {name}: {said}")
    return f"Share of {n} images still right. {'; '.join(told)}."
