"""What a temperature does to one soft label; who gained and who paid between two networks; who is taken for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from robust_core.charts.series import Numbers, gapped, in_percents, numbers
from robust_core.charts.temperatures import headline
from robust_core.charts.theme import LIGHT, Theme, axis, figure, label, mixed, round_shares, share_axis
from robust_core.evaluation.measures import in_percent, spaced
from robust_core.explain.gains import Comparison, Gain
from robust_core.explain.temperatures import SoftLabels
from robust_core.types import UserError

SHOWN = 12  # classes of a soft label, where there are many


def soft_label_bars(
    told: SoftLabels, class_names: Sequence[str], *, true: int, titles: Sequence[str], look: Theme = LIGHT
) -> go.Figure:
    """A label at two temperatures beside the student's answer, and the gradient each asks for.

    told: of exactly two temperatures; titles: how to call them. true: the image's class. Of many classes the likeliest.
    Raises UserError where told is not of two temperatures.
    """
    if len(told.tau) != 2 or len(titles) != 2:
        raise UserError(f"two temperatures are compared; got {len(told.tau)} and {len(titles)} titles")
    p, student, gradient = told.p.numpy(), told.student.numpy(), told.gradient.numpy()
    best = np.argsort(-np.maximum(p.max(axis=0), student), kind="stable")[: max(SHOWN, 1)]
    chosen = sorted({true, *best.tolist()}) if len(class_names) > SHOWN else list(range(len(class_names)))
    ticks = [f"<b>◆ {label(class_names[k], 18)}</b>" if k == true else label(class_names[k], 18) for k in chosen]
    rows = list(range(len(chosen)))
    chart = figure(look, height=92 + 31 * len(rows), alt="", barmode="group", bargap=0.28, bargroupgap=0.06)
    chart.update_layout(
        margin={"l": 8, "r": 8, "t": 54, "b": 34}, legend={"y": 1, "yref": "container", "yanchor": "top"}
    )
    colours = (look.muted, look.categories[0])
    for t, (title, colour) in enumerate(zip(titles, colours, strict=True)):
        for number, values, words in (
            ("", p[t], in_percents(p[t])),
            ("2", gradient[t], [f"{v:+.3f}" for v in gradient[t]]),
        ):
            chart.add_trace(
                go.Bar(
                    orientation="h", name=title, legendgroup=title, showlegend=not number, y=rows,
                    x=gapped(values[chosen]), marker={"color": colour, "line": {"width": 0}, "cornerradius": 2},
                    customdata=[f"{label(class_names[k])}, {title}: {words[k]}" for k in chosen],
                    hovertemplate="%{customdata}<extra></extra>", xaxis=f"x{number}", yaxis=f"y{number}",
                )
            )  # fmt: skip
    chart.add_trace(
        go.Scatter(
            name="the student's answer", mode="markers", y=rows, x=gapped(student[chosen]),
            marker={"symbol": "line-ns", "size": 17, "line": {"width": 2.5, "color": look.ink}},
            customdata=[f"{label(class_names[k])}, student: {spaced(f'{student[k]:.1%}')}" for k in chosen],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )  # fmt: skip
    down = {
        "range": [len(rows) - 0.5, -0.5],
        "tickvals": rows,
        "ticktext": ticks,
        "showgrid": False,
        "ticklabelstandoff": 6,
    }
    chart.update_xaxes(share_axis(look, domain=[0, 0.6], range=[0, 1.02]))
    chart.update_yaxes(axis(look, anchor="x") | down)
    reach = 1.1 * float(np.abs(gradient).max()) or 1.0
    chart.update_layout(
        xaxis2=axis(look, domain=[0.66, 1], anchor="y2", range=[-reach, reach], nticks=5, zeroline=True)
        | {"zerolinecolor": look.muted, "zerolinewidth": 1},
        yaxis2=axis(look, anchor="x2", matches="y") | down | {"showticklabels": False},
    )
    for x, title in ((0, "soft label"), (0.66, "gradient in the student's logits (below 0: pushed up)")):
        headline(chart, title, x, look)
    own = [
        f"{title}: {class_names[true]} {spaced(f'{p[t, true]:.1%}')}, entropy {told.entropy[t]:.2f}"
        for t, title in enumerate(titles)
    ]
    chart.layout.meta = {"alt": f"Soft label {'; '.join(own)}; the student says {spaced(f'{student[true]:.1%}')}."}
    return chart


def soft_label_curves(
    told: SoftLabels, *, true: int, current: float, learned: float | None = None, look: Theme = LIGHT
) -> go.Figure:
    """As τ moves: the label's probability of the true class, its entropy, and the loss term against the student."""
    tau = told.tau.numpy()
    chart = figure(look, height=215, alt="", hovermode="x", margin_t=30, showlegend=False)
    panels = (
        ("P(true class) in the label", told.p[:, true].numpy()),
        ("entropy of the label, nats", told.entropy.numpy()),
        ("loss KL(label ‖ student), nats", told.loss.numpy()),
    )
    said = []
    for n, (title, values) in enumerate(panels):
        number, left = str(n + 1) if n else "", n * 0.35
        words = [f"{v:.2f}" for v in values] if n else in_percents(values)
        chart.add_trace(
            go.Scatter(
                x=tau.tolist(), y=gapped(values), mode="lines", line={"color": look.categories[0], "width": 2},
                hovertext=words, hovertemplate="τ %{x:.2f}: %{hovertext}<extra></extra>",
                xaxis=f"x{number}", yaxis=f"y{number}",
            )
        )  # fmt: skip
        across = axis(look, "τ", domain=[left, left + 0.3], anchor=f"y{number}", showgrid=False, nticks=6)
        up = axis(look, tickformat=".2f", nticks=4, rangemode="tozero") if n else _up_to(values, look)
        up |= {"anchor": f"x{number}"}
        chart.update_layout({f"xaxis{number}": across, f"yaxis{number}": up})
        headline(chart, title, left, look)
        marks = [(1.0, look.muted, "1"), (current, look.ink, "here")]
        marks += [] if learned is None else [(learned, look.categories[0], "learned")]
        for x, colour, _ in marks:
            line = {"color": colour, "width": 1.5 if x == current else 1, "dash": "solid" if x == current else "dot"}
            chart.add_shape(
                type="line", xref=f"x{number}", yref="paper", x0=x, x1=x, y0=0, y1=1, layer="below", line=line
            )
        said.append(f"{title} from {values[0]:.2f} to {values[-1]:.2f}")
    chart.layout.meta = {"alt": f"As τ goes from {tau[0]:g} to {tau[-1]:g}: {'; '.join(said)}. Now τ = {current:g}."}
    return chart


def _up_to(values: Numbers, look: Theme) -> dict[str, Any]:
    """An axis of shares from 0 to a little above the largest; to 1 where there is none."""
    top = 1.06 * float(values[np.isfinite(values)].max(initial=0.0)) or 1.0
    return share_axis(look, at=round_shares(0.0, top, 4), range=[0, top])


def gains(
    parts: Sequence[tuple[str, Comparison]], class_names: Sequence[str], *, order: Sequence[int], look: Theme = LIGHT
) -> go.Figure:
    """Who gained and who paid, a row a class, with 95 % intervals; above them all classes together and the worst class.

    parts: a panel each, as ("robust accuracy", its comparison). Green gained, purple paid; grey where the interval
    holds 0. A class without an image has no mark. Raises UserError where the names do not fit.
    """
    if any(len(part.classes) != len(class_names) for _, part in parts) or sorted(order) != list(
        range(len(class_names))
    ):
        raise UserError(f"{len(class_names)} class names and {len(order)} places must fit the comparison's classes")
    names = ["<b>all classes</b>", "<b>worst class</b>", *(label(class_names[k], 18) for k in order)]
    rows = list(range(len(names)))
    chart = figure(look, height=74 + (24 if len(names) <= 30 else 14) * len(names), alt="", hovermode="closest")
    chart.update_layout(margin={"l": 8, "r": 8, "t": 30, "b": 40}, showlegend=False)
    everyone = [[part.overall, part.worst_class, *(part.classes[k] for k in order)] for _, part in parts]
    ends = [100 * abs(v) for gains_ in everyone for g in gains_ for v in (g.low, g.high) if np.isfinite(v)]
    reach = 1.08 * max(ends, default=0.0) or 10.0
    said = []
    for n, ((title, _), found) in enumerate(zip(parts, everyone, strict=True)):
        number, width = str(n + 1) if n else "", 1 / len(parts)
        domain = [n * width, (n + 1) * width - (0.03 if n < len(parts) - 1 else 0)]
        chart.add_trace(
            go.Scatter(
                mode="markers", y=rows, x=gapped(numbers([100 * g.value for g in found])),
                marker={"size": 9, "color": [_verdict(g, look) for g in found], "line": {"width": 0}},
                customdata=[_gain_words(name, g) for name, g in zip(names, found, strict=True)],
                hovertemplate="%{customdata}<extra></extra>", xaxis=f"x{number}", yaxis=f"y{number}",
            )
        )  # fmt: skip
        for row, g in zip(rows, found, strict=True):
            if np.isfinite(g.value):
                line = {"color": _verdict(g, look), "width": 2.5}
                place = {"xref": f"x{number}", "yref": f"y{number}"}
                chart.add_shape(
                    type="line", x0=100 * g.low, x1=100 * g.high, y0=row, y1=row, layer="below", line=line, **place
                )
        across = axis(look, "percentage points", domain=domain, anchor=f"y{number}", range=[-reach, reach], nticks=7)
        across |= {"tickformat": "+.3~g", "zeroline": True, "zerolinecolor": look.muted, "zerolinewidth": 1}
        down = axis(look, anchor=f"x{number}", tickvals=rows, ticktext=names, range=[len(rows) - 0.5, -0.5])
        down |= {"showgrid": False, "showticklabels": n == 0} | ({"matches": "y"} if n else {})
        chart.update_layout({f"xaxis{number}": across, f"yaxis{number}": down})
        headline(chart, title, domain[0], look)
        rule = {"color": look.grid, "width": 1}
        chart.add_shape(type="line", xref=f"x{number}", yref="y", x0=-reach, x1=reach, y0=1.5, y1=1.5, line=rule)
        said.append(f"{title}: " + "; ".join(_gain_words(a, g) for a, g in zip(names, found, strict=True)))
    chart.layout.meta = {"alt": ". ".join(said).replace("<b>", "").replace("</b>", "") + "."}
    return chart


def _verdict(gain: Gain, look: Theme) -> str:
    return (look.categories[0] if gain.value > 0 else look.categories[1]) if gain.sure else look.muted


def _gain_words(name: str, gain: Gain) -> str:
    if not np.isfinite(gain.value):
        return f"{name}: no image"
    return f"{name} {gain.told()}"


def confusion(
    counts: ArrayLike, class_names: Sequence[str], *, chosen: tuple[int, int] | None = None, look: Theme = LIGHT
) -> go.Figure:
    """Who is taken for whom: a row a true class, a column an answer; mistakes vermilion, right answers blue.

    counts: images (K, K). chosen: a cell to frame. Cells that hold images are points as well, with customdata
    [true, answer], so that a page can take clicks on them. Colour: the share of the row's images.
    """
    table = numbers(counts)
    k = len(class_names)
    if table.shape != (k, k):
        raise UserError(f"{k} classes need counts of shape ({k}, {k}); got {table.shape}")
    share = np.divide(table, table.sum(axis=1, keepdims=True), out=np.zeros_like(table), where=table > 0)
    few = k <= 24
    side = (34 if k <= 12 else 24) if few else 7
    n, hits = int(table.sum()), int(np.trace(table))
    chart = figure(look, height=96 + side * k, alt="", hovermode="closest", showlegend=False)
    chart.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 96 if k > 6 else 48})  # names stand aslant
    names = [label(name, 16) for name in class_names]
    own = np.eye(k, dtype=bool)
    for mask, colour in ((own, look.clean), (~own, look.adversarial)):
        ramp = [[0, mixed(colour, look.page, 0.05)], [0.3, mixed(colour, look.page, 0.4)], [1, colour]]
        z = np.where(mask, share, np.nan).astype(np.float32)
        chart.add_trace(
            go.Heatmap(z=z, zmin=0, zmax=1, colorscale=ramp, showscale=False, hoverinfo="skip", xgap=1, ygap=1)
        )
    rows, columns = np.nonzero(table)
    dark = [share[r, c] > 0.55 for r, c in zip(rows, columns, strict=True)]
    chart.add_trace(
        go.Scatter(
            mode="markers+text" if few else "markers", x=columns.tolist(), y=rows.tolist(),
            marker={"size": side - 2, "symbol": "square", "opacity": 0, "color": look.ink},
            selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
            text=[f"{int(table[r, c])}" for r, c in zip(rows, columns, strict=True)] if few else None,
            textfont={"size": 12 if side > 30 else 10, "color": [look.page if d else look.ink for d in dark]},
            customdata=[[int(r), int(c)] for r, c in zip(rows, columns, strict=True)],
            hovertext=[_cell(class_names, int(r), int(c), table, share) for r, c in zip(rows, columns, strict=True)],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )  # fmt: skip
    every = list(range(k)) if few else list(range(0, k, -(-k // 20)))
    ticks = {"tickvals": every, "ticktext": [names[i] for i in every], "showgrid": False}
    chart.update_xaxes(axis(look, "the network's answer", range=[-0.5, k - 0.5], tickangle=-40 if k > 6 else 0) | ticks)
    chart.update_yaxes(axis(look, "true class", range=[k - 0.5, -0.5]) | ticks)
    if chosen is not None:
        box = {"y0": chosen[0] - 0.5, "y1": chosen[0] + 0.5, "x0": chosen[1] - 0.5, "x1": chosen[1] + 0.5}
        chart.add_shape(type="rect", line={"color": look.ink, "width": 2}, **box)
    wrong = np.where(own, 0, table)
    r, c = (int(v) for v in np.unravel_index(int(wrong.argmax()), wrong.shape)) if k else (0, 0)
    most = f"; most often {class_names[r]} is taken for {class_names[c]}, {int(wrong[r, c])} times" if n > hits else ""
    chart.layout.meta = {"alt": f"{hits} of {n} images right{most}."}
    return chart


def _cell(names: Sequence[str], r: int, c: int, table: Numbers, share: Numbers) -> str:
    verb = "seen as such" if r == c else f"taken for {label(names[c])}"
    return (
        f"{label(names[r])} {verb}: {int(table[r, c])} of {int(table[r].sum())} ({in_percent(share[r, c], whole=True)})"
    )
