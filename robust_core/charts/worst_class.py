"""The worst class against all classes together: who is robust for everybody."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from robust_core.charts.labels import Box, place_labels
from robust_core.charts.marks import CLAIM, Checkpoint, Interval, marker, name_beside, window
from robust_core.charts.theme import LIGHT, Theme, figure, label, note, round_shares, share_axis
from robust_core.evaluation.measures import in_percent

NAMED = 24  # marks that get a name beside them, at most
SIZE = 13  # of a mark, px


def worst_against_average(
    points: Sequence[Checkpoint],
    selected: str | None = None,
    *,
    named: Sequence[str] | None = None,
    closer: bool = False,
    look: Theme = LIGHT,
    width: int = 560,
    height: int = 450,
) -> go.Figure:
    """Robust accuracy of the worst class against that of all; on the diagonal all classes would fare alike.

    One mark a checkpoint, customdata[0] its id; symbol = architecture and colour = objective, as in `tradeoff`. named:
    ids whose names are written, all by default, at most NAMED. closer: axes around the marks, each with a scale of its
    own, instead of from 0. Those without finite figures are left out.
    """
    drawn = [
        p for p in points if p.worst_class is not None and math.isfinite(p.robust) and math.isfinite(p.worst_class)
    ]
    alt = "; ".join(
        f"{p.name} {in_percent(p.robust)} over all and {in_percent(p.worst_class or 0.0)} on the worst class"
        + f" ({CLAIM})" * p.claimed
        for p in drawn
    )
    chart = figure(look, height=height, alt=f"Robust accuracy: {alt or 'no checkpoint to show'}.", hovermode="closest")
    chart.update_layout(margin={"l": 8, "r": 16, "t": 44, "b": 8}, showlegend=False)
    across, up = _spans(drawn, closer=closer)
    if not closer:  # the diagonal lies far from what is looked at closely
        _diagonal(chart, across[1], look)
    chart.add_trace(
        go.Scatter(
            mode="markers",
            x=[p.robust for p in drawn],
            y=[p.worst_class for p in drawn],
            cliponaxis=False,
            marker=marker(drawn, selected, look) | {"size": SIZE},
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
            customdata=[[p.id] for p in drawn],
            text=[_hover(p) for p in drawn],
            hovertemplate="%{text}<extra></extra>",
        )
    )  # fmt: skip
    shown = [p for p in drawn if named is None or p.id in named][:NAMED]
    canvas = (width - 90.0, height - 110.0)
    scale = canvas[0] / (across[1] - across[0]), canvas[1] / (up[1] - up[0])

    def mark(p: Checkpoint) -> Box:
        return Box.around((p.robust - across[0]) * scale[0], ((p.worst_class or 0.0) - up[0]) * scale[1], SIZE, SIZE)

    texts = [p.name if len(p.name) <= 28 else p.name[:27] + "…" for p in shown]
    unnamed = [mark(p) for p in drawn if p not in shown]
    remark = [] if closer else [_alike(across, canvas)]
    places = place_labels([mark(p) for p in shown], texts, canvas, size=12, unnamed=unnamed, keep_off=remark)
    for p, text, place in zip(shown, texts, places, strict=True):
        chart.add_annotation(name_beside((p.robust, p.worst_class or 0.0), label(text, 28), place, SIZE, look))
    chart.update_xaxes(share_axis(look, "robust accuracy, all classes", at=round_shares(*across), range=across))
    chart.update_yaxes(share_axis(look, "robust accuracy, worst class", at=round_shares(*up), range=up))
    return chart


def _spans(drawn: Sequence[Checkpoint], *, closer: bool) -> tuple[Interval, Interval]:
    """The ranges of both axes."""
    if closer:
        return window([p.robust for p in drawn], 0.05), window([p.worst_class or 0.0 for p in drawn], 0.05)
    top = min(1.0, max([p.robust for p in drawn], default=0.9) + 0.12)
    return (-0.04 * top, top), (-0.04 * top, top)


def _diagonal(chart: go.Figure, top: float, look: Theme) -> None:
    line = {"color": look.muted, "width": 1, "dash": "dot"}
    chart.add_shape(type="line", x0=0, y0=0, x1=top, y1=top, layer="below", line=line)
    told = {"x": 0.62 * top, "y": 0.62 * top, "xanchor": "right", "yanchor": "bottom", "xshift": -6}
    chart.add_annotation(note(look, "all classes alike", **told))


def _alike(span: Interval, canvas: tuple[float, float]) -> Box:
    """Where the diagonal's remark stands, px."""
    x, y = ((0.62 * span[1] - span[0]) / (span[1] - span[0]) * side for side in canvas)
    return Box(x - 100, y, x - 6, y + 15)


def _hover(p: Checkpoint) -> str:
    rows = [f"<b>{label(p.name, 48)}</b>"] + [f"<i>{CLAIM}</i>"] * p.claimed
    rows += [f"all classes {in_percent(p.robust)}", f"worst class {in_percent(p.worst_class or 0.0)}"]
    rows += [label(p.attack, 90), f"n = {p.n:,}"]
    return "<br>".join(rows)
