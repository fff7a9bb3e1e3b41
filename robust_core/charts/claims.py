"""Do the papers' claims hold here: a row a claim, by how much the method beats its rival, with the interval."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from robust_core.charts.theme import LIGHT, Colour, Theme, axis, figure, label, note

Answer = Literal["holds", "does not hold", "undecided", "trained differently"]
GAP, LINE, HEAD, PLOT, AXIS = 10, 16, 20, 34, 46  # px high: above a row's words, each line of them, all but they, the
# plot below them; the axis below all rows
LETTERS, FEWER = 60, 38  # in a line, for a phone's width: where it has the line alone, and where figures stand beside
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

    Above each interval its claim, its networks and what it is judged by, in bold where most of the others are judged
    otherwise. The words stand over the plot, not beside it: on a narrow page the intervals keep their room.
    """
    words = _words(answers, look)
    heads = [HEAD + LINE * len(lines) for lines in words]
    tops = [sum(heads[:at]) + PLOT * at for at in range(len(answers) + 1)]  # px from above, the unit of the y axis
    chart = figure(look, height=tops[-1] + AXIS, alt=_alt(answers), margin={"l": 2, "r": 2, "t": 0, "b": AXIS})
    paint = {"holds": look.good, "does not hold": look.adversarial}
    reach = max([1.0, *(max(abs(one.low), abs(one.high)) for one in answers)]) * 1.06
    ticks = _ticks(reach)
    for one, lines, head, top in zip(answers, words, heads, tops, strict=False):
        colour = paint.get(one.answer, look.muted)
        for x in ticks:
            chart.add_shape(
                type="line", x0=x, x1=x, y0=top + head, y1=top + head + PLOT, layer="below",
                line={"color": look.grid if x else look.muted, "width": 1},
            )  # fmt: skip
        chart.add_trace(_mark(one, top + head + PLOT / 2, colour))
        place = {"xref": "paper", "yref": "y", "y": top + GAP}
        chart.add_annotation(note(look, "<br>".join(lines), x=0, **place))
        said = (
            f'<b style="font-size:13px;color:{colour}">{WORDS[one.answer]}</b>'
            f'<br><span style="font-size:{SMALL}px">{label(one.told, 40)}</span>'
        )
        chart.add_annotation(note(look, said, x=1, **place) | {"xanchor": "right", "align": "right"})
    chart.update_layout(
        xaxis=axis(
            look, "points by which the method fares better than its rival", range=[-reach, reach], tickvals=ticks,
            showgrid=False,
        ),
        yaxis={"range": [tops[-1], 0], "visible": False, "fixedrange": True},
    )  # fmt: skip
    return chart


def _mark(one: Claimed, y: float, colour: Colour) -> go.Scatter:
    """The gain with its interval."""
    return go.Scatter(
        x=[one.gain],
        y=[y],
        mode="markers",
        marker={"symbol": SYMBOLS[one.answer], "size": 8, "color": colour, "line": {"width": 2, "color": colour}},
        error_x={
            "array": [one.high - one.gain], "arrayminus": [one.gain - one.low], "color": colour,
            "thickness": 1.8, "width": 7,  # caps that stand out behind the mark
        },
        showlegend=False,
        hovertemplate=f"{label(one.title, 80)}<br>{one.gain:+.1f} points [{one.low:+.1f}, {one.high:+.1f}]<br>"
        f"{_wrapped(one.known)}<extra></extra>",
    )  # fmt: skip


def _ticks(reach: float) -> list[float]:
    """Round points on both sides of nothing, at most four a side."""
    step = next((s for s in (0.5, 1, 2, 5, 10, 20) if reach / s < 5), 50)
    return [step * k for k in range(-int(reach / step), int(reach / step) + 1)]


def _words(answers: Sequence[Claimed], look: Theme) -> list[list[str]]:
    """Of each claim its title, its networks, and what it is judged by on how many images, in lines."""
    under, n = _usual([one.under for one in answers]), _usual([one.n for one in answers])

    def small(text: str) -> str:
        return f'<span style="font-size:{SMALL}px">{text}</span>'

    def said(text: str, *, usual: bool) -> str:
        return f'<b style="color:{look.ink}">{label(text, LETTERS)}</b>' if text and not usual else label(text, LETTERS)

    def judged(one: Claimed) -> list[str]:
        count = f"n\u00a0=\u00a0{one.n:,}"
        parts = [line.partition(count) for line in textwrap.wrap(f"{one.under}, {count}", LETTERS)]
        return [
            said(by.removesuffix(", "), usual=one.under == under)
            + (", " if by and many else "")
            + said(many, usual=one.n == n)
            for by, many, _ in parts
        ]

    return [
        [
            f'<span style="font-size:13px;color:{look.ink}">{label(one.title, 60)}</span>',
            *(small(label(line, FEWER)) for line in textwrap.wrap(" and ".join(map(_short, one.pair)), FEWER)),
            *map(small, judged(one)),
        ]
        for one in answers
    ]


def _short(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:25]}…"


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
