"""The trade-off: marks where the accuracies are, ids to click, lines of equal W-Robust, names that do not collide."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import plotly.graph_objects as go
import pytest

from robust_core.charts import DARK, LIGHT, Checkpoint, alt, tradeoff
from robust_core.charts.labels import Box, place_labels
from robust_core.methods import OBJECTIVES
from robust_core.models import ARCHITECTURES
from robust_core.names import CALLED
from tests.charts.reading import sent, words

POINTS = [
    Checkpoint(
        id="a", name="Standard", clean=0.93, robust=0.0, worst_class=0.0, architecture="residual", method="standard"
    ),
    Checkpoint(
        id="b",
        name="PGD-AT",
        clean=0.85,
        robust=0.74,
        worst_class=0.32,
        architecture="residual",
        method="adversarial",
        n=10_000,
        attack="PGD-20",
        eps="0.1",
        seed=3,
        clean_interval=(0.84, 0.86),
        robust_interval=(0.72, 0.75),
    ),
    Checkpoint(id="c", name="AW-Net <1>", clean=0.86, robust=0.73, architecture="aw_net", method="adversarial"),
]


def marks(chart: go.Figure) -> list[go.Scatter]:
    return [trace for trace in chart.data if trace.customdata is not None]


def test_each_checkpoint_is_one_mark_with_its_id() -> None:
    found = {row[0]: (x, y) for t in marks(tradeoff(POINTS)) for row, x, y in zip(t.customdata, t.x, t.y, strict=True)}
    assert found == {"a": (0.93, 0.0), "b": (0.85, 0.74), "c": (0.86, 0.73)}


def test_symbol_is_architecture_colour_is_objective_size_is_the_worst_class() -> None:
    residual, routed = marks(tradeoff(POINTS))
    assert residual.marker.symbol != routed.marker.symbol
    assert residual.marker.color[0] != residual.marker.color[1] == routed.marker.color[0]
    assert residual.marker.size[1] > residual.marker.size[0] == routed.marker.size[0] > 8


def test_hover_says_everything_with_intervals() -> None:
    text = marks(tradeoff(POINTS))[0].text[1]
    for part in ("PGD-AT", "residual net · PGD-AT", "85.0\u00a0% [84.0, 86.0]", "74.0\u00a0% [72.0, 75.0]",
                 "W-Robust 79.5\u00a0%", "worst class, robust 32.0\u00a0%", "PGD-20", "ε = 0.1", "n = 10,000",
                 "seed 3"):  # fmt: skip
        assert part in text


def test_the_legend_calls_objectives_and_architectures_as_people_do() -> None:
    made = [replace(POINTS[0], id=m, method=m) for m in ("adversarial", "b_mtard", "fair_rslad", "somebody_s")]
    made.append(replace(POINTS[0], id="routed", architecture="aw_net"))
    entries = [trace.name for trace in tradeoff(made).data if trace.showlegend is None]
    assert entries == ["residual net", "AW-Net", "PGD-AT", "B-MTARD", "Fair-RSLAD", "somebody_s", "Standard"]
    assert set(OBJECTIVES.names()) | set(ARCHITECTURES.names()) <= set(CALLED)


def test_whiskers_end_where_the_intervals_end() -> None:
    residual = marks(tradeoff(POINTS))[0]
    assert residual.error_x.array[1] == pytest.approx(0.01)
    assert residual.error_y.arrayminus[1] == pytest.approx(0.02)
    assert residual.error_x.array[0] == residual.error_y.array[0] == 0


def test_lines_join_points_of_equal_w_robust() -> None:
    chart = tradeoff(POINTS)
    lines = [s for s in chart.layout.shapes if s.type == "line"]
    assert len(lines) >= 3
    for line in lines:
        assert line.x0 + line.y0 == pytest.approx(line.x1 + line.y1)
    low, high = chart.layout.xaxis.range
    assert all(low - 1e-9 <= line.x0 <= line.x1 <= high + 1e-9 for line in lines)
    named = [a for a in chart.layout.annotations if a.text.startswith("W ")]
    for name in named:
        assert (name.x + name.y) / 2 == pytest.approx(float(name.text[2:-2]) / 100)


def test_the_selected_one_stands_out() -> None:
    residual = marks(tradeoff(POINTS, "b", look=DARK))[0]
    assert residual.marker.line.width[1] > residual.marker.line.width[0]
    assert "<b>PGD-AT</b>" in words(tradeoff(POINTS, "b"))
    assert "<b>" not in words(tradeoff(POINTS))
    assert "AW-Net &lt;1&gt;" in words(tradeoff(POINTS))


def test_the_sentence_names_every_checkpoint_and_the_best() -> None:
    said = alt(tradeoff(POINTS))
    assert "3 checkpoints" in said
    assert "Standard 93.0\u00a0% clean and 0.0\u00a0% robust" in said
    assert "Best W-Robust: PGD-AT, 79.5\u00a0%" in said or "Best W-Robust: AW-Net <1>, 79.5\u00a0%" in said


def test_all_marks_lie_inside_the_window() -> None:
    chart = tradeoff([*POINTS, Checkpoint(id="z", name="perfect", clean=1.0, robust=1.0, worst_class=1.0)])
    (left, right), (bottom, top) = chart.layout.xaxis.range, chart.layout.yaxis.range
    for t in marks(chart):
        assert all(left < x < right for x in t.x)
        assert all(bottom < y < top for y in t.y)


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_nothing_to_show_and_what_cannot_be_shown(look: object) -> None:
    empty = tradeoff([], look=look)
    assert "no checkpoint to show" in words(empty)
    broken = Checkpoint(id="n", name="broken", clean=float("nan"), robust=0.3)
    chart = tradeoff([*POINTS, broken], look=look)
    assert "1 without finite accuracies left out" in words(chart)
    assert all(["n"] not in list(map(list, t.customdata)) for t in marks(chart))
    for figure in (empty, chart):
        sent(figure)


@pytest.mark.parametrize("seed", range(5))
def test_fifteen_names_cover_neither_each_other_nor_a_mark(seed: int) -> None:
    draw = random.Random(seed)
    placed = [Box.around(draw.uniform(40, 620), draw.uniform(30, 320), 20, 20) for _ in range(15)]
    texts = [f"checkpoint {i}" for i in range(15)]
    places = place_labels(placed, texts, (670, 350), size=12)
    for one, other in combinations(places, 2):
        assert one.box.overlap(other.box) == 0
    for i, place in enumerate(places):
        assert all(place.box.overlap(mark) == 0 for j, mark in enumerate(placed) if j != i)
        assert place.box.left >= 0
        assert place.box.right <= 670


def test_names_keep_off_what_they_are_told_to() -> None:
    mark = Box.around(100, 100, 12, 12)
    (free,) = place_labels([mark], ["name"], (400, 200), size=12)
    assert not free.leader
    (kept,) = place_labels([mark], ["name"], (400, 200), size=12, keep_off=[free.box])
    assert free.box.overlap(kept.box) == 0


def test_a_claim_is_an_open_mark_and_never_the_best() -> None:
    claimed = replace(POINTS[1], id="z", name="Brought", clean=0.99, robust=0.99, claimed=True)
    chart = tradeoff([*POINTS, claimed], "z")
    residual = marks(chart)[0]
    assert [symbol.endswith("-open") for symbol in residual.marker.symbol] == [False, False, True]
    assert ["not measured here" in text for text in residual.text] == [False, False, True]
    assert residual.marker.line.width[2] > marks(tradeoff([*POINTS, claimed]))[0].marker.line.width[2]
    assert "as a card claims" in [trace.name for trace in chart.data]
    assert "as a card claims" not in [trace.name for trace in tradeoff(POINTS).data]
    assert "Brought 99.0\u00a0% clean and 99.0\u00a0% robust (as an imported card claims" in alt(chart)
    assert "Best W-Robust: Brought" not in alt(chart)
    assert "Best" not in alt(tradeoff([claimed]))
    unranked = replace(claimed, claimed=False, ranked=False)
    assert "Best W-Robust: Brought" not in alt(tradeoff([*POINTS, unranked]))
    assert "Best W-Robust: Brought" in alt(tradeoff([*POINTS, replace(unranked, ranked=True)]))


def test_a_line_to_a_name_runs_through_no_other_mark() -> None:
    """Two marks close above one another under a lid: the lower one's name may not hang on a line through the upper."""
    lower, upper = Box.around(200, 100, 20, 20), Box.around(200, 124, 20, 20)
    around = [Box(100, 60, 188, 140), Box(212, 60, 300, 140), Box(188, 40, 212, 88)]
    place, _ = place_labels([lower, upper], ["lower", "upper"], (400, 300), size=12, keep_off=around)
    x, y = 200 + place.dx, 100 + place.dy
    crossed = [share for share in range(1, 20) if upper.left < 200 + (x - 200) * share / 20 < upper.right
               and upper.bottom < 100 + (y - 100) * share / 20 < upper.top]  # fmt: skip
    assert not (place.leader and crossed)


def test_a_far_lower_worst_case_hangs_under_its_mark() -> None:
    told = "of the first 1,000 images 73.0 % stand here, and 35.0 % elsewhere"
    fallen = replace(POINTS[2], falls_to=0.35, falls=told)
    chart = tradeoff([*POINTS[:2], fallen])
    (line,) = [trace for trace in chart.data if trace.line.dash == "dot"]
    assert (line.x, line.y) == ((0.86, 0.86), (0.73, 0.35))
    assert line.customdata is None  # it is no network to click
    assert "35.0 % elsewhere" in line.text[1].replace("<br>", " ")
    assert chart.layout.yaxis.range[0] < 0.35
    assert any("▼" in text for text in words(chart))
    assert "35.0\u00a0% in a worst case" in alt(chart)
    assert not any("▼" in text for text in words(tradeoff(POINTS)))
