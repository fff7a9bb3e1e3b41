"""How a network's route differs between a clean image and its adversarial copy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from robust_core.charts.route_maps import FAINT
from robust_core.charts.series import gapped, in_percents, numbers
from robust_core.charts.theme import LIGHT, Theme, axis, figure, label, note, share_axis
from robust_core.evaluation.measures import spaced
from robust_core.types import UserError


def type_bars(clean: float | None, adversarial: float | None, *, look: Theme = LIGHT) -> go.Figure:
    """P(type = adversarial) in [0, 1] for the clean image and for the adversarial one; ½ = the router cannot tell."""
    both = (("clean image", clean, look.clean), ("adversarial image", adversarial, look.adversarial))
    given = [(name, value, colour) for name, value, colour in both if value is not None]
    values = numbers([v for _, v, _ in given])
    said = ", ".join(f"{spaced(f'{v:.1%}')} for the {n}" for n, v, _ in given)
    chart = figure(look, height=52 + 30 * len(given), alt=f"P(type = adversarial): {said}.", showlegend=False)
    chart.add_trace(
        go.Bar(
            orientation="h",
            x=gapped(values),
            y=list(range(len(given))),
            marker={"color": [c for _, _, c in given], "line": {"width": 0}, "cornerradius": 2},
            text=[word or "not finite" for word in in_percents(values)],
            textposition="outside",
            cliponaxis=False,
            textfont={"size": 12, "color": look.ink},
            constraintext="none",
            width=0.6,
            customdata=[n for n, _, _ in given],
            hovertext=in_percents(values),
            hovertemplate="%{customdata}<br>P(adversarial) %{hovertext}<extra></extra>",
        )
    )
    chart.add_shape(
        type="line", x0=0.5, x1=0.5, y0=0, y1=1, yref="paper", line={"color": look.muted, "width": 1, "dash": "dot"}
    )
    chart.update_xaxes(share_axis(look, "P(type = adversarial)", at=(0, 0.5, 1), range=[0, 1.12]))
    rows = list(range(len(given)))
    chart.update_yaxes(
        axis(
            look,
            tickvals=rows,
            ticktext=[n for n, _, _ in given],
            range=[len(given) - 0.5, -0.5],
            showgrid=False,
            ticklabelstandoff=6,
        )
    )
    return chart


def route_change(
    clean: Mapping[str, ArrayLike], adversarial: Mapping[str, ArrayLike], *, look: Theme = LIGHT
) -> go.Figure:
    """Mean |Δω| of each regulated conv, in the network's order: how far the attack moved the filters' factors.

    clean, adversarial: by conv name the signals of one image (filters,), 1 = unchanged; the bar's hover also says
    where its largest change is. Raises UserError where names or numbers of filters differ.
    """
    if list(clean) != list(adversarial):
        raise UserError(f"both routes must name the same convs, got {list(clean)} and {list(adversarial)}")
    moved: list[float] = []
    words: list[str] = []
    for name in clean:
        before, after = numbers(clean[name]), numbers(adversarial[name])
        if before.ndim != 1 or before.shape != after.shape:
            raise UserError(
                f"signals of {name!r} must be two rows of equal length, got {before.shape} and {after.shape}"
            )
        change = after - before
        moved.append(float(np.abs(change).mean()))
        top = int(np.abs(np.nan_to_num(change)).argmax())
        words.append(f"{label(name, 40)}<br>filter {top}: {before[top]:.3f} → {after[top]:.3f}")
    values = numbers(moved)
    chart = figure(look, height=64 + 20 * len(values), alt=_alt(list(clean), values), showlegend=False)
    rows = list(range(len(values)))
    chart.add_trace(
        go.Bar(
            orientation="h",
            x=gapped(values),
            y=rows,
            width=0.62,
            marker={"color": look.adversarial, "line": {"width": 0}, "cornerradius": 2},
            text=[f"{v:.3f}" if np.isfinite(v) else "not finite" for v in values],
            textposition="outside",
            cliponaxis=False,
            textfont={"size": 11, "color": look.muted},
            constraintext="none",
            customdata=words,
            hovertemplate="%{customdata}<br>mean |Δω| %{x:.4f}<extra></extra>",
        )
    )
    finite = values[np.isfinite(values)]
    top_value = max(float(finite.max(initial=0.0)), FAINT)
    chart.update_xaxes(axis(look, "mean |Δω| per filter (ω = 1: unchanged)", range=[0, 1.15 * top_value], nticks=5))
    chart.update_yaxes(
        axis(
            look,
            tickvals=rows,
            ticktext=[label(n) for n in clean],
            range=[len(rows) - 0.5, -0.5],
            showgrid=False,
            ticklabelstandoff=6,
        )
    )
    if not len(values):
        chart.update_xaxes(visible=False)
        chart.update_yaxes(visible=False)
        chart.add_annotation(note(look, "this network has no signals", xref="paper", yref="paper", x=0, y=1))
    return chart


def _alt(names: list[str], values: np.ndarray) -> str:
    if not names:
        return "This network has no routing signals."
    rows = ", ".join(f"{n} {v:.3f}" for n, v in zip(names, values, strict=True))
    return f"Mean change of the routing signals from the clean to the adversarial image: {rows}."
