"""Clean against robust accuracy of every checkpoint: the picture the whole project is about."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Sequence

import plotly.graph_objects as go

from robust_core.charts.labels import Box, place_labels
from robust_core.charts.marks import (
    CLAIM,
    Checkpoint,
    Interval,
    architecture_symbol,
    marker,
    method_colour,
    name_beside,
    whiskers,
    window,
)
from robust_core.charts.theme import LIGHT, Theme, figure, label, note, round_shares, share_axis
from robust_core.evaluation.measures import in_percent
from robust_core.names import called


def tradeoff(
    points: Sequence[Checkpoint],
    selected: str | None = None,
    *,
    named: Collection[str] | None = None,
    look: Theme = LIGHT,
    width: int = 760,
    height: int = 460,
) -> go.Figure:
    """One mark a checkpoint; each mark's customdata[0] is its id, for `st.plotly_chart(on_select="rerun")`.

    Symbol = architecture (open: claimed, not measured here), colour = objective, area = robust accuracy of the worst
    class, whiskers = 95 % intervals, grey diagonals = equal W-Robust = ½·clean + ½·robust, a dotted fall to a
    triangle = a far lower worst case that the card knows. width: px the labels are
    laid out for; a wider page only gives them more room. named: the ids whose names are written beside their marks, by
    default all; among hundreds of marks a place for each takes long to find. Checkpoints whose accuracies are not
    finite are left out, and counted in a remark.
    """
    drawn = [p for p in points if math.isfinite(p.clean) and math.isfinite(p.robust)]
    chart = figure(look, height=height, alt=_alt(drawn), hovermode="closest", margin={"l": 8, "r": 16, "t": 44, "b": 8})
    x_range = window([v for p in drawn for v in (p.clean, *(p.clean_interval or ()))], 0.1)
    y_range = window([v for p in drawn for v in (p.robust, *(p.robust_interval or ()))], 0.1)
    # A fall may make the picture twice as high, and goes on below it.
    y_range = (
        max(min([y_range[0], *(to - 0.03 for p in drawn for to in _fall(p))]), 2 * y_range[0] - y_range[1]),
        y_range[1],
    )
    # What the legend, the ticks and the margins take; the rest is where marks and labels lie.
    canvas = (width - 90.0, height - 110.0)
    lines = _diagonals(chart, x_range, y_range, canvas, look)
    for p in drawn:
        if p.falls_to is not None:
            chart.add_trace(_falling(p, p.falls_to, look))
    architectures = list(dict.fromkeys(p.architecture for p in drawn))
    for architecture in architectures:
        rows = [p for p in drawn if p.architecture == architecture]
        chart.add_trace(_marks(rows, architecture, selected, look))
    _legend(chart, drawn, architectures, look)
    _names(chart, drawn, named, selected, x_range, y_range, canvas, lines, look)
    chart.update_xaxes(share_axis(look, "clean accuracy", at=round_shares(*x_range), range=x_range))
    chart.update_yaxes(share_axis(look, "robust accuracy", at=round_shares(*y_range), range=y_range))
    remark = "▼ a far lower worst case; " * any(p.falls_to is not None for p in drawn)
    remark += "size: worst class's robust accuracy"
    if len(drawn) < len(points):
        remark += f"; {len(points) - len(drawn)} without finite accuracies left out"
    if not drawn:
        remark = "no checkpoint to show yet"
    chart.add_annotation(note(look, remark, xref="paper", yref="paper", x=1, y=1.02, xanchor="right", yanchor="bottom"))
    return chart


def _size(p: Checkpoint) -> float:
    """Diameter in px: area grows with the worst class's accuracy, from a mark one can still click."""
    worst = 0.0 if p.worst_class is None or not math.isfinite(p.worst_class) else min(max(p.worst_class, 0.0), 1.0)
    return math.sqrt(11**2 + worst * (28**2 - 11**2))


def _marks(rows: list[Checkpoint], name: str, selected: str | None, look: Theme) -> go.Scatter:
    return go.Scatter(
        name=name,
        x=[p.clean for p in rows],
        y=[p.robust for p in rows],
        mode="markers",
        showlegend=False,
        marker=marker(rows, selected, look) | {"size": [_size(p) for p in rows]},
        # Streamlit marks a click by fading the rest; the page redraws with `selected`, so nothing need fade.
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        error_x=whiskers([p.clean for p in rows], [p.clean_interval for p in rows], look.muted),
        error_y=whiskers([p.robust for p in rows], [p.robust_interval for p in rows], look.muted),
        customdata=[[p.id] for p in rows],
        text=[_hover(p) for p in rows],
        hovertemplate="%{text}<extra></extra>",
        cliponaxis=False,
    )


def _fall(p: Checkpoint) -> tuple[float, ...]:
    return () if p.falls_to is None else (p.falls_to,)


def _falling(p: Checkpoint, to: float, look: Theme) -> go.Scatter:
    """From the mark down to what stronger attacks leave."""
    colour = method_colour(p.method, look)
    told = [
        f"<b>{label(p.name, 48)}</b>",
        f"falls to {in_percent(to)}:",
        *(label(line, 60) for line in textwrap.wrap(p.falls, 56)),
    ]
    return go.Scatter(
        x=[p.clean, p.clean],
        y=[p.robust, to],
        mode="lines+markers",
        showlegend=False,
        line={"color": colour, "width": 1.5, "dash": "dot"},
        marker={"symbol": "triangle-down", "size": [0, 9], "color": colour},
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        text=["", "<br>".join(told)],
        hovertemplate="%{text}<extra></extra>",
    )


def _hover(p: Checkpoint) -> str:
    rows = [f"<b>{label(p.name, 48)}</b>", f"{label(called(p.architecture))} · {label(called(p.method))}"]
    rows += [f"<i>{CLAIM}</i>"] if p.claimed else []
    rows.append(f"clean {in_percent(p.clean, *(p.clean_interval or ()))}")
    rows.append(f"robust {in_percent(p.robust, *(p.robust_interval or ()))}")
    rows.append(f"W-Robust {in_percent(p.w_robust)}")
    if p.worst_class is not None:
        rows.append(f"worst class, robust {in_percent(p.worst_class)}")
    rows += [label(p.attack, 90)] if p.attack else []
    rows += [f"<i>falls to {in_percent(p.falls_to)} in a worst case</i>"] if p.falls_to is not None else []
    measured = [f"ε = {label(p.eps)}" if p.eps else "", f"n = {p.n:,}" if p.n else ""]
    measured.append("" if p.seed is None or "seed" in p.attack else f"seed {p.seed}")
    rows.append(" · ".join(part for part in measured if part))
    return "<br>".join(rows)


def _diagonals(
    chart: go.Figure, x_range: Interval, y_range: Interval, canvas: tuple[float, float], look: Theme
) -> list[Box]:
    """Lines of equal W-Robust w: robust = 2w - clean, each named under its lower end. Returns the names' boxes, px."""
    across, up = x_range[1] - x_range[0], y_range[1] - y_range[0]
    fall = (across / up) * (canvas[1] / canvas[0])  # px downwards for a px to the right
    lowest, highest = (x_range[0] + y_range[0]) / 2, (x_range[1] + y_range[1]) / 2
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if (highest - lowest) / s <= 8)
    boxes = []
    for k in range(math.ceil(lowest / step), math.floor(highest / step) + 1):
        w = k * step
        start, end = max(x_range[0], 2 * w - y_range[1]), min(x_range[1], 2 * w - y_range[0])
        chart.add_shape(
            type="line",
            x0=start,
            y0=2 * w - start,
            x1=end,
            y1=2 * w - end,
            layer="below",
            line={"color": look.muted, "width": 1, "dash": "dot"},
            opacity=0.5,
        )
        x, y = (end - x_range[0]) / across * canvas[0], (2 * w - end - y_range[0]) / up * canvas[1]
        at_right = end == x_range[1]
        # At the right edge the name hangs under the line; at the bottom it stands left of it, where the line is high.
        if not (y > 18 if at_right else x > 60 and fall * 44 > 16):
            continue
        boxes.append(Box(x - 47, y - 16, x, y) if at_right else Box(x - 49, y, x - 4, y + 16))
        chart.add_annotation(
            note(
                look,
                f"W {in_percent(w, whole=True)}",
                x=end,
                y=2 * w - end,
                xanchor="right",
                yanchor="top" if at_right else "bottom",
                xshift=0 if at_right else -14 / max(fall, 0.3),
                font={"size": 10, "color": look.muted},
            )
        )
    return boxes


def _legend(chart: go.Figure, drawn: list[Checkpoint], architectures: list[str], look: Theme) -> None:
    """Legend entries of their own, so that symbol and colour are each explained once."""
    entries = [(a, architecture_symbol(a), look.muted) for a in architectures]
    entries += [(m, "circle", method_colour(m, look)) for m in dict.fromkeys(p.method for p in drawn)]
    entries += [("as a card claims", "circle-open", look.muted)] if any(p.claimed for p in drawn) else []
    for name, symbol, colour in entries:
        if name:
            chart.add_trace(
                go.Scatter(
                    name=label(called(name)),
                    x=[None],
                    y=[None],
                    mode="markers",
                    hoverinfo="skip",
                    marker={"symbol": symbol, "color": colour, "size": 10},
                )
            )
    # Above the remark on sizes, which stands on the plot's right edge.
    chart.update_layout(legend={"itemclick": False, "itemdoubleclick": False, "y": 1.07})


def _names(
    chart: go.Figure,
    drawn: list[Checkpoint],
    named: Collection[str] | None,
    selected: str | None,
    x_range: Interval,
    y_range: Interval,
    canvas: tuple[float, float],
    lines: list[Box],
    look: Theme,
) -> None:
    def across(clean: float) -> float:
        return (clean - x_range[0]) / (x_range[1] - x_range[0]) * canvas[0]

    def up(robust: float) -> float:
        return (robust - y_range[0]) / (y_range[1] - y_range[0]) * canvas[1]

    shown = [p for p in drawn if named is None or p.id in named]
    others = [p for p in drawn if p not in shown]

    def mark(p: Checkpoint) -> Box:
        return Box.around(across(p.clean), up(p.robust), _size(p), _size(p))

    keep_off = list(lines)
    keep_off += [
        Box(across(i[0]), up(p.robust) - 3, across(i[1]), up(p.robust) + 3) for p in shown if (i := p.clean_interval)
    ]
    keep_off += [
        Box(across(p.clean) - 3, up(i[0]), across(p.clean) + 3, up(i[1])) for p in shown if (i := p.robust_interval)
    ]
    keep_off += [
        Box(across(p.clean) - 6, up(to) - 8, across(p.clean) + 6, up(p.robust)) for p in drawn for to in _fall(p)
    ]
    texts = [p.name if len(p.name) <= 28 else p.name[:27] + "…" for p in shown]
    unnamed = [mark(p) for p in others]
    places = place_labels([mark(p) for p in shown], texts, canvas, size=12, unnamed=unnamed, keep_off=keep_off)
    for p, text, place in zip(shown, texts, places, strict=True):
        shown_as = label(text, 28)
        shown_as = f"<b>{shown_as}</b>" if p.id == selected else shown_as
        chart.add_annotation(name_beside((p.clean, p.robust), shown_as, place, _size(p), look))


def _alt(drawn: list[Checkpoint]) -> str:
    if not drawn:
        return "Clean against robust accuracy: no checkpoint to show."
    rows = [
        f"{p.name} {in_percent(p.clean)} clean and {in_percent(p.robust)} robust{f' ({CLAIM})' * p.claimed}"
        + ("" if p.falls_to is None else f", {in_percent(p.falls_to)} in a worst case")
        for p in drawn
    ]
    best = max((p for p in drawn if p.ranked and not p.claimed), key=lambda p: p.w_robust, default=None)
    said = f"{len(drawn)} checkpoint{'s' if len(drawn) > 1 else ''}: {'; '.join(rows)}."
    return f"Clean against robust accuracy of {said}" + (
        f" Best W-Robust: {best.name}, {in_percent(best.w_robust)}." if best else ""
    )
