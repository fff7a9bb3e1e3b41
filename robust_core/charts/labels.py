"""Where to write the names of marks so that they cover neither each other nor a mark, and no line misleads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CLEAR = 5.0  # px between a name and another mark, or it would seem to be that one's
NEAR = 3.0  # px between a line and another mark
# What is as bad as covering so many px² of a mark:
MISLEADING = 900.0  # a line that comes near another mark
CROSSING = 400.0  # a line through a name or another line
LEAVING = 15.0  # a px of a line on a mark on which it begins, as the two marks overlap
TOUCHING = 600.0  # a name too near another mark, or two names that overlap, besides what they share
OUTSIDE = 12.0  # a px² that the canvas cuts off
FAR = 1.0  # a px from the mark to its name
SWEEPS = 4  # over all names: those placed first did not know where the later ones would lie
RINGS = (3.0, 16.0, 30.0, 46.0, 64.0, 84.0, 108.0, 136.0)  # px from a mark's edge to its name
BETWEEN = ((0.38, 0.92), (0.92, 0.38))  # of its distance, where a name lies neither straight nor diagonally

Anchor = Literal["left", "center", "right"]
Rows = NDArray[np.float64]  # (N, 4): left, bottom, right, top of boxes, or x, y of a line's start and of its end


@dataclass(frozen=True)
class Box:
    """A rectangle in px, y upwards."""

    left: float
    bottom: float
    right: float
    top: float

    @staticmethod
    def around(x: float, y: float, width: float, height: float) -> Box:
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    def overlap(self, other: Box) -> float:
        """Shared area, px²."""
        return float(_shared(_rows([self]), _rows([other]))[0, 0])


@dataclass(frozen=True, kw_only=True)
class Placed:
    """dx, dy: px from the mark's centre to the text's anchor, y upwards. far: px about from edge to edge. leader: far
    enough to need a line, which begins at the mark's edge."""

    dx: float
    dy: float
    anchor: Anchor
    far: float
    leader: bool
    box: Box
    line: tuple[float, float, float, float]


def place_labels(
    marks: Sequence[Box],
    texts: Sequence[str],
    canvas: tuple[float, float],
    *,
    size: int,
    unnamed: Sequence[Box] = (),
    keep_off: Sequence[Box] = (),
) -> list[Placed]:
    """One place per text: one after the other, then each anew where the others lie by now, in several orders.

    `size` is the font's, px; unnamed: marks without a text; keep_off: whatever else must stay readable. Of the places
    around a mark, from its right outwards, the nearest is taken that touches nothing, and whose line comes near no
    other mark, name or line; else the one that is least bad. Text widths are estimated, a little generously.
    """
    places = [[*_candidates(m, 0.56 * size * len(t) + 4, 1.35 * size)] for m, t in zip(marks, texts, strict=True)]
    boxes = [_rows([place.box for place in tried]) for tried in places]
    lines = [np.array([place.line for place in tried]) for tried in places]
    alone = []
    for i, mark in enumerate(marks):
        others = [*(m for m in marks if m is not mark), *unnamed]
        led = np.array([place.leader for place in places[i]])
        far = FAR * np.array([place.far for place in places[i]])
        seen = _misread(boxes[i], lines[i], led, _rows(others))
        alone.append(far + seen + _covered(boxes[i], _rows(keep_off), canvas))
    crowded = sorted(range(len(marks)), key=lambda i: -_crowd(marks, i))
    upwards = sorted(range(len(marks)), key=lambda i: marks[i].centre[1])
    tried = [_settled(order, places, boxes, lines, alone) for order in (crowded, crowded[::-1], upwards, upwards[::-1])]
    taken, _ = min(tried, key=lambda found: round(found[1], 3))
    return [places[i][taken[i]] for i in range(len(marks))]


def _settled(
    order: Sequence[int], places: Sequence[Sequence[Placed]], boxes: Sequence[Rows], lines: Sequence[Rows],
    alone: Sequence[Rows],
) -> tuple[dict[int, int], float]:  # fmt: skip
    """Which place each mark's name takes where they are placed in this order, and what all of it costs."""
    taken: dict[int, int] = {}
    for _ in range(SWEEPS):
        before, total = dict(taken), 0.0
        for i in order:
            rest = [(j, place) for j, place in taken.items() if j != i]
            led_by = [lines[j][place] for j, place in rest if places[j][place].leader]
            names = np.array([boxes[j][place] for j, place in rest]).reshape(-1, 4)
            led = np.array([place.leader for place in places[i]])
            costs = alone[i] + _tangled(boxes[i], lines[i], led, names, np.array(led_by).reshape(-1, 4))
            taken[i] = int(np.round(costs, 3).argmin())
            total += float(costs[taken[i]])
        if taken == before:
            break
    return taken, total


def _crowd(marks: Sequence[Box], i: int) -> float:
    x, y = marks[i].centre
    return sum(1 / (1 + abs(x - u) + 2 * abs(y - v)) for j, m in enumerate(marks) if j != i for u, v in [m.centre])


def _candidates(mark: Box, width: float, height: float) -> Iterator[Placed]:
    """Places in their order of preference."""
    (x, y), radius = mark.centre, (mark.right - mark.left) / 2
    for ring, gap in enumerate(RINGS):
        for dx, dy, anchor in _spots(radius + gap, height, between=ring > 0):
            left = {"left": x + dx, "center": x + dx - width / 2, "right": x + dx - width}[anchor]
            box = Box(left, y + dy - height / 2, left + width, y + dy + height / 2)
            start = min(1.0, radius / max(math.hypot(dx, dy), 1.0))
            line = (x + start * dx, y + start * dy, x + dx, y + dy)
            yield Placed(dx=dx, dy=dy, anchor=anchor, far=gap, leader=ring > 0, box=box, line=line)


def _spots(reach: float, height: float, *, between: bool) -> Iterator[tuple[float, float, Anchor]]:
    """Where a name's anchor may lie around a mark: to its sides, above, below, on the diagonals and between these."""
    yield reach, 0, "left"
    yield -reach, 0, "right"
    yield 0, reach + height / 2 - 2, "center"
    yield 0, -reach - height / 2 + 2, "center"
    for across, up in ((0.75, 0.75), *BETWEEN * between):
        for above in (1, -1):
            yield across * reach, above * (up * reach + 2), "left"
        for above in (1, -1):
            yield -across * reach, above * (up * reach + 2), "right"


def _misread(boxes: Rows, lines: Rows, led: NDArray[np.bool_], marks: Rows) -> Rows:
    """Of each place, what it costs that the name or its line could seem to be another mark's."""
    shared = _shared(boxes, _grown(marks, CLEAR))
    near, (x, y) = _grown(marks, NEAR), (lines[:, :1], lines[:, 1:2])
    on = (near[:, 0] < x) & (x < near[:, 2]) & (near[:, 1] < y) & (y < near[:, 3])
    through = np.where(on, LEAVING * _inside(lines, marks), MISLEADING * (_inside(lines, near) > 0))
    found: Rows = (shared + TOUCHING * (shared > 0)).sum(axis=1) + led * through.sum(axis=1)
    return found


def _covered(boxes: Rows, keep_off: Rows, canvas: tuple[float, float]) -> Rows:
    """Of each place, what else the name would cover, and what would be cut off of it."""
    inside = _shared(boxes, np.array([[0.0, 0.0, *canvas]]))[:, 0]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    found: Rows = _shared(boxes, keep_off).sum(axis=1) + OUTSIDE * (area - inside)
    return found


def _tangled(boxes: Rows, lines: Rows, led: NDArray[np.bool_], names: Rows, others: Rows) -> Rows:
    """Of each place, what it costs beside names that are placed, and their lines."""
    shared = _shared(boxes, names)
    crossed = (_inside(others, boxes) > 0).sum(axis=0)
    crosses = (_inside(lines, names) > 0).sum(axis=1) + _cross(lines, others).sum(axis=1)
    found: Rows = (shared + TOUCHING * (shared > 0)).sum(axis=1) + CROSSING * (crossed + led * crosses)
    return found


def _rows(boxes: Sequence[Box]) -> Rows:
    return np.array([[b.left, b.bottom, b.right, b.top] for b in boxes], dtype=np.float64).reshape(-1, 4)


def _grown(boxes: Rows, by: float | Rows) -> Rows:
    found: Rows = boxes + by * np.array([-1, -1, 1, 1])
    return found


def _shared(one: Rows, other: Rows) -> Rows:
    """Area that each box of the one has in common with each of the other: (N, M)."""
    a, b = one[:, None], other[None]
    across = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    up = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    found: Rows = np.maximum(across, 0) * np.maximum(up, 0)
    return found


def _inside(lines: Rows, boxes: Rows) -> Rows:
    """How many px of each line lie in each box, (N, M): after Liang and Barsky 1984."""
    shape = (len(lines), len(boxes))
    first, last, length = np.zeros(shape), np.ones(shape), np.zeros(shape)
    for low, high in ((0, 2), (1, 3)):  # across, then up
        start, way = lines[:, None, low], lines[:, None, high] - lines[:, None, low]
        steps = np.where(way == 0, 1e-12, way)
        enters, leaves = (boxes[:, low] - start) / steps, (boxes[:, high] - start) / steps
        first = np.maximum(first, np.minimum(enters, leaves))
        last = np.minimum(last, np.maximum(enters, leaves))
        length = np.hypot(length, way)
    found: Rows = np.maximum(last - first, 0) * length
    return found


def _cross(one: Rows, other: Rows) -> NDArray[np.bool_]:
    """Do lines cross? (N, M): each has the other's ends on either side."""

    def side(line: Rows, at: Rows) -> Rows:
        x, y = line[..., 0], line[..., 1]
        found: Rows = (line[..., 2] - x) * (at[..., 1] - y) - (line[..., 3] - y) * (at[..., 0] - x)
        return found

    a, b = one[:, None], other[None]
    apart = side(a, b[..., :2]) * side(a, b[..., 2:]) < 0
    found: NDArray[np.bool_] = apart & (side(b, a[..., :2]) * side(b, a[..., 2:]) < 0)
    return found
