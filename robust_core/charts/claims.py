"""Do the papers' claims hold here: a row a claim, by how much the method beats its rival, with the interval."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from robust_core.charts.theme import LIGHT, Theme, axis, figure, label, note

Answer = Literal["holds", "does not hold", "undecided", "trained differently"]
ROW = 66  # px high
LINE, LETTERS = 17, 42  # px and letters of a line of what a row is judged by: the names leave the plot its room
SMALL = 11.5  # px, the font of what a row is judged by
WORDS: dict[Answer, str] = {
    "holds": "holds here", "does not hold": "does not hold here", "undecided": "undecided here",
    "trained differently": "trained differently",
}  # fmt: skip
SYMBOLS: dict[Answer, str] = {
    "holds": "circle", "does not hold": "x", "undecided": "circle-open", "trained differently": "diamond-open",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A claim and what came out. gain, low, high: points by which the method fares better, with the 95 % interval.

    told: both figures, "76.9 and 75.4 %", of the networks of the pair in its order. under: the attack in words; n: how
    many images met it. known: all of it in a sentence, for the one who points at it.
    """

    title: str
    told: str
    pair: tuple[str, str]
    under: str
    n: int
    known: str
    answer: Answer
    gain: float
    low: float
    high: float


def claims(answers: Sequence[Claimed], *, look: Theme = LIGHT) -> go.Figure:
    """The claims from above in the order given: right of the line the method fares better.

    Below each its networks and what it is judged by, in bold where most of the others are judged otherwise.
    """
    row = ROW + LINE * max((len(_lines(one.under)) - 1 for one in answers), default=0)
    chart = figure(look, height=64 + row * len(answers), alt=_alt(answers), margin={"l": 8, "r": 8, "t": 8, "b": 44})
    paint = {"holds": look.good, "does not hold": look.adversarial}
    for at, one in enumerate(answers):
        colour = paint.get(one.answer, look.muted)
        chart.add_trace(
            go.Scatter(
                x=[one.gain],
                y=[at],
                mode="markers",
                marker={
                    "symbol": SYMBOLS[one.answer], "size": 8, "color": colour, "line": {"width": 2, "color": colour},
                },
                error_x={
                    "array": [one.high - one.gain], "arrayminus": [one.gain - one.low], "color": colour,
                    "thickness": 1.8, "width": 7,  # caps that stand out behind the mark
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
        xaxis=axis(
            look, "points by which the method fares better than its rival", range=[-reach, reach], nticks=7, tickangle=0
        ),
        yaxis=axis(
            look, tickvals=list(range(len(answers))), ticktext=_rows(answers, look),
            range=[len(answers) - 0.5, -0.5], showgrid=False,
        )
        | {"tickfont": {"size": 13, "color": look.ink}},
    )  # fmt: skip
    return chart


def _rows(answers: Sequence[Claimed], look: Theme) -> list[str]:
    """Each claim's name over its networks and over what it is judged by."""
    under, n = _usual([one.under for one in answers]), _usual([one.n for one in answers])

    def said(text: str, *, usual: bool) -> str:
        return text if usual else f'<b style="color:{look.ink}">{text}</b>'

    return [
        f'{label(one.title, 60)}<span style="font-size:{SMALL}px;color:{look.muted}">'
        f"<br>{' and '.join(label(name, 26) for name in one.pair)}"
        f"<br>{said('<br>'.join(_lines(one.under)), usual=one.under == under)}, "
        f"{said(f'n = {one.n:,}', usual=one.n == n)}</span>"
        for one in answers
    ]


def _lines(under: str) -> list[str]:
    return [label(line, LETTERS) for line in textwrap.wrap(under, LETTERS)]


def _usual(values: Sequence[Hashable]) -> Hashable:
    """What more than half of them are; None where nothing is."""
    value, times = Counter(values).most_common(1)[0] if values else (None, 0)
    return value if 2 * times > len(values) else None


def _wrapped(text: str, width: int = 70) -> str:
    lines = [""]
    for word in label(text, 400).split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += word + " "
    return "<br>".join(line.rstrip() for line in lines)


def _alt(answers: Sequence[Claimed]) -> str:
    told = [
        f"{one.title}: {WORDS[one.answer]}, {one.gain:+.1f} points, interval {one.low:+.1f} to {one.high:+.1f}, of "
        f"{' and '.join(one.pair)} under {one.under}, {one.n:,} images"
        for one in answers
    ]
    return f"Claims of the papers. {'; '.join(told)}."
