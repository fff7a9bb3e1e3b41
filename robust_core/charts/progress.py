"""An attack's way, step by step: margin, loss and probabilities under one another, over the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from robust_core.charts.series import Numbers, gapped, in_percents, numbers
from robust_core.charts.theme import LIGHT, Theme, axis, faded, figure, note, share_axis
from robust_core.types import UserError

PANEL = 118  # px


@dataclass(frozen=True, kw_only=True)
class Line:
    """One quantity over the steps; share: a probability, in [0, 1]."""

    name: str
    values: Numbers
    colour: str
    share: bool = False


def progress(
    index: Sequence[int],
    loss: ArrayLike,
    margin: ArrayLike,
    *,
    current: int | None = None,
    p_true: ArrayLike | None = None,
    p_adversarial: ArrayLike | None = None,
    fooled: Sequence[bool] | None = None,
    look: Theme = LIGHT,
) -> go.Figure:
    """An attack's way, step by step: margin (below zero = fooled), loss, and probabilities where they are given.

    index: the steps' numbers (S,); every other row is (S,). margin in logits, of the true class. current: the step
    number the visitor looks at. p_true: probability of the true class. p_adversarial: P(type = adversarial) of a
    routed network. fooled: whether the aim is reached, where that is not margin < 0 (a targeted attack).
    Values that are not finite are gaps, and the figure says how many. Raises UserError where the lengths differ.
    """
    steps = [int(i) for i in index]
    shares = (("P(true class)", p_true, look.good), ("P(type = adversarial)", p_adversarial, look.adversarial))
    panels = [
        [Line(name="margin", values=numbers(margin), colour=look.ink)],
        [Line(name="loss", values=numbers(loss), colour=look.ink)],
        [Line(name=n, values=numbers(v), colour=c, share=True) for n, v, c in shares if v is not None],
    ]
    panels = [lines for lines in panels if lines]
    for line in (line for lines in panels for line in lines):
        if line.values.shape != (len(steps),):
            raise UserError(f"{len(steps)} steps need {len(steps)} values of {line.name}, got {len(line.values)}")
    reached = panels[0][0].values < 0 if fooled is None else np.array(fooled, dtype=bool)
    first = next((step for step, hit in zip(steps, reached, strict=False) if hit), None)
    chart = figure(
        look,
        height=40 + PANEL * len(panels),
        alt=_alt(steps, panels, first),
        showlegend=False,
        hovermode="x",
    )
    for row, lines in enumerate(panels):
        _add_panel(chart, row, len(panels), lines, steps, current, look)
    _mark_fooled(chart, panels[0][0].values, first, look)
    if current is not None and current in steps:
        here = {"color": look.muted, "width": 1, "dash": "dot"}
        chart.add_shape(type="line", x0=current, x1=current, y0=0, y1=1, yref="paper", layer="below", line=here)
    remarks = [] if first is None else [f'<span style="color:{look.adversarial}">fooled from step {first}</span>']
    gaps = sum(int((~np.isfinite(line.values)).sum()) for lines in panels for line in lines)
    remarks += [f"{gaps} values are not finite: gaps"] if gaps else []
    if remarks:
        chart.add_annotation(note(look, " · ".join(remarks), xref="paper", yref="paper", x=1, y=0.995, xanchor="right"))
    return chart


def _add_panel(
    chart: go.Figure, row: int, rows: int, lines: list[Line], steps: list[int], current: int | None, look: Theme
) -> None:
    number = "" if row == 0 else str(row + 1)
    last = row == rows - 1
    top = 1 - row / rows
    bottom = top - 1 / rows + (0.02 if last else 0.03)
    across = axis(look, "step" if last else "", anchor=f"y{number}", showticklabels=last, range=_padded(steps))
    across |= {"showgrid": False, "tickformat": "d", "nticks": min(len(steps) + 1, 11)}
    place: dict[str, Any] = {"domain": [bottom, top - 0.09], "anchor": f"x{number}"}
    up = axis(look, nticks=5, **place)
    if lines[0].share:
        up = share_axis(look, at=(0, 0.5, 1), range=[-0.04, 1.04], **place)
    chart.update_layout(
        {f"xaxis{number}": across if row == 0 else across | {"matches": "x"}, f"yaxis{number}": up},
    )
    here = [step == current for step in steps]
    for line in lines:
        chart.add_trace(
            go.Scatter(
                name=line.name,
                x=steps,
                y=gapped(line.values),
                xaxis=f"x{number}",
                yaxis=f"y{number}",
                mode="lines+markers",
                line={"color": line.colour, "width": 2},
                marker={
                    "size": [11 if on else 4 for on in here],
                    "color": line.colour,
                    "opacity": 1,
                    "line": {"color": look.page, "width": [2 if on else 0 for on in here]},
                },
                connectgaps=False,
                cliponaxis=False,
                hovertext=in_percents(line.values) if line.share else [f"{v:.3f}" for v in line.values],
                hovertemplate=f"step %{{x}}: {line.name} %{{hovertext}}<extra></extra>",
            )
        )
    chart.add_annotation(note(look, _title(lines), xref="paper", yref="paper", x=0, y=top - 0.085, yanchor="bottom"))


def _title(lines: list[Line]) -> str:
    """Shares are told apart by colour and name; margin and loss have a panel each."""
    if lines[0].share:
        return "   ".join(f'<span style="color:{line.colour}">● {line.name}</span>' for line in lines)
    return "margin (logits)" if lines[0].name == "margin" else lines[0].name


def _mark_fooled(chart: go.Figure, margin: Numbers, first: int | None, look: Theme) -> None:
    """The zero line of the margin, and, where the network is fooled at all, the side below it."""
    rule = {"color": look.muted, "width": 1}
    chart.add_shape(type="line", xref="paper", x0=0, x1=1, yref="y", y0=0, y1=0, layer="below", line=rule)
    finite = margin[np.isfinite(margin)]
    low = float(finite.min()) if len(finite) else 0.0
    if first is not None and low < 0:
        tint = faded(look.adversarial, 0.10)
        chart.add_shape(
            type="rect",
            xref="paper",
            x0=0,
            x1=1,
            yref="y",
            y0=low * 1.15,
            y1=0,
            layer="below",
            line={"width": 0},
            fillcolor=tint,
        )


def _alt(steps: list[int], panels: list[list[Line]], first: int | None) -> str:
    if not steps:
        return "An attack with no steps."
    ways = [f"{line.name} from {line.values[0]:.2f} to {line.values[-1]:.2f}" for lines in panels for line in lines]
    end = "the network is never fooled" if first is None else f"fooled from step {first}"
    return f"The attack over steps {steps[0]} to {steps[-1]}: {', '.join(ways)}; {end}."


def _padded(steps: Sequence[int]) -> list[float]:
    low, high = (min(steps), max(steps)) if steps else (0, 1)
    room = 0.03 * max(high - low, 1)
    return [low - room, high + room]
