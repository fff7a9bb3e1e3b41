"""Names beside marks: none lies on another's mark, and no line leads through one."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest

from robust_core.charts.labels import Box, Placed, place_labels

CANVAS = (460.0, 320.0)


def distance(box: Box, x: float, y: float) -> float:
    """From a point to a box, px."""
    return math.hypot(max(box.left - x, x - box.right, 0), max(box.bottom - y, y - box.top, 0))


def on_the_line(mark: Box, place: Placed) -> list[tuple[float, float]]:
    """Points from the mark's edge to its name."""
    (x, y), start = mark.centre, (mark.right - mark.left) / 2 / math.hypot(place.dx, place.dy)
    shares = [start + (1 - start) * step / 200 for step in range(201)]
    return [(x + share * place.dx, y + share * place.dy) for share in shares]


def apart(seed: int, count: int) -> list[Box]:
    """Marks at random, none nearer another than 24 px, in a spot where their names do not fit beside them."""
    draw, found = random.Random(seed), []
    while len(found) < count:
        x, y = draw.uniform(150, 310), draw.uniform(110, 210)
        if all(math.dist((x, y), mark.centre) > 24 for mark in found):
            found.append(Box.around(x, y, 13, 13))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_in_a_crowd_no_line_comes_near_another_mark_or_runs_through_a_name(seed: int) -> None:
    marks = apart(seed, 9)
    places = place_labels(marks, [f"a longer name {k}" for k in range(9)], CANVAS, size=12)
    assert any(place.leader for place in places)
    for i, place in enumerate(places):
        for j, mark in enumerate(marks):
            if j != i:
                assert place.box.overlap(mark) == 0
                assert not place.leader or min(distance(mark, *at) for at in on_the_line(marks[i], place)) >= 2.99
        for j, other in enumerate(places):
            if j != i and place.leader:
                assert min(distance(other.box, *at) for at in on_the_line(marks[i], place)) > 0
    for one, other in combinations(places, 2):
        assert one.box.overlap(other.box) == 0


def test_a_place_further_away_is_taken_rather_than_a_line_through_a_mark() -> None:
    """Right of the mark a fence; the nearest free place beyond lies behind a mark, another one further off does not."""
    mark, behind = Box.around(100, 100, 12, 12), Box.around(132, 100, 12, 12)
    fence = [Box(0, 0, 93, 200), Box(93, 107, 150, 200), Box(93, 0, 150, 93)]
    place, _ = place_labels([mark, behind], ["name", "other"], (400, 200), size=12, keep_off=fence)
    assert min(distance(behind, *at) for at in on_the_line(mark, place)) >= 2.99 or not place.leader


def test_a_name_without_a_line_touches_no_other_mark() -> None:
    mark, right = Box.around(100, 100, 12, 12), Box.around(148, 100, 12, 12)
    (place,) = place_labels([mark], ["four"], (400, 200), size=12, unnamed=[right])
    assert place.leader or min(distance(right, x, 100) for x in (place.box.left, place.box.right)) >= 5
    # From its right edge the first place would end 3 px before the other mark.
    assert place.anchor != "left" or place.leader


def test_of_marks_that_overlap_the_lines_lead_away() -> None:
    left, right = Box.around(200, 160, 12, 12), Box.around(208, 160, 12, 12)
    around = [Box(100, 145, 300, 175)]  # no room beside them
    places = place_labels([left, right], ["one name", "another"], CANVAS, size=12, keep_off=around)
    assert all(place.leader for place in places)
    for place, mark, other in zip(places, (left, right), (right, left), strict=True):
        assert min(math.dist(other.centre, at) for at in on_the_line(mark, place)) >= 6


def test_hundreds_of_marks_are_a_matter_of_moments() -> None:
    draw = random.Random(0)
    marks = [Box.around(draw.uniform(0, 460), draw.uniform(0, 320), 13, 13) for _ in range(300)]
    places = place_labels(marks[:24], ["a network"] * 24, CANVAS, size=12, unnamed=marks[24:])
    assert len(places) == 24
