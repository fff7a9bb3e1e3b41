"""Where to write the names of marks so that they cover neither each other nor a mark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

POINTS = 6  # at which a line is looked at
CROSSING = 60.0  # px² a point of a line inside another mark is worth


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

    def overlap(self, other: Box) -> float:
        """Shared area, px²."""
        across = min(self.right, other.right) - max(self.left, other.left)
        up = min(self.top, other.top) - max(self.bottom, other.bottom)
        return across * up if across > 0 and up > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Placed:
    """dx, dy: px from the mark's centre to the text's anchor, y upwards. leader: far enough to need a line."""

    dx: float
    dy: float
    anchor: Literal["left", "center", "right"]
    leader: bool
    box: Box


def place_labels(
    marks: Sequence[Box],
    texts: Sequence[str],
    canvas: tuple[float, float],
    *,
    size: int,
    unnamed: Sequence[Box] = (),
    keep_off: Sequence[Box] = (),
) -> list[Placed]:
    """One place per text, greedily, the most crowded marks first; `size` is the font's, px; unnamed: marks without a
    text; keep_off: whatever else must stay readable.

    Places are tried from the mark's right outwards; the first that touches nothing, and whose line crosses no other
    mark, is taken, else the one that covers least. Text widths are estimated, a little generously.
    """
    taken: dict[int, Placed] = {}
    for i in sorted(range(len(marks)), key=lambda i: -_crowd(marks, i)):
        beside = [*(m for m in marks if m is not marks[i]), *unnamed]
        others = [*beside, *keep_off, *(p.box for p in taken.values())]
        candidates = _candidates(marks[i], 0.56 * size * len(texts[i]) + 4, 1.35 * size)
        costs = {n: _cost(c, others, canvas) + _crossed(c, marks[i], beside) for n, c in candidates}
        taken[i] = min(candidates, key=lambda c: (costs[c[0]], c[0]))[1]
    return [taken[i] for i in range(len(marks))]


def _crowd(marks: Sequence[Box], i: int) -> float:
    x, y = _centre(marks[i])
    return sum(1 / (1 + abs(x - u) + 2 * abs(y - v)) for j, m in enumerate(marks) if j != i for u, v in [_centre(m)])


def _centre(box: Box) -> tuple[float, float]:
    return (box.left + box.right) / 2, (box.bottom + box.top) / 2


def _candidates(mark: Box, width: float, height: float) -> list[tuple[int, Placed]]:
    """Places with their order of preference."""
    x, y = _centre(mark)
    radius = (mark.right - mark.left) / 2
    found: list[tuple[int, Placed]] = []
    for ring, gap in enumerate((3.0, 16.0, 30.0, 46.0, 64.0, 84.0)):
        reach = radius + gap
        diagonal = 0.75 * reach
        spots: list[tuple[float, float, Literal["left", "center", "right"]]] = [
            (reach, 0, "left"),
            (-reach, 0, "right"),
            (0, reach + height / 2 - 2, "center"),
            (0, -reach - height / 2 + 2, "center"),
            (diagonal, diagonal + 2, "left"),
            (diagonal, -diagonal - 2, "left"),
            (-diagonal, diagonal + 2, "right"),
            (-diagonal, -diagonal - 2, "right"),
        ]
        for dx, dy, anchor in spots:
            left = {"left": x + dx, "center": x + dx - width / 2, "right": x + dx - width}[anchor]
            box = Box(left, y + dy - height / 2, left + width, y + dy + height / 2)
            found.append((len(found), Placed(dx=dx, dy=dy, anchor=anchor, leader=ring > 0, box=box)))
    return found


def _cost(place: Placed, others: Sequence[Box], canvas: tuple[float, float]) -> float:
    inside = place.box.overlap(Box(0, 0, *canvas))
    area = (place.box.right - place.box.left) * (place.box.top - place.box.bottom)
    # Leaving the canvas cuts the name off: worse than touching a neighbour.
    return round(sum(place.box.overlap(o) for o in others) + 4 * (area - inside), 3)


def _crossed(place: Placed, mark: Box, others: Sequence[Box]) -> float:
    """What it costs that the line from the mark to its name runs through other marks: it would seem to name them."""
    if not place.leader:
        return 0.0
    x, y = _centre(mark)
    start = min(1.0, (mark.right - mark.left) / 2 / max(math.hypot(place.dx, place.dy), 1.0))
    shares = [start + (1 - start) * step / (POINTS - 1) for step in range(POINTS)]
    line = [(x + share * place.dx, y + share * place.dy) for share in shares]
    return CROSSING * sum(o.left < u < o.right and o.bottom < v < o.top for o in others for u, v in line)
