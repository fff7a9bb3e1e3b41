"""One epoch of a training as bars, a row a class: temperatures, error risks, accuracies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from robust_core.charts.series import Numbers, counted_in_percents, gapped, in_percents
from robust_core.charts.temperatures import MANY, fitting, headline
from robust_core.charts.theme import LIGHT, Theme, axis, figure, halo, share_axis
from robust_core.explain.temperatures import Story
from robust_core.types import UserError


def class_bars(
    told: Story, class_names: Sequence[str], *, epoch: int, order: Sequence[int], look: Theme = LIGHT
) -> go.Figure:
    """One epoch, a row a class: temperatures (from 1), error risks with their mean, accuracies; clean above attacked.

    Only what the run has. Raises UserError where the epoch, the names or the order do not fit the story.
    """
    names = fitting(told, class_names, order)
    if not 1 <= epoch <= len(told.epochs):
        raise UserError(f"epoch must be in [1, {len(told.epochs)}]; got {epoch}")
    parts = [("τ the epoch left", "tau_nat", "tau_adv")] if told.tempered else []
    parts += [("error risk (nats)", "risk_nat", "risk_adv"), ("accuracy on held-out images", "clean", "robust")]
    parts = [part for part in parts if part[1] in told.classes or part[2] in told.classes]
    row = 30 if len(names) <= MANY else 15
    chart = figure(look, height=86 + row * len(names), alt="", barmode="group", bargap=0.3, bargroupgap=0.06)
    chart.update_layout(
        margin={"l": 8, "r": 8, "t": 52, "b": 34}, legend={"y": 1, "yref": "container", "yanchor": "top"}
    )
    said = []
    for n, (title, clean, attacked) in enumerate(parts):
        number, last = str(n + 1) if n else "", title.startswith("accuracy")
        base = 1.0 if "tau" in clean else 0.0
        for name, key, colour in (("clean", clean, look.clean), ("attacked", attacked, look.adversarial)):
            values = told.classes.get(key, np.full((len(names), len(told.epochs)), np.nan))[:, epoch - 1][list(order)]
            _bars(chart, number, name, values, names, base, last, colour, look, legend=n == 0)
            mean = np.nanmean(values) if np.isfinite(values).any() else np.nan
            if "risk" in key and np.isfinite(mean):
                line = {"color": colour, "width": 1, "dash": "dot"}
                where = {"xref": f"x{number}", "yref": "paper", "x0": mean, "x1": mean, "y0": 0, "y1": 1}
                chart.add_shape(type="line", line=line, layer="below", opacity=0.55, **where)  # under the figures
            said.append(f"{name} {title} {_ends(values, names)}")
        width = 1 / len(parts)
        domain = [n * width, (n + 1) * width - (0.03 if n < len(parts) - 1 else 0)]
        if last:
            across = share_axis(look, domain=domain, anchor=f"y{number}", range=[0, 1.13])
        else:
            across = axis(look, domain=domain, anchor=f"y{number}", tickformat=".2~f", nticks=5)
            across |= {"range": _room(told, (clean, attacked), base)}
        rows = axis(look, anchor=f"x{number}", showgrid=False, tickvals=list(range(len(names))), ticktext=names)
        rows |= {"range": [len(names) - 0.5, -0.5], "showticklabels": n == 0, "ticklabelstandoff": 6}
        chart.update_layout({f"xaxis{number}": across, f"yaxis{number}": rows | ({"matches": "y"} if n else {})})
        headline(chart, title, domain[0], look)
        if base:
            rule = {"color": look.muted, "width": 1}
            chart.add_shape(type="line", xref=f"x{number}", yref="paper", x0=base, x1=base, y0=0, y1=1, line=rule)
    chart.layout.meta = {"alt": f"Epoch {epoch}, {len(names)} classes: {'; '.join(said)}."}
    return chart


def _bars(
    chart: go.Figure, number: str, name: str, values: Numbers, names: list[str], base: float, share: bool,
    colour: str, look: Theme, *, legend: bool,
) -> None:  # fmt: skip
    known = np.isfinite(values)
    small = len(names) > MANY
    words = in_percents(values, decimals=0) if share else [f"{v:.2f}" for v in values]
    told = counted_in_percents(values) if share else words
    chart.add_trace(
        go.Bar(
            orientation="h",
            name=name,
            legendgroup=name,
            showlegend=legend,
            y=list(range(len(values))),
            x=gapped(values - base),
            base=base,
            marker={"color": colour, "line": {"width": 0}, "cornerradius": 2},
            text=[word if ok and not small else "" for word, ok in zip(words, known, strict=True)],
            textposition="outside",
            textfont={"size": 10.5, "color": look.muted, "shadow": halo(look)},  # the rule of a mean may run below
            constraintext="none",
            cliponaxis=False,
            customdata=[f"{n}, {name}: {word}" if ok else "" for n, word, ok in zip(names, told, known, strict=True)],
            hovertemplate="%{customdata}<extra></extra>",
            xaxis=f"x{number}",
            yaxis=f"y{number}",
        )
    )


def _room(told: Story, keys: tuple[str, str], base: float) -> list[float]:
    """One range for all epochs, so that scrubbing moves the bars and not the scale; with room for their figures."""
    known = np.concatenate([told.classes[key].ravel() for key in keys if key in told.classes])
    known = known[np.isfinite(known)]
    low, high = float(known.min(initial=base)), float(known.max(initial=base))
    pad = 0.14 * max(high - low, 0.02)
    return [low - pad if low < base else low, high + pad]


def _ends(values: Numbers, names: list[str]) -> str:
    if not np.isfinite(values).any():
        return "unknown"
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    return f"{values[low]:.2f} ({names[low]}) to {values[high]:.2f} ({names[high]})"
