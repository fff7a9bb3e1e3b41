"""A crowd of robust networks, where fragile ones far below them make the scale: looked at alone, or named in part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from pages.ui import link
from robust_core import charts

CROWD = 6  # robust networks from which on they may be looked at alone
APART = 0.3  # how far above the others, in robust accuracy, they must lie


NAMED_IN_PART = "Of the crowd above, only those that none beats in both are named, and what is chosen"


def closer(points: Sequence[charts.Checkpoint]) -> list[charts.Checkpoint]:
    """All of them, or the crowd where the visitor wants it; draws the switch where there is one."""
    every, crowd = list(points), _crowd(points)
    if not crowd:
        return every
    views = {"all": f"All {len(every)}", "robust": f"The {len(crowd)} robust ones, closer"}
    chosen = link.segments("Which networks", views, "near", "all", label_visibility="collapsed")
    return crowd if chosen == "robust" else every


def named(points: Sequence[charts.Checkpoint], chosen: Collection[str]) -> list[str]:
    """Whose names are written: where a crowd lies in one spot, only its best, and what is chosen."""
    crowd = _crowd(points)
    front = {one.id for one in crowd if not any(_beats(other, one) for other in crowd)}
    return [one.id for one in points if one not in crowd or one.id in front or one.id in chosen]


def _beats(one: charts.Checkpoint, other: charts.Checkpoint) -> bool:
    return one.clean >= other.clean and one.robust >= other.robust and one.w_robust > other.w_robust


def _crowd(points: Sequence[charts.Checkpoint]) -> list[charts.Checkpoint]:
    """Those that lie together far above the others, which make the scale; none where they are few."""
    by_robust = sorted(points, key=lambda point: point.robust)
    gaps = [above.robust - below.robust for below, above in pairwise(by_robust)]
    if not gaps or max(gaps) < APART:
        return []
    crowd = by_robust[gaps.index(max(gaps)) + 1 :]
    return [point for point in points if point in crowd] if len(crowd) >= CROWD else []
