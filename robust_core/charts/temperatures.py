"""A training class by class: temperatures and accuracies as class × epoch maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from robust_core.charts.series import Numbers, gapped
from robust_core.charts.theme import LIGHT, Theme, axis, figure, label, mixed, note
from robust_core.evaluation.measures import in_percent
from robust_core.explain.temperatures import Story
from robust_core.types import UserError

MANY = 24  # classes from which on rows are thin and not all are named
BARELY = math.log(1.05)  # a largest |log τ| below which the colours stay pale: all classes are taught about alike
CLOSE = 0.08  # of a colour bar: a tick nearer than that to the one at τ = 1 would lie on it
LEVERS = {"weight": "weight in the loss", "margin": "ε of the class, over ε"}
ROOM = 64  # px below a map: its ticks, the word below them and the next map's title


@dataclass(frozen=True, kw_only=True)
class _Map:
    title: str
    values: Numbers
    kind: str  # "tau", "lever", "robust", "clean" or "risk"


def class_maps(
    told: Story, class_names: Sequence[str], *, order: Sequence[int], current: int | None = None,
    kept: int | None = None, look: Theme = LIGHT,
) -> go.Figure:  # fmt: skip
    """Maps of a row a class and a column an epoch, all on the same axes: attacked on top, clean below.

    With temperatures: τ_adv beside robust and τ_nat beside clean accuracy; taught by soft labels without them: the
    error risks in their place; else the accuracies alone. Below, where they ever left 1: the classes' weights in the
    loss and what their inner attack has of ε. order: the classes from top to bottom. current: the epoch to
    frame. kept: the epoch whose weights the run kept, marked by a rule. Gaps are empty cells. Raises UserError where
    the names or the order do not fit the story.
    """
    names = fitting(told, class_names, order)
    maps = _maps(told)
    wide, high = (2, -(-len(maps) // 2)) if len(maps) > 2 else (len(maps), 1)
    room = len(names) * (20 if len(names) <= MANY else 5)
    chart = figure(look, height=24 + high * (room + ROOM), alt=_maps_alt(told, class_names, maps, kept))
    chart.update_layout(margin={"l": 8, "r": 8, "t": 30, "b": 44})
    whole = 24 + high * (room + ROOM) - 74
    for n, part in enumerate(maps):
        left, top = (n % wide) * (1 / wide + 0.012), 1 - (n // wide) * (room + ROOM) / max(whole, 1)
        across = [left, left + 1 / wide - 0.075]
        _one_map(chart, n, part, names, told, order, look, across=across, up=[max(top - room / whole, 0), top])
        _mark_kept(chart, n, kept, across[1], top, look)
        _frame_epoch(chart, n, current, len(names), look)
    if not maps or not len(told.epochs):
        chart.add_annotation(note(look, "no finished epoch yet", xref="paper", yref="paper", x=0, y=1))
    return chart


def _maps(told: Story) -> list[_Map]:
    rows = told.classes
    robust = _Map(title="robust accuracy", values=rows["robust"], kind="robust") if "robust" in rows else None
    clean = _Map(title="clean accuracy", values=rows["clean"], kind="clean") if "clean" in rows else None
    if told.tempered:
        left = (
            ("τ<sub>adv</sub>, labels of attacked images", "tau_adv"),
            ("τ<sub>nat</sub>, labels of clean ones", "tau_nat"),
        )
        kind = "tau"
    else:
        left = ("error risk, attacked (nats)", "risk_adv"), ("error risk, clean (nats)", "risk_nat")
        kind = "risk"
    found = []
    for (title, name), beside in zip(left, (robust, clean), strict=True):
        if name in rows:
            found.append(_Map(title=title, values=rows[name], kind=kind))
        if beside is not None:
            found.append(beside)
    return found + [_Map(title=title, values=rows[n], kind="lever") for n, title in LEVERS.items() if told.moved(n)]


def _one_map(
    chart: go.Figure, n: int, part: _Map, names: list[str], told: Story, order: Sequence[int], look: Theme,
    *, across: list[float], up: list[float],
) -> None:  # fmt: skip
    number = str(n + 1) if n else ""
    values = part.values[list(order)]
    scale = _scale(part, values, look)
    shown = "%{z:.3f}"
    said: Any = None
    if part.kind in ("tau", "lever"):  # coloured by its logarithm, told as it is
        shown, said = "%{customdata:.3f}", [gapped(np.round(row, 4)) for row in values]
        values = _logs(values)
    elif part.kind in ("robust", "clean"):
        shown, said = "%{customdata:.1f}\u00a0%", (100 * values).astype(np.float32)
    chart.add_trace(
        go.Heatmap(
            x=told.epochs,
            y=names,
            z=values.astype(np.float32),  # packed, so that 300 epochs × 100 classes travel light
            customdata=said,
            zmin=scale.low,
            zmax=scale.high,
            colorscale=scale.colours,
            xgap=1 if len(told.epochs) <= 60 else 0,
            ygap=1 if len(names) <= MANY else 0,
            hoverongaps=False,
            hovertemplate=f"%{{y}}, epoch %{{x}}<br>{part.title} {shown}<extra></extra>",
            colorbar={
                "x": across[1] + 0.006, "xanchor": "left", "xpad": 0, "y": (up[0] + up[1]) / 2, "yanchor": "middle",
                "len": up[1] - up[0], "ypad": 0, "thickness": 7, "outlinewidth": 0,
                "tickvals": list(scale.ticks), "ticktext": list(scale.ticks.values()),
                "tickfont": {"size": 11, "color": look.muted},
            },
            xaxis=f"x{number}",
            yaxis=f"y{number}",
        )
    )  # fmt: skip
    last = max(len(told.epochs), 1)
    ends = axis(
        look,
        "epoch",
        domain=across,
        anchor=f"y{number}",
        range=[0.5, last + 0.5],
        showgrid=False,
        tickformat="d",
    )
    ends |= {"nticks": min(last, 10) + 1} if last > 1 else {"tickvals": [1]}
    rows: dict[str, Any] = axis(
        look, domain=up, anchor=f"x{number}", showgrid=False, autorange="reversed", type="category"
    )
    rows |= {"showticklabels": across[0] == 0} | ({} if len(names) <= MANY else {"nticks": 20})
    if n:
        ends, rows = ends | {"matches": "x"}, rows | {"matches": "y"}
    chart.update_layout({f"xaxis{number}": ends, f"yaxis{number}": rows})
    headline(chart, part.title, across[0], look, y=up[1])


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """colours from low to high, as Plotly has them; ticks: the words of the bar beside it, by their place on it."""

    colours: list[list[Any]]
    low: float
    high: float
    ticks: dict[float, str]


def _scale(part: _Map, values: Numbers, look: Theme) -> _Scale:
    if part.kind in ("tau", "lever"):  # what favours a class has one colour: a sharp label, a weight or an ε above 1
        favoured, spared = look.categories[1], look.categories[0]
        ends = (favoured, spared) if part.kind == "tau" else (spared, favoured)
        return _factor_scale(_logs(values), ends, look)
    if part.kind == "risk":
        top = float(values[np.isfinite(values)].max(initial=0.0)) or 1.0
        ticks = {v: f"{v:.3g}" for v in (0.0, top / 2, top)}
        return _Scale(colours=_ramp(look.muted, look), low=0.0, high=top, ticks=ticks)
    colours = _ramp(look.adversarial if part.kind == "robust" else look.clean, look)
    return _Scale(colours=colours, low=0.0, high=1.0, ticks={v: in_percent(v, whole=True) for v in (0.0, 0.5, 1.0)})


def _logs(factors: Numbers) -> Numbers:
    """A temperature divides: τ = 2 softens as ½ sharpens. What is no factor is a gap."""
    return np.log(np.where(factors > 0, factors, np.nan))


def _factor_scale(logs: Numbers, ends: tuple[str, str], look: Theme) -> _Scale:
    """Equally far from the neutral 1 on either side, in logarithms; the bar ends where the factors do. ends: the
    colours far below 1 and far above it."""
    known = logs[np.isfinite(logs)]
    low, high = float(known.min(initial=0.0)), float(known.max(initial=0.0))
    reach = max(-low, high)
    ticks = {at: f"{math.exp(at):.3g}" for at in (low, 0.0, high) if not at or abs(at) > CLOSE * (high - low)}
    if reach < BARELY:
        low, high, reach = -BARELY, BARELY, BARELY
    below, above = ends
    pale = [(-0.5, mixed(below, look.page, 0.45)), (0.0, look.grid), (0.5, mixed(above, look.page, 0.45))]
    anchors = [(at * reach, colour) for at, colour in [(-1.0, below), *pale, (1.0, above)]]
    inside = [(at, colour) for at, colour in anchors if low < at < high]
    stops = [(low, _between(anchors, low)), *inside, (high, _between(anchors, high))]
    colours = [[(at - low) / (high - low), colour] for at, colour in stops]
    return _Scale(colours=colours, low=low, high=high, ticks=ticks)


def _between(anchors: Sequence[tuple[float, str]], at: float) -> str:
    """The colour at this place of a scale."""
    for (left, before), (right, after) in pairwise(anchors):
        if at <= right:
            return mixed(after, before, max(at - left, 0.0) / (right - left))
    return anchors[-1][1]


def _ramp(colour: str, look: Theme) -> list[list[Any]]:
    return [[0, mixed(colour, look.page, 0.06)], [0.5, mixed(colour, look.page, 0.42)], [1, colour]]


def _frame_epoch(chart: go.Figure, n: int, current: int | None, rows: int, look: Theme) -> None:
    if current is not None:
        number = str(n + 1) if n else ""
        box = {"x0": current - 0.5, "x1": current + 0.5, "y0": -0.5, "y1": rows - 0.5}
        chart.add_shape(
            type="rect", xref=f"x{number}", yref=f"y{number}", line={"color": look.ink, "width": 1.5}, **box
        )


def _mark_kept(chart: go.Figure, n: int, kept: int | None, right: float, top: float, look: Theme) -> None:
    if kept is not None:
        number = str(n + 1) if n else ""
        rule = {"color": look.ink, "width": 1, "dash": "dot"}
        where = {"xref": f"x{number}", "yref": f"y{number} domain"}
        chart.add_shape(type="line", x0=kept, x1=kept, y0=0, y1=1, line=rule, **where)
        words = note(look, f"┊ kept: epoch {kept}", xref="paper", yref="paper", x=right, y=top, xanchor="right")
        chart.add_annotation(words | {"yanchor": "bottom", "yshift": 3})


def _maps_alt(told: Story, class_names: Sequence[str], maps: list[_Map], kept: int | None) -> str:
    if not maps or not len(told.epochs):
        return "No finished epoch yet: no maps."
    said = []
    for part in maps:
        last = part.values[:, -1]
        if np.isfinite(last).any():
            low, high = int(np.nanargmin(last)), int(np.nanargmax(last))
            title = part.title.replace("<sub>", "_").replace("</sub>", "")
            said.append(f"{title} from {last[low]:.2f} ({class_names[low]}) to {last[high]:.2f} ({class_names[high]})")
    held = f" The weights kept are those of epoch {kept}." if kept is not None else ""
    size = f"{len(class_names)} classes over {len(told.epochs)} epochs"
    return f"Maps of {size}; after the last: {'; '.join(said)}.{held}"


def fitting(told: Story, class_names: Sequence[str], order: Sequence[int]) -> list[str]:
    """The names in this order as unique plain text."""
    k = told.num_classes or len(class_names)
    if len(class_names) != k or sorted(order) != list(range(k)):
        raise UserError(f"the story has {k} classes; got {len(class_names)} names and {len(order)} places")
    seen: dict[str, int] = {}
    names = []
    for c in order:
        name = label(class_names[c], 18)
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def headline(chart: go.Figure, title: str, x: float, look: Theme, y: float = 1.0) -> None:
    """What a panel shows, above its left end; x and y in shares of the plot."""
    words = note(look, title, xref="paper", yref="paper", x=x, y=y, yanchor="bottom", yshift=3)
    chart.add_annotation(words | {"font": {"size": 13, "color": look.ink}})
