"""Networks class by class, from their cards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from robust_core.charts.temperatures import headline
from robust_core.charts.theme import LIGHT, Theme, axis, faded, figure, label, note
from robust_core.evaluation.measures import in_percent
from robust_core.types import UserError

Shares = Sequence[float | None]


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
        place = {"xaxis": f"x{number}", "yaxis": f"y{number}", "showlegend": i == 0, "y": rows}
        place |= {"hovertemplate": "%{hovertext}<extra></extra>"}
        chart.add_trace(
            go.Bar(
                name="robust", orientation="h", x=robust, marker={"color": faded(look.adversarial, 0.75)},
                legendgroup="robust", hovertext=_told("robust", net.robust, class_names, order), **place,
            )
        )  # fmt: skip
        if net.clean:
            clean = _values(net.clean, order)
            chart.add_trace(
                go.Scatter(
                    name="clean", mode="markers", x=clean, legendgroup="clean", cliponaxis=False,
                    marker={"symbol": "line-ns", "size": 12, "line": {"color": look.clean, "width": 3}, "opacity": 1},
                    hovertext=_told("clean", net.clean, class_names, order), **place,
                )
            )  # fmt: skip
        for row, c in enumerate(order):
            if net.robust[c] is None:
                where = {"xref": f"x{number}", "yref": f"y{number}", "x": 0.02, "y": row, "yanchor": "middle"}
                chart.add_annotation(note(look, "no image", **where))
        domain = [left, left + 1 / len(nets) - (0.035 if i < len(nets) - 1 else 0)]
        at = [0, 0.5, 1] if len(nets) > 3 else [0, 0.25, 0.5, 0.75, 1]
        # Beside another panel's "100 %" there is no room for "0 %": every bar begins there.
        told = [in_percent(share, whole=True) if share or i == 0 else "" for share in at]
        down = axis(look, anchor=f"x{number}", tickvals=rows, ticktext=names, range=[k - 0.5, -0.5], showgrid=False)
        down |= {"showticklabels": i == 0} | ({"matches": "y"} if i else {})
        chart.update_layout(
            {
                f"xaxis{number}": axis(
                    look, domain=domain, anchor=f"y{number}", range=[0, 1.03], tickvals=at, ticktext=told
                )
            }
        )
        chart.update_layout({f"yaxis{number}": down})
        headline(chart, label(net.name, 30 if len(nets) < 4 else 18), left, look)
    chart.update_layout(legend={"y": 1, "yref": "container", "yanchor": "top", "x": 1, "xanchor": "right"})
    return chart


def _told(word: str, shares: Shares, class_names: Sequence[str], order: Sequence[int]) -> list[str]:
    """ "Shirt: robust 38.1 %", a class; "" where no image of it was asked."""
    values = [(class_names[c], shares[c]) for c in order]
    return ["" if share is None else f"{label(name)}: {word} {in_percent(share)}" for name, share in values]


def _values(shares: Shares, order: Sequence[int]) -> list[float | None]:
    chosen = [shares[c] for c in order]
    return [share if share is not None and math.isfinite(share) else None for share in chosen]


def _class_alt(nets: Sequence[ByClass], class_names: Sequence[str]) -> str:
    told = []
    for net in nets:
        present = [(s, name) for s, name in zip(net.robust, class_names, strict=True) if s is not None]
        if present:
            low, high = min(present), max(present)
            told.append(
                f"{net.name}, robust: worst {low[1]} {in_percent(low[0])}, best {high[1]} {in_percent(high[0])}"
            )
    return "Accuracy class by class. " + "; ".join(told) + "."
