"""A training class by class: temperatures and accuracies as class × epoch maps, and one epoch as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from robust_core.charts.series import Numbers, gapped
from robust_core.charts.theme import LIGHT, Theme, axis, figure, label, mixed, note
from robust_core.explain.temperatures import Story
from robust_core.types import UserError

MANY = 24  # classes from which on rows are thin and not all are named


@dataclass(frozen=True, kw_only=True)
class _Map:
    title: str
    values: Numbers
    kind: str  # "tau", "robust", "clean" or "risk"


def class_maps(
    told: Story, class_names: Sequence[str], *, order: Sequence[int], current: int | None = None, look: Theme = LIGHT
) -> go.Figure:
    """Maps of a row a class and a column an epoch, all on the same axes: attacked on top, clean below.

    With temperatures: τ_adv beside robust and τ_nat beside clean accuracy; taught by soft labels without them: the
    error risks in their place; else the accuracies alone. order: the classes from top to bottom. current: the epoch to
    frame. Gaps are empty cells. Raises UserError where the names or the order do not fit the story.
    """
    names = _fitting(told, class_names, order)
    maps = _maps(told)
    wide, high = (2, max(len(maps) // 2, 1)) if len(maps) > 2 else (len(maps), 1)
    room = len(names) * (20 if len(names) <= MANY else 5)
    chart = figure(look, height=24 + high * (room + 62), alt=_maps_alt(told, class_names, maps))
    chart.update_layout(margin={"l": 8, "r": 8, "t": 30, "b": 44})
    whole = 24 + high * (room + 62) - 74
    for n, part in enumerate(maps):
        left, top = (n % wide) * (1 / wide + 0.012), 1 - (n // wide) * (room + 62) / max(whole, 1)
        across = [left, left + 1 / wide - 0.075]
        _one_map(chart, n, part, names, told, order, look, across=across, up=[max(top - room / whole, 0), top])
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
    return found


def _one_map(
    chart: go.Figure, n: int, part: _Map, names: list[str], told: Story, order: Sequence[int], look: Theme,
    *, across: list[float], up: list[float],
) -> None:  # fmt: skip
    number = str(n + 1) if n else ""
    values = part.values[list(order)]
    scale, low, high, ticks = _scale(part, values, look)
    unit = ":.1%" if part.kind in ("robust", "clean") else ":.3f"
    chart.add_trace(
        go.Heatmap(
            x=told.epochs,
            y=names,
            z=values.astype(np.float32),  # packed, so that 300 epochs × 100 classes travel light
            zmin=low,
            zmax=high,
            colorscale=scale,
            xgap=1 if len(told.epochs) <= 60 else 0,
            ygap=1 if len(names) <= MANY else 0,
            hoverongaps=False,
            hovertemplate=f"%{{y}}, epoch %{{x}}<br>{part.title} %{{z{unit}}}<extra></extra>",
            colorbar={
                "x": across[1] + 0.006, "xanchor": "left", "xpad": 0, "y": (up[0] + up[1]) / 2, "yanchor": "middle",
                "len": up[1] - up[0], "ypad": 0, "thickness": 7, "outlinewidth": 0, "tickvals": ticks,
                "tickformat": ".0%" if part.kind in ("robust", "clean") else ".3~g",
                "tickfont": {"size": 11, "color": look.muted},
            },
            xaxis=f"x{number}",
            yaxis=f"y{number}",
        )
    )  # fmt: skip
    last = max(len(told.epochs), 1)
    ends = axis(
        look,
        "epoch" if up[0] < 0.01 else "",
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


def _scale(part: _Map, values: Numbers, look: Theme) -> tuple[list[list[Any]], float, float, list[float]]:
    """Colour scale, its ends and the ticks beside it."""
    known = values[np.isfinite(values)]
    if part.kind == "tau":
        sharp, soft = look.categories[1], look.categories[0]
        reach = max(float(np.abs(known - 1).max(initial=0.0)), 0.05)
        low, high = float(known.min(initial=1.0)), float(known.max(initial=1.0))
        steps = [
            [0, sharp],
            [0.25, mixed(sharp, look.page, 0.45)],
            [0.5, look.grid],
            [0.75, mixed(soft, look.page, 0.45)],
        ]
        return [*steps, [1, soft]], 1 - reach, 1 + reach, sorted({low, 1.0, high})
    if part.kind == "risk":
        top = float(known.max(initial=0.0)) or 1.0
        return _ramp(look.muted, look), 0.0, top, [0.0, round(top / 2, 2), round(top, 2)]
    return _ramp(look.adversarial if part.kind == "robust" else look.clean, look), 0.0, 1.0, [0.0, 0.5, 1.0]


def _ramp(colour: str, look: Theme) -> list[list[Any]]:
    return [[0, mixed(colour, look.page, 0.06)], [0.5, mixed(colour, look.page, 0.42)], [1, colour]]


def _frame_epoch(chart: go.Figure, n: int, current: int | None, rows: int, look: Theme) -> None:
    if current is not None:
        number = str(n + 1) if n else ""
        box = {"x0": current - 0.5, "x1": current + 0.5, "y0": -0.5, "y1": rows - 0.5}
        chart.add_shape(
            type="rect", xref=f"x{number}", yref=f"y{number}", line={"color": look.ink, "width": 1.5}, **box
        )


def _maps_alt(told: Story, class_names: Sequence[str], maps: list[_Map]) -> str:
    if not maps or not len(told.epochs):
        return "No finished epoch yet: no maps."
    said = []
    for part in maps:
        last = part.values[:, -1]
        if np.isfinite(last).any():
            low, high = int(np.nanargmin(last)), int(np.nanargmax(last))
            title = part.title.replace("<sub>", "_").replace("</sub>", "")
            said.append(f"{title} from {last[low]:.2f} ({class_names[low]}) to {last[high]:.2f} ({class_names[high]})")
    return f"Maps of {len(class_names)} classes over {len(told.epochs)} epochs; after the last: {'; '.join(said)}."


def class_bars(
    told: Story, class_names: Sequence[str], *, epoch: int, order: Sequence[int], look: Theme = LIGHT
) -> go.Figure:
    """One epoch, a row a class: temperatures (from 1), error risks with their mean, accuracies; clean above attacked.

    Only what the run has. Raises UserError where the epoch, the names or the order do not fit the story.
    """
    names = _fitting(told, class_names, order)
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
        base, form = (1.0 if "tau" in clean else 0.0), ".0%" if last else ".2f"
        for name, key, colour in (("clean", clean, look.clean), ("attacked", attacked, look.adversarial)):
            values = told.classes.get(key, np.full((len(names), len(told.epochs)), np.nan))[:, epoch - 1][list(order)]
            _bars(chart, number, name, values, names, base, form, colour, look, legend=n == 0)
            mean = np.nanmean(values) if np.isfinite(values).any() else np.nan
            if "risk" in key and np.isfinite(mean):
                line = {"color": colour, "width": 1, "dash": "dot"}
                where = {"xref": f"x{number}", "yref": "paper", "x0": mean, "x1": mean, "y0": 0, "y1": 1}
                chart.add_shape(type="line", line=line, layer="below", opacity=0.55, **where)  # under the figures
            said.append(f"{name} {title} {_ends(values, names)}")
        width = 1 / len(parts)
        domain = [n * width, (n + 1) * width - (0.03 if n < len(parts) - 1 else 0)]
        across = axis(look, domain=domain, anchor=f"y{number}", tickformat=".0%" if last else ".2~f", nticks=5)
        across |= {"range": _room(told, (clean, attacked), base)}
        across |= {"range": [0, 1.13], "tickvals": [0, 0.25, 0.5, 0.75, 1]} if last else {}
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
    chart: go.Figure, number: str, name: str, values: Numbers, names: list[str], base: float, form: str,
    colour: str, look: Theme, *, legend: bool,
) -> None:  # fmt: skip
    known = np.isfinite(values)
    small = len(names) > MANY
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
            text=[f"{v:{form}}" if ok and not small else "" for v, ok in zip(values, known, strict=True)],
            textposition="outside",
            textfont={"size": 10.5, "color": look.muted},
            constraintext="none",
            cliponaxis=False,
            customdata=[
                f"{n}, {name}: {v:{form}}" if ok else "" for n, v, ok in zip(names, values, known, strict=True)
            ],
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


def _fitting(told: Story, class_names: Sequence[str], order: Sequence[int]) -> list[str]:
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
