"""Do the papers' claims hold here: a row a claim, by how much the method beats its rival, with the interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from robust_core.charts.theme import LIGHT, Theme, axis, figure, label, note

Answer = Literal["holds", "fails", "open", "unequal"]
ROW = 46  # px high
WORDS: dict[Answer, str] = {
    "holds": "holds here", "fails": "does not hold here", "open": "undecided here", "unequal": "trained differently",
}  # fmt: skip
SYMBOLS: dict[Answer, str] = {"holds": "circle", "fails": "x", "open": "circle-open", "unequal": "diamond-open"}


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A claim and what came out. gain, low, high: points by which the method fares better, with the 95 % interval.

    told: both figures, "76.9 and 75.4 %". known: on what, for the one who points at it.
    """

    title: str
    told: str
    known: str
    answer: Answer
    gain: float
    low: float
    high: float


def claims(answers: Sequence[Claimed], *, look: Theme = LIGHT) -> go.Figure:
    """The claims from above in the order given: right of the line the method fares better."""
    chart = figure(look, height=64 + ROW * len(answers), alt=_alt(answers), margin={"l": 8, "r": 8, "t": 8, "b": 44})
    paint = {"holds": look.good, "fails": look.adversarial, "open": look.muted, "unequal": look.muted}
    for at, one in enumerate(answers):
        colour = paint[one.answer]
        chart.add_trace(
            go.Scatter(
                x=[one.gain],
                y=[at],
                mode="markers",
                marker={
                    "symbol": SYMBOLS[one.answer], "size": 11, "color": colour, "line": {"width": 2, "color": colour},
                },
                error_x={
                    "array": [one.high - one.gain], "arrayminus": [one.gain - one.low], "color": colour,
                    "thickness": 1.8, "width": 5,
                },
                showlegend=False,
                hovertemplate=f"{label(one.title, 80)}<br>{one.gain:+.1f} points [{one.low:+.1f}, {one.high:+.1f}]<br>"
                f"{_wrapped(one.known)}<extra></extra>",
            )
        )  # fmt: skip
        said = f'<b>{WORDS[one.answer]}</b><br><span style="color:{look.muted}">{label(one.told, 40)}</span>'
        chart.add_annotation(
            note(look, said, xref="paper", yref="y", x=1, y=at, xanchor="left", yanchor="middle", xshift=14)
            | {"font": {"size": 12.5, "color": colour}}
        )
    chart.add_vline(x=0, line={"color": look.muted, "width": 1})
    reach = max([1.0, *(max(abs(one.low), abs(one.high)) for one in answers)]) * 1.06
    chart.update_layout(
        margin_r=150,
        xaxis=axis(look, "points by which the method fares better than its rival", range=[-reach, reach], nticks=9),
        yaxis=axis(
            look, tickvals=list(range(len(answers))), ticktext=[label(one.title, 60) for one in answers],
            range=[len(answers) - 0.5, -0.5], showgrid=False,
        )
        | {"tickfont": {"size": 13, "color": look.ink}},
    )  # fmt: skip
    return chart


def _wrapped(text: str, width: int = 70) -> str:
    lines = [""]
    for word in label(text, 400).split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += word + " "
    return "<br>".join(line.rstrip() for line in lines)


def _alt(answers: Sequence[Claimed]) -> str:
    told = [
        f"{one.title}: {WORDS[one.answer]}, {one.gain:+.1f} points, interval {one.low:+.1f} to {one.high:+.1f}"
        for one in answers
    ]
    return f"Claims of the papers. {'; '.join(told)}."
