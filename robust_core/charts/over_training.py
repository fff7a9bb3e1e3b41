"""A training over time: worst class and NSD over the epochs, and the balances of two teachers over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from robust_core.charts.series import Numbers, counted_in_percents, gapped
from robust_core.charts.temperatures import headline
from robust_core.charts.theme import LIGHT, Theme, axis, figure, label, mixed, note, share_axis
from robust_core.evaluation.measures import in_percent
from robust_core.explain.temperatures import Story, nsd, worst_class
from robust_core.types import UserError

DASHES = ("solid", "dot")  # the run itself, and the one beside it


def fairness(
    runs: Sequence[tuple[str, Story]], class_names: Sequence[str], *, current: int | None = None,
    kept: int | None = None, look: Theme = LIGHT,
) -> go.Figure:  # fmt: skip
    """Worst class with the mean above it, and NSD, over the epochs; a second run is dotted.

    current: the epoch looked at; kept: the one whose weights the first run kept, each a rule. NSD = population standard
    deviation / mean of the class accuracies. Raises UserError for more than two runs.
    """
    if not 1 <= len(runs) <= len(DASHES):
        raise UserError(f"one or two runs can be drawn together; got {len(runs)}")
    chart = _room(look, height=270, runs=len(runs))
    said, last = [], 1
    for (run, told), dash in zip(runs, DASHES, strict=False):
        last = max(last, len(told.epochs))
        for kind, word, colour in (("clean", "clean", look.clean), ("robust", "attacked", look.adversarial)):
            if kind not in told.classes:
                continue
            low, which = worst_class(told.classes[kind])
            spread = nsd(told.classes[kind])
            name = word if len(runs) == 1 else f"{word}, {label(run, 30)}"
            who = [label(class_names[k]) if 0 <= k < len(class_names) else "" for k in which]
            mean = told.clean if kind == "clean" else told.robust
            pale = mixed(colour, look.page, 0.55)
            of_all = [f"all classes {share}" for share in counted_in_percents(mean)]
            of_worst = [f"worst class, {w} {share}" for w, share in zip(who, counted_in_percents(low), strict=True)]
            _curve(chart, "", name, told, mean, pale, dash, of_all, False)
            _curve(chart, "", name, told, low, colour, dash, of_worst, True)
            _curve(chart, "2", name, told, spread, colour, dash, [f"NSD {v:.3f}" for v in spread], False)
            if len(low) and np.isfinite(low[-1]):
                said.append(f"{run} {word}: worst class {in_percent(low[-1])} ({who[-1]}), NSD {spread[-1]:.2f}")
    ends: dict[str, Any] = {"showgrid": False, "tickformat": "d", "range": [0.5, last + 0.5]}
    ends |= {"nticks": min(last, 10) + 1} if last > 1 else {"tickvals": [1]}
    chart.update_xaxes(axis(look, "epoch", domain=[0, 0.47], anchor="y") | ends)
    chart.update_layout(xaxis2=axis(look, "epoch", domain=[0.53, 1], anchor="y2", matches="x") | ends)
    chart.update_yaxes(share_axis(look, range=[-0.03, 1.03]))
    chart.update_layout(yaxis2=axis(look, anchor="x2", rangemode="tozero", nticks=5))
    for left, title in ((0.0, "worst class (pale: all classes)"), (0.53, "NSD of the classes, lower is fairer")):
        headline(chart, title, left, look)
    for at, dash, word in ((current, "dot", ""), (kept, "solid", "kept")):
        _rule(chart, at, dash, word, look)
    held = f" The weights kept are those of epoch {kept}." if kept is not None else ""
    told_last = "; ".join(said) or "nothing known yet"
    chart.layout.meta = {"alt": f"Fairness over the epochs, at the end: {told_last}.{held}"}
    return chart


def _rule(chart: go.Figure, epoch: int | None, dash: str, word: str, look: Theme) -> None:
    """An epoch marked in both panels, with a word at its foot."""
    for x in ("x", "x2") if epoch is not None else ():
        line = {"color": look.muted, "width": 1, "dash": dash}
        place = {"xref": x, "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
        chart.add_shape(type="line", x0=epoch, x1=epoch, line=line, **place)
        if word:
            chart.add_annotation(note(look, word, xref=x, yref="paper", x=epoch, y=0, yanchor="bottom", xshift=3))


def _curve(
    chart: go.Figure, number: str, name: str, told: Story, values: Numbers, colour: str, dash: str, words: list[str],
    legend: bool,
) -> None:  # fmt: skip
    chart.add_trace(
        go.Scatter(
            name=name, legendgroup=name, showlegend=legend, x=told.epochs.tolist(), y=gapped(values),
            mode="lines+markers" if len(told.epochs) <= 60 else "lines", connectgaps=False, cliponaxis=False,
            line={"color": colour, "width": 2, "dash": dash}, marker={"size": 5, "color": colour},
            customdata=words, hovertemplate=f"epoch %{{x}}, {name}<br>%{{customdata}}<extra></extra>",
            xaxis=f"x{number}", yaxis=f"y{number}",
        )
    )  # fmt: skip


def _room(look: Theme, *, height: int, runs: int) -> go.Figure:
    """An empty figure with its legend on top: a row for each run, at any width of the page."""
    rows = 28 * (runs - 1)
    chart = figure(look, height=height + rows, alt="", hovermode="closest", margin_t=52 + rows)
    two = {"entrywidth": 0.45, "entrywidthmode": "fraction"} if runs > 1 else {}
    return chart.update_layout(legend={"y": 1, "yref": "container", "yanchor": "top"} | two)


def balances(runs: Sequence[tuple[str, Story]], *, look: Theme = LIGHT) -> go.Figure:
    """Two teachers over the steps: temperatures, entropies, loss weights, normalised losses; a second run is dotted.

    Clean teacher blue, robust one vermilion. Raises UserError for none or more than two runs.
    """
    if not 1 <= len(runs) <= len(DASHES):
        raise UserError(f"one or two runs can be drawn together; got {len(runs)}")
    panels = (
        ("temperatures τ", "tau_nat", "tau_adv"),
        ("entropy of the labels, nats", "h_nat", "h_adv"),
        ("weights of the losses", "w_nat", "w_adv"),
        ("losses, relative to the first step", "normalised_nat", "normalised_adv"),
    )
    chart = _room(look, height=440, runs=len(runs))
    said = []
    for n, (title, nat, adv) in enumerate(panels):
        number, left, top = str(n + 1) if n else "", (n % 2) * 0.53, 1 - (n // 2) * 0.58
        for (run, told), dash in zip(runs, DASHES, strict=False):
            for key, word, colour in ((nat, "accurate teacher", look.clean), (adv, "robust teacher", look.adversarial)):
                if key not in told.balances:
                    continue
                name = word if len(runs) == 1 else f"{word}, {label(run, 30)}"
                values = told.balances[key]
                chart.add_trace(
                    go.Scatter(
                        name=name, legendgroup=name, showlegend=n == 0, x=told.steps.tolist(), y=gapped(values),
                        mode="lines" if len(values) > 1 else "markers", connectgaps=False,
                        line={"color": colour, "width": 1.8, "dash": dash},
                        hovertemplate=f"step %{{x}}, {name}: %{{y:.3f}}<extra></extra>",
                        xaxis=f"x{number}", yaxis=f"y{number}",
                    )
                )  # fmt: skip
                if np.isfinite(values[-1]):
                    said.append(f"{run} {key} {values[-1]:.3g}")
        across = axis(
            look, "step" if n > 1 else "", domain=[left, left + 0.47], anchor=f"y{number}", showgrid=False, nticks=6
        )
        up = axis(look, domain=[max(top - 0.42, 0), top], anchor=f"x{number}", nticks=5)
        chart.update_layout({f"xaxis{number}": across | ({"matches": "x"} if n else {}), f"yaxis{number}": up})
        headline(chart, title, left, look, y=top)
    chart.layout.meta = {"alt": f"Balances over the steps, at the end: {', '.join(said) or 'nothing told yet'}."}
    return chart
