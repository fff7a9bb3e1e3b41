"""Curves, matrix, classes and worst class of several networks, and the report that holds them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from itertools import pairwise

import plotly.graph_objects as go
import pytest

from robust_core.charts import (
    DARK,
    LIGHT,
    ByClass,
    Checkpoint,
    Counted,
    accuracy_curves,
    alt,
    class_bars_of,
    tradeoff,
    transfer_matrix,
    worst_against_average,
)
from robust_core.charts.compare import LINE, lightness, line_colours, spread
from robust_core.charts.marks import method_colour
from robust_core.charts.report import Section, page
from robust_core.charts.theme import Theme, faded
from robust_core.evaluation.measures import wilson
from robust_core.types import UserError
from tests.charts.reading import sent, values, words

EPS = [0.0, 0.1, 0.3]
TWO = [Counted(name="A", right=[90, 50, 0], n=100), Counted(name="B <i>", right=[80, 70, 10], n=100, method="trades")]


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_curves_pass_through_the_shares_inside_their_whiskers(look: object) -> None:
    chart = accuracy_curves(EPS, TWO, x_title="ε", x_name="ε", usual=0.1, look=look)
    sent(chart)
    reach, lines = chart.data[0::2], chart.data[1::2]
    assert [list(values(line.y)) for line in lines] == [[0.9, 0.5, 0.0], [0.8, 0.7, 0.1]]
    low, high = wilson(50, 100)
    assert reach[0].y[1] + reach[0].error_y.array[1] == pytest.approx(high)
    assert reach[0].y[1] - reach[0].error_y.arrayminus[1] == pytest.approx(low)
    # Side by side, and no further from their points than a mark is wide.
    assert reach[0].x[1] < 0.1 < reach[1].x[1]
    assert reach[1].x[1] - reach[0].x[1] < 0.01 * 0.3
    assert lines[0].line.color != lines[1].line.color
    assert lines[1].name == "B &lt;i&gt;"
    assert [shape.x0 for shape in chart.layout.shapes] == [0.1]
    assert "A 90.0\u00a0% at 0, 50.0\u00a0% at 0.1, 0.0\u00a0% at 0.3" in alt(chart)


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_a_network_has_the_colour_and_symbol_of_its_mark(look: object) -> None:
    every = [("trades", "residual"), ("adversarial", "residual"), ("adversarial", "aw_net"), ("imported", "residual"),
             ("other", "residual"), ("adversarial", "residual")]  # fmt: skip
    nets = [Counted(name=f"{i}", right=[5], n=9, method=m, architecture=a) for i, (m, a) in enumerate(every)]
    lines = accuracy_curves([0.1], nets, x_title="ε", x_name="ε", look=look).data[1::2]
    of_their_marks = []
    for (method, architecture), line in zip(every, lines, strict=True):
        point = Checkpoint(id="x", name="x", clean=0.5, robust=0.4, method=method, architecture=architecture)
        (mark,) = [trace for trace in tradeoff([point], look=look).data if trace.customdata]
        of_their_marks.append(faded(line.line.color, 0.85) == mark.marker.color[0])
        assert line.marker.color == line.line.color
        assert line.marker.symbol == mark.marker.symbol[0]
    # The first of an objective has its very colour; the others (two more adversarial ones, a second grey) have shades.
    assert of_their_marks == [True, True, False, True, False, False]
    assert len({line.line.dash for line in lines}) == len(every)  # colour alone tells nobody apart


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
@pytest.mark.parametrize("method", ["adversarial", "mtard", "ard", "nobody knows it"])
def test_networks_of_one_objective_differ_in_lightness(look: Theme, method: str) -> None:
    few, many = (line_colours([method] * count, look) for count in (3, 6))
    assert few[0] == method_colour(method, look)
    steps = sorted(map(lightness, [*few, look.page]))
    assert min(b - a for a, b in pairwise(steps)) > 0.12
    assert len(set(many)) == 6


def test_a_line_s_name_stands_at_its_end_and_covers_no_other() -> None:
    nets = [Counted(name=name, right=[90, right], n=100) for name, right in (("A", 1), ("B", 0), ("C", 1), ("D", 60))]
    chart = accuracy_curves([0.0, 0.3], nets, x_title="ε", x_name="ε")
    named = {note.text: note for note in chart.layout.annotations}
    assert {name: note.y for name, note in named.items()} == {"A": 0.01, "B": 0, "C": 0.01, "D": 0.6}
    assert all((note.x, note.xanchor, note.showarrow is not False) == (0.3, "left", True) for note in named.values())
    assert [named[net.name].arrowcolor for net in nets] == [line.line.color for line in chart.data[1::2]]
    heights = sorted(290 * note.y - note.ay for note in named.values())  # px from the bottom
    assert min(b - a for a, b in pairwise(heights)) >= 15.9
    assert 290 * named["B"].y - named["B"].ay < 290 * named["A"].y - named["A"].ay
    assert spread([10, 10, 10, 100]) == [10 - LINE, 10, 10 + LINE, 100]
    assert spread([0, 0, 0]) == [-LINE / 2, LINE / 2, 1.5 * LINE]
    low, high = chart.layout.xaxis.range
    assert low < 0 < 0.3 < high < 0.31


def test_curves_by_rank_stand_equally_far_apart() -> None:
    chart = accuracy_curves([0, 1, 100], TWO, x_title="steps", x_name="steps", by_rank=True)
    assert list(values(chart.data[1].x)) == [0, 1, 2]
    assert list(chart.layout.xaxis.ticktext) == ["0", "1", "100"]


@pytest.mark.parametrize("wrong", [Counted(name="A", right=[1], n=10), Counted(name="A", right=[1, 1, 1], n=0)])
def test_a_curve_needs_a_count_a_point(wrong: Counted) -> None:
    with pytest.raises(UserError, match="'A' needs one count"):
        accuracy_curves(EPS, [wrong], x_title="ε", x_name="ε")


def test_no_network_gives_an_empty_chart() -> None:
    assert alt(accuracy_curves(EPS, [], x_title="ε", x_name="ε")) == "No curve to show."


def test_the_matrix_reads_by_rows_and_frames_its_diagonal() -> None:
    chart = transfer_matrix(["A", "B"], [[10, 60], [70, 20]], [90, 80], 100)
    sent(chart)
    marks = chart.data[-1]
    cells = dict(zip(zip(marks.y, marks.x, strict=True), marks.text, strict=True))
    assert cells == {
        (0, 0): "90\u00a0%",
        (0, 1): "80\u00a0%",
        (1, 0): "<b>10\u00a0%</b>",
        (1, 1): "60\u00a0%",
        (2, 0): "70\u00a0%",
        (2, 1): "<b>20\u00a0%</b>",
    }
    assert [(s.x0 + 0.47, s.y0 - 0.53) for s in chart.layout.shapes] == [(0, 0), (1, 1)]
    assert "B under A's attack" in marks.hovertext[3]
    assert "crafted on A: A 10\u00a0%, B 60\u00a0%" in alt(chart)
    with pytest.raises(UserError, match="2 networks"):
        transfer_matrix(["A", "B"], [[1, 2]], [1, 2], 10)


def test_classes_stand_in_one_order_in_every_panel() -> None:
    nets = [
        ByClass(name="A", clean=[0.9, 0.8, 0.7], robust=[0.5, 0.1, None]),
        ByClass(name="B", clean=None, robust=[1, 0, 0.5]),
    ]
    chart = class_bars_of(nets, ["ant", "bee", "cat"], order=[2, 1, 0])
    sent(chart)
    bars = [trace for trace in chart.data if trace.type == "bar"]
    assert [list(bar.x) for bar in bars] == [[None, 0.1, 0.5], [0.5, 0, 1]]
    assert len(chart.data) == 3  # B has no clean marks
    assert "no image" in words(chart)
    assert list(chart.layout.yaxis.ticktext) == ["cat", "bee", "ant"]
    assert "A, robust: worst bee 10.0\u00a0%, best ant 50.0\u00a0%" in alt(chart)
    assert [list(chart.layout[name].ticktext) for name in ("xaxis", "xaxis2")] == [
        ["0\u00a0%", "25\u00a0%", "50\u00a0%", "75\u00a0%", "100\u00a0%"],
        ["", "25\u00a0%", "50\u00a0%", "75\u00a0%", "100\u00a0%"],  # its 0 % would run into the first one's 100 %
    ]
    with pytest.raises(UserError, match="3 classes"):
        class_bars_of(nets, ["ant", "bee", "cat"], order=[0, 1])


def points(count: int) -> list[Checkpoint]:
    return [
        Checkpoint(id=f"n{i}", name=f"net {i}", clean=0.5 + i / 1000, robust=0.4 + i / 1000, worst_class=0.1 + i / 1000)
        for i in range(count)
    ]


def test_a_network_has_the_same_mark_in_both_pictures() -> None:
    every = [
        replace(point, architecture=architecture, method=method)
        for point, architecture, method in zip(
            points(3), ("residual", "aw_net", "moe"), ("trades", "mtard", "ard"), strict=True
        )
    ]

    def drawn(chart: go.Figure) -> dict[str, tuple[str, str]]:
        return {
            place[0]: (symbol, colour)
            for trace in chart.data
            if trace.customdata is not None
            for place, symbol, colour in zip(trace.customdata, trace.marker.symbol, trace.marker.color, strict=True)
        }

    found = drawn(worst_against_average(every))
    assert found == drawn(tradeoff(every))
    assert len({symbol for symbol, _ in found.values()}) == 3


def test_the_worst_class_lies_under_the_diagonal_and_can_be_clicked() -> None:
    broken = Checkpoint(id="x", name="x", clean=0.5, robust=float("nan"), worst_class=0.1)
    chart = worst_against_average([*points(2), broken], "n1")
    sent(chart)
    (marks,) = chart.data
    assert [list(place) for place in marks.customdata] == [["n0"], ["n1"]]
    assert all(worst < average for worst, average in zip(values(marks.y), values(marks.x), strict=True))
    assert marks.marker.line.width[1] > marks.marker.line.width[0]
    line = chart.layout.shapes[0]
    assert (line.x0, line.x1) == (line.y0, line.y1)


def test_closer_each_axis_is_the_marks_own() -> None:
    far, near = (worst_against_average(points(12), closer=closer) for closer in (False, True))
    for axis, low, high in (("xaxis", 0.4, 0.411), ("yaxis", 0.1, 0.111)):
        assert far.layout[axis].range[0] < 0
        start, end = near.layout[axis].range
        assert 0 < start < low < high < end < high + 0.1
    assert not near.layout.shapes  # the diagonal is far away


def test_a_name_lies_on_no_mark_that_has_none() -> None:
    lone = Checkpoint(id="x", name="a long name indeed", clean=0.5, robust=0.5, worst_class=0.1)
    far = replace(lone, id="far", name="far", clean=0.9, robust=0.9, worst_class=0.8)  # makes room on the right
    for draw, across in ((tradeoff, "clean"), (worst_against_average, "robust")):
        # Marks without names right of it, where its own would else stand.
        around = [replace(lone, id=f"{i}", name=f"{i}", **{across: 0.52 + i / 100}) for i in range(6)]
        alone, beside = (
            next(note for note in draw(points, named=["x"]).layout.annotations if note.text == lone.name)
            for points in ([lone, far], [lone, far, *around])
        )
        assert (alone.xanchor, alone.xshift > 0) == ("left", True)
        assert beside.xanchor != "left" or beside.showarrow


def test_the_legend_stands_above_the_remark_on_sizes() -> None:
    chart = tradeoff(points(2), width=1100)
    remark = next(note for note in chart.layout.annotations if note.text.startswith("size:"))
    plot = chart.layout.height - chart.layout.margin.t - 60
    assert (chart.layout.legend.y - remark.y) * plot >= remark.font.size + 4


def test_in_a_crowd_a_line_leads_from_a_name_to_its_mark() -> None:
    for draw in (tradeoff, worst_against_average):
        named = [note for note in draw(points(12)).layout.annotations if re.fullmatch(r"net \d+", note.text)]
        led = [note for note in named if note.showarrow]
        assert len(named) == 12
        assert led
        assert all((note.ax, note.ay) != (0, 0) for note in led)


def test_of_many_only_the_named_are_named() -> None:
    for draw in (tradeoff, worst_against_average):
        chart = draw(points(200), named=["n7", "n150"])
        told = [text for text in words(chart).split(" | ") if re.fullmatch(r"net \d+", text)]
        assert sorted(told) == ["net 150", "net 7"]
        assert sum(len(t.customdata) for t in chart.data if t.customdata is not None) == 200


def test_the_report_stands_alone_and_escapes_what_people_wrote() -> None:
    def drawn(n: int, look: Theme) -> go.Figure:
        return tradeoff(points(n), look=look)

    section = Section(title="A <b>", drawn=[partial(drawn, 2), partial(drawn, 3)], headings=["net", "clean"],
                      lines=[["</script><script>alert(1)", "not measured"]], told=["n = 10 & more"])  # fmt: skip
    text = page("Board", [section])
    assert text.count("plotly.js v") == 1
    assert "default-src 'none'" in text
    body = text[text.index("</head>\n<body>") :]
    assert not re.search(r'(src|href)="(https?:)?//', body + text[: text.index("<script>")])
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in body
    assert "<td class=missing>not measured" in body
    assert re.findall(r'draw\("(figure-\d)"', body) == ["figure-1", "figure-2"]
    assert 'aria-label="Clean against robust accuracy of 2 checkpoints' in body


def test_the_report_has_every_figure_for_light_and_for_dark() -> None:
    evil = "</script><b>"

    def drawn(look: Theme) -> go.Figure:
        return go.Figure(layout={"paper_bgcolor": look.page, "font": {"color": look.ink}, "meta": {"alt": evil}})

    text = page("Board", [Section(title="One", drawn=[drawn])])
    told = re.search(r'draw\("figure-1", (\{.*\}), \{"scrollZoom', text)
    assert told
    assert "<" not in told[1]
    looks = json.loads(told[1])
    assert {name: each["layout"]["font"]["color"] for name, each in looks.items()} == {
        "light": LIGHT.ink, "dark": DARK.ink,
    }  # fmt: skip
    assert looks["dark"]["layout"]["meta"]["alt"] == evil
    dark = text[text.index("@media (prefers-color-scheme: dark)") :]
    assert f"--page: {DARK.page}; --ink: {DARK.ink}" in dark[:200]
    assert "background: var(--page)" in text
