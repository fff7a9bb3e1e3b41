"""A crowd of robust networks, where fragile ones far below them make the scale: looked at alone, or named in part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from pages.ui import link
from robust_core import charts

CROWD = 6  # robust networks from which on they may be looked at alone
APART = 0.3  # how far above the others, in robust accuracy, they must lie
NEAR = 0.12  # of a picture's width and height: how close to another a mark must lie to go without its name
NAMED_IN_PART = (
    "Where many marks lie close together, a network has its name beside it only if it is chosen, or if no other there "
    "is better in both figures"
)


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
    places = {one.id: tuple(getattr(one, figure) or 0.0 for figure in figures) for one in points}
    wide, high = (max(axis) - min(axis) for axis in zip(*places.values(), strict=True)) if places else (0.0, 0.0)
    crowd = {one.id: places[one.id] for one in _crowd(points)}
    best = [places[one.id] for one in _crowd(points) if one.ranked and not one.claimed]

    def lost(name: str) -> bool:
        x, y = here = crowd[name]
        others = [place for other, place in crowd.items() if other != name]
        near = any(abs(u - x) <= NEAR * wide and abs(v - y) <= NEAR * high for u, v in others)
        return near and any(place != here and place[0] >= x and place[1] >= y for place in best)

    return [name for name in places if name not in crowd or name in chosen or not lost(name)]


def _crowd(points: Sequence[charts.Checkpoint]) -> list[charts.Checkpoint]:
    """Those that lie together far above the others, which make the scale; none where they are few."""
    by_robust = sorted(points, key=lambda point: point.robust)
    gaps = [above.robust - below.robust for below, above in pairwise(by_robust)]
    if not gaps or max(gaps) < APART:
        return []
    crowd = {point.id for point in by_robust[gaps.index(max(gaps)) + 1 :]}
    return [point for point in points if point.id in crowd] if len(crowd) >= CROWD else []
