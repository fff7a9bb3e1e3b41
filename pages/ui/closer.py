"""A crowd of robust networks, where fragile ones far below them make the scale: looked at alone, or named in part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from pages.ui import link
from robust_core import charts

CROWD = 6  # robust networks from which on they may be looked at alone
NAMED_IN_PART = "Of the crowd, only those that none beats in both figures are named, and what is chosen"
APART = 0.3  # how far above the others, in robust accuracy, they must lie


def closer(points: Sequence[charts.Checkpoint]) -> list[charts.Checkpoint]:
    """All of them, or the crowd where the visitor wants it; draws the switch where there is one."""
    every, crowd = list(points), _crowd(points)
    if not crowd:
        return every
    views = {"all": f"All {len(every)}", "robust": f"The {len(crowd)} robust ones, closer"}
    chosen = link.segments("Which networks", views, "near", "all", label_visibility="collapsed")
    return crowd if chosen == "robust" else every


def named(
    points: Sequence[charts.Checkpoint], chosen: Collection[str], figures: tuple[str, str] = ("clean", "robust")
) -> list[str]:
    """Whose names are written: where a crowd lies in one spot, only its best, and what is chosen.

    figures: fields of a mark, by which its picture places it.
    """
    crowd = _crowd(points)
    places = [tuple(getattr(one, figure) or 0.0 for figure in figures) for one in crowd]
    beaten = [any(_beats(other, place) for other in places) for place in places]
    left_out = {one.id for one, lost in zip(crowd, beaten, strict=True) if lost and one.id not in chosen}
    return [one.id for one in points if one.id not in left_out]


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def _crowd(points: Sequence[charts.Checkpoint]) -> list[charts.Checkpoint]:
    """Those that lie together far above the others, which make the scale; none where they are few."""
    by_robust = sorted(points, key=lambda point: point.robust)
    gaps = [above.robust - below.robust for below, above in pairwise(by_robust)]
    if not gaps or max(gaps) < APART:
        return []
    crowd = by_robust[gaps.index(max(gaps)) + 1 :]
    return [point for point in points if point in crowd] if len(crowd) >= CROWD else []
