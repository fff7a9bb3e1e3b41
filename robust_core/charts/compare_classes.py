"""Networks class by class from their cards, and the worst class against all classes together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from robust_core.charts.labels import Box, place_labels
from robust_core.charts.marks import CLAIM, Checkpoint, marker
from robust_core.charts.temperatures import headline
from robust_core.charts.theme import LIGHT, Theme, axis, faded, figure, halo, label, note
from robust_core.types import UserError

Shares = Sequence[float | None]
NAMED = 24  # marks that get a name beside them, at most


@dataclass(frozen=True, kw_only=True)
class ByClass:
    """A network's accuracy on each class, None where no image of it was asked."""

    name: str
    clean: Shares | None
    robust: Shares


def class_bars_of(
    nets: Sequence[ByClass], class_names: Sequence[str], *, order: Sequence[int], look: Theme = LIGHT
) -> go.Figure:
    """A panel a network, a row a class, the same rows in all: robust accuracy as a bar, clean accuracy as a mark.

    order: the classes from top to bottom. Raises UserError where classes and order do not fit.
    """
    k = len(class_names)
    if sorted(order) != list(range(k)) or any(len(s) != k for net in nets for s in (net.clean, net.robust) if s):
        raise UserError(f"{k} classes need an order of all of them, and accuracies for each")
    rows, names = list(range(k)), [label(class_names[c], 18) for c in order]
    chart = figure(look, height=86 + (24 if k <= 30 else 12) * k, alt=_class_alt(nets, class_names), barmode="overlay")
    chart.update_layout(margin={"l": 8, "r": 8, "t": 48, "b": 36}, bargap=0.28, hovermode="closest")
    for i, net in enumerate(nets):
        number, left = str(i + 1) if i else "", i / len(nets)
        robust = _values(net.robust, order)
        asked = [label(class_names[c]) if net.robust[c] is not None else "" for c in order]
        place = {"xaxis": f"x{number}", "yaxis": f"y{number}", "customdata": asked, "showlegend": i == 0, "y": rows}
        chart.add_trace(
            go.Bar(
                name="robust", orientation="h", x=robust, marker={"color": faded(look.adversarial, 0.75)},
                legendgroup="robust", hovertemplate="%{customdata}: robust %{x:.1%}<extra></extra>", **place,
            )
        )  # fmt: skip
        if net.clean:
            clean = _values(net.clean, order)
            chart.add_trace(
                go.Scatter(
                    name="clean", mode="markers", x=clean, legendgroup="clean", cliponaxis=False,
                    marker={"symbol": "line-ns", "size": 12, "line": {"color": look.clean, "width": 3}, "opacity": 1},
                    hovertemplate="%{customdata}: clean %{x:.1%}<extra></extra>", **place,
                )
            )  # fmt: skip
        for row, c in enumerate(order):
            if net.robust[c] is None:
                where = {"xref": f"x{number}", "yref": f"y{number}", "x": 0.02, "y": row, "yanchor": "middle"}
                chart.add_annotation(note(look, "no image", **where))
        domain = [left, left + 1 / len(nets) - (0.035 if i < len(nets) - 1 else 0)]
        at = [0, 0.5, 1] if len(nets) > 3 else [0, 0.25, 0.5, 0.75, 1]
        down = axis(look, anchor=f"x{number}", tickvals=rows, ticktext=names, range=[k - 0.5, -0.5], showgrid=False)
        down |= {"showticklabels": i == 0} | ({"matches": "y"} if i else {})
        chart.update_layout(
            {
                f"xaxis{number}": axis(
                    look, domain=domain, anchor=f"y{number}", range=[0, 1.03], tickformat=".0%", tickvals=at
                )
            }
        )
        chart.update_layout({f"yaxis{number}": down})
        headline(chart, label(net.name, 30 if len(nets) < 4 else 18), left, look)
    chart.update_layout(legend={"y": 1, "yref": "container", "yanchor": "top", "x": 1, "xanchor": "right"})
    return chart


def _values(shares: Shares, order: Sequence[int]) -> list[float | None]:
    chosen = [shares[c] for c in order]
    return [share if share is not None and math.isfinite(share) else None for share in chosen]


def _class_alt(nets: Sequence[ByClass], class_names: Sequence[str]) -> str:
    told = []
    for net in nets:
        present = [(s, name) for s, name in zip(net.robust, class_names, strict=True) if s is not None]
        if present:
            low, high = min(present), max(present)
            told.append(f"{net.name}, robust: worst {low[1]} {low[0]:.1%}, best {high[1]} {high[0]:.1%}")
    return "Accuracy class by class. " + "; ".join(told) + "."


def worst_against_average(
    points: Sequence[Checkpoint],
    selected: str | None = None,
    *,
    named: Sequence[str] | None = None,
    look: Theme = LIGHT,
    width: int = 560,
    height: int = 450,
) -> go.Figure:
    """Robust accuracy of the worst class against that of all; on the diagonal all classes would fare alike.

    One mark a checkpoint, customdata[0] its id; colour = objective, as in `tradeoff`. named: ids whose names are
    written, all by default, at most NAMED. Those without finite figures are left out.
    """
    drawn = [
        p for p in points if p.worst_class is not None and math.isfinite(p.robust) and math.isfinite(p.worst_class)
    ]
    alt = "; ".join(
        f"{p.name} {p.robust:.1%} over all and {p.worst_class:.1%} on the worst class{f' ({CLAIM})' * p.claimed}"
        for p in drawn
    )
    chart = figure(look, height=height, alt=f"Robust accuracy: {alt or 'no checkpoint to show'}.", hovermode="closest")
    chart.update_layout(margin={"l": 8, "r": 16, "t": 44, "b": 8}, showlegend=False)
    top = min(1.0, max([p.robust for p in drawn], default=0.9) + 0.12)
    span = (-0.04 * top, top)
    chart.add_shape(type="line", x0=0, y0=0, x1=top, y1=top, layer="below",
                    line={"color": look.muted, "width": 1, "dash": "dot"})  # fmt: skip
    chart.add_annotation(
        note(look, "all classes alike", x=0.62 * top, y=0.62 * top, xanchor="right", yanchor="bottom", xshift=-6)
    )
    chart.add_trace(
        go.Scatter(
            mode="markers",
            x=[p.robust for p in drawn],
            y=[p.worst_class for p in drawn],
            cliponaxis=False,
            marker=marker(drawn, "circle", selected, look) | {"size": 13},
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
            customdata=[[p.id] for p in drawn],
            text=[_hover(p) for p in drawn],
            hovertemplate="%{text}<extra></extra>",
        )
    )  # fmt: skip
    shown = [p for p in drawn if named is None or p.id in named][:NAMED]
    canvas = (width - 90.0, height - 110.0)
    scale = (canvas[0] / (span[1] - span[0]), canvas[1] / (span[1] - span[0]))
    at = [((p.robust - span[0]) * scale[0], ((p.worst_class or 0.0) - span[0]) * scale[1]) for p in shown]
    marks = [Box.around(x, y, 13, 13) for x, y in at]
    texts = [p.name if len(p.name) <= 28 else p.name[:27] + "…" for p in shown]
    for p, text, place in zip(shown, texts, place_labels(marks, texts, canvas, size=12), strict=True):
        anchor = {"x": p.robust, "y": p.worst_class, "xanchor": place.anchor, "yanchor": "middle"}
        font = {"size": 12, "color": look.ink, "shadow": halo(look)}
        chart.add_annotation(note(look, label(text, 28), **anchor, xshift=place.dx, yshift=place.dy) | {"font": font})
    chart.update_xaxes(axis(look, "robust accuracy, all classes", range=span, tickformat=".0%", nticks=7))
    chart.update_yaxes(axis(look, "robust accuracy, worst class", range=span, tickformat=".0%", nticks=7))
    return chart


def _hover(p: Checkpoint) -> str:
    rows = [f"<b>{label(p.name, 48)}</b>"] + [f"<i>{CLAIM}</i>"] * p.claimed
    rows += [f"all classes {p.robust:.1%}", f"worst class {p.worst_class:.1%}", label(p.attack, 90), f"n = {p.n:,}"]
    return "<br>".join(rows)
