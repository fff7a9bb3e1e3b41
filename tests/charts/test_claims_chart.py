"""The claims as a chart: where each stands, how far it may be off, what it is called."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import plotly.graph_objects as go

from robust_core.charts import DARK, LIGHT, Claimed, alt, claims
from robust_core.charts.claims import LETTERS, LINE, PLOT, SYMBOLS, WORDS
from robust_core.library.claims import Answer
from tests.charts.reading import sent, values, words

HELD = Claimed(title="A <b> against B", told="80.0 and 50.0 %", pair=("Net <i>", "Its twin"), under="worst of 4",
               n=10_000, known="first 100 images", answer="holds", gain=30.0, low=21.0, high=38.5)  # fmt: skip
FAILED = Claimed(title="C against D", told="1.0 and 2.0 %", pair=("C", "D"), under="worst of 4", n=10_000, known="",
                 answer="does not hold", gain=-1.0, low=-1.5, high=-0.5)  # fmt: skip


def rows(chart: go.Figure) -> list[str]:
    """The words above each interval."""
    return [re.sub("</?span[^>]*>", "", one.text).replace("\u00a0", " ") for one in said(chart, 0)]


def said(chart: go.Figure, x: float) -> list[go.layout.Annotation]:
    return [one for one in chart.layout.annotations if one.x == x]


def test_a_row_says_of_which_networks_and_under_what_it_is() -> None:
    first, second = rows(claims([HELD, FAILED]))
    assert "<br>Net &lt;i&gt; and Its twin<br>worst of 4, n = 10,000" in first
    assert "<br>C and D<br>worst of 4, n = 10,000" in second
    assert "<b " not in first + second


def test_what_is_judged_otherwise_than_most_is_bold() -> None:
    weaker, fewer = replace(HELD, under="PGD-20"), replace(HELD, n=1_000)
    plain, attack, count, _ = (
        re.findall("<b [^>]*>(.*?)</b>", row) for row in rows(claims([HELD, weaker, fewer, HELD]))
    )
    assert (plain, attack, count) == ([], ["PGD-20"], ["n = 1,000"])
    # Where none is what most are, each is another.
    assert ["PGD-20" in row and "<b " in row for row in rows(claims([HELD, weaker]))] == [False, True]
    assert "<b " in rows(claims([HELD, weaker]))[0]


def test_a_row_a_claim_with_its_interval() -> None:
    chart = claims([HELD, FAILED])
    first, second = sent(chart)["data"]
    assert values(first["x"]) == [30.0]
    assert (values(first["error_x"]["array"]), values(first["error_x"]["arrayminus"])) == ([8.5], [9.0])
    assert first["marker"]["color"] == LIGHT.good
    assert second["marker"]["color"] == LIGHT.adversarial
    assert first["marker"]["symbol"] != second["marker"]["symbol"]
    low, high = chart.layout.xaxis.range
    assert low == -high
    assert high > 38.5
    assert [row.partition("<")[0] for row in rows(chart)] == ["A &lt;b&gt; against B", "C against D"]
    assert "holds here" in words(chart)
    assert "80.0 and 50.0 %" in words(chart)


def test_words_stand_above_their_interval_and_within_the_page() -> None:
    """One px of height is one unit of the y axis, which runs downwards."""
    chart = claims([HELD, replace(FAILED, under="a very long name of attacks " * 4), HELD])
    bottom, top = chart.layout.yaxis.range
    assert chart.layout.height - chart.layout.margin.b - chart.layout.margin.t == bottom - top == bottom
    marks = [trace.y[0] for trace in chart.data]
    assert marks == sorted(marks)
    assert marks[-1] < bottom
    for at, (left, right) in enumerate(zip(said(chart, 0), said(chart, 1), strict=True)):
        assert (left.xanchor, left.align, right.xanchor, right.align) == ("left", "left", "right", "right")
        for one in (left, right):
            assert (one.xref, one.yref, one.yanchor, one.yshift) == ("paper", "y", "top", None)
            assert one.y > (marks[at - 1] + PLOT / 2 if at else 0)
            assert one.y + LINE * (one.text.count("<br>") + 1) <= marks[at] - PLOT / 2
        lines = [shape for shape in chart.layout.shapes if shape.y0 < marks[at] < shape.y1]
        assert {(line.y0, line.y1) for line in lines} == {(marks[at] - PLOT / 2, marks[at] + PLOT / 2)}
        assert [line.x0 for line in lines] == list(chart.layout.xaxis.tickvals)


def test_names_as_long_as_they_like_leave_the_figures_their_room() -> None:
    for text in rows(claims([replace(HELD, pair=("W" * 80, "two words " * 20))])):
        assert max(len(line) for line in text.split("<br>")[1:-1]) <= 38
        assert text.count("<br>") == 3


def test_it_is_told_without_eyes_and_in_the_dark() -> None:
    told = alt(claims([HELD, FAILED], look=DARK))
    assert "A <b> against B: holds here, +30.0 points, interval +21.0 to +38.5" in told
    assert "C against D: does not hold here, -1.0 points" in told
    assert claims([FAILED], look=DARK).data[0].marker.color == DARK.adversarial


def test_each_answer_has_a_mark_of_its_own() -> None:
    assert WORDS.keys() == SYMBOLS.keys() == set(get_args(Answer))
    assert all(words.startswith(answer) for answer, words in WORDS.items())  # one vocabulary, from Python too
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)


def test_a_long_name_of_attacks_takes_lines_not_the_room_of_the_picture() -> None:
    long = "worst case of the papers' attacks and AutoAttack (and on a router), fashion_mnist, L∞, ε = 0.1 (25.5/255)"
    short, tall = claims([HELD, FAILED]), claims([replace(HELD, under=long), FAILED])
    lines = [re.sub("<[^>]*>", "", line) for line in rows(tall)[0].split("<br>")]
    assert " ".join(lines).endswith(f"{long}, n = 10,000")
    assert max(map(len, lines)) <= LETTERS
    assert len(lines) > 3
    assert tall.layout.height == short.layout.height + LINE * (len(lines) - 3)


def test_round_points_stand_below_and_nothing_is_marked_in_every_row() -> None:
    chart = claims([HELD, FAILED])
    assert list(chart.layout.xaxis.tickvals) == [-40, -30, -20, -10, 0, 10, 20, 30, 40]
    assert len(chart.layout.shapes) == 2 * 9
    assert [line.x0 for line in chart.layout.shapes if line.line.color == LIGHT.muted] == [0, 0]
    assert list(claims([FAILED]).layout.xaxis.tickvals) == [-1.5, -1, -0.5, 0, 0.5, 1, 1.5]
    assert claims([]).layout.height > 0
