"""Networks as marks, alike in every picture: colour by objective, symbol by architecture, open where it is a claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robust_core.charts.labels import Placed
from robust_core.charts.theme import Theme, faded, halo
from robust_core.models import ARCHITECTURES

CLAIM = "as an imported card claims, not measured here"
Interval = tuple[float, float]  # lower, upper, in [0, 1]

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "pentagon", "hexagram", "cross", "star")
OBJECTIVES = ("adversarial", "standard", "trades", "mtard", "b_mtard", "absld", "rslad", "fair_rslad", "ard")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One mark. clean, robust, worst_class (robust accuracy of the worst class): shares in [0, 1].

    attack says in words what `robust` was measured with, its ε and settings included; n: images measured on. claimed:
    nobody here has measured the figures, they came with an imported card. ranked: may it be called the best?
    falls_to: robust accuracy in a far lower worst case that its card knows; falls: that in words.
    """

    id: str
    name: str
    clean: float
    robust: float
    worst_class: float | None = None
    architecture: str = ""
    method: str = ""
    n: int = 0
    attack: str = ""
    eps: str = ""
    seed: int | None = None
    clean_interval: Interval | None = None
    robust_interval: Interval | None = None
    claimed: bool = False
    ranked: bool = True
    falls_to: float | None = None
    falls: str = ""

    @property
    def w_robust(self) -> float:
        return (self.clean + self.robust) / 2


def method_colour(method: str, look: Theme) -> str:
    """The colour of an objective, the same on every page; one nobody listed is grey."""
    colours = (*look.categories, look.ink)
    return colours[OBJECTIVES.index(method)] if method in OBJECTIVES else look.muted


def architecture_symbol(architecture: str) -> str:
    """The symbol of an architecture, the same on every page; the explorer's own three are never alike."""
    order = list(dict.fromkeys(["residual", "aw_net", "moe", *ARCHITECTURES.names()]))
    return SYMBOLS[order.index(architecture) % len(SYMBOLS)] if architecture in order else SYMBOLS[-1]


def whiskers(values: Sequence[float], intervals: Sequence[Interval | None], colour: str) -> dict[str, Any]:
    """An error bar a value, none where there is no interval."""
    ends = [(v, v) if i is None else i for v, i in zip(values, intervals, strict=True)]
    return {
        "visible": any(i is not None for i in intervals),
        "type": "data",
        "symmetric": False,
        "array": [high - v for v, (_, high) in zip(values, ends, strict=True)],
        "arrayminus": [v - low for v, (low, _) in zip(values, ends, strict=True)],
        "color": colour,
        "thickness": 1,
        "width": 3,
    }


def marker(points: Sequence[Checkpoint], selected: str | None, look: Theme) -> dict[str, Any]:
    """How the marks are drawn, but for their size: symbol = architecture, colour = objective. An open symbol has the
    colour of its outline, so that the selected one is told by its width alone."""

    def width(p: Checkpoint) -> float:
        return (4 if p.claimed else 2.5) if p.id == selected else (2 if p.claimed else 1)

    return {
        "symbol": [architecture_symbol(p.architecture) + "-open" * p.claimed for p in points],
        "color": [faded(method_colour(p.method, look), 0.85) for p in points],
        "line": {
            "color": [look.ink if p.id == selected else look.page for p in points],
            "width": [width(p) for p in points],
        },
        "opacity": 1,
    }


def window(values: list[float], least: float) -> tuple[float, float]:
    """An axis's range: the values with room around them for marks and names, at least `least` wide."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = max(0.18 * (high - low), (least - (high - low)) / 2, 0.02)
    return max(low - room, -0.04), min(high + room, 1.04)


def name_beside(at: tuple[float, float], text: str, place: Placed, size: float, look: Theme) -> dict[str, Any]:
    """The annotation that names the mark at a place of `place_labels`, with a line to it from far away. size: of the
    mark, px."""
    settings: dict[str, Any] = {
        "x": at[0],
        "y": at[1],
        "text": text,
        "font": {"size": 12, "color": look.ink, "shadow": halo(look)},
        "xanchor": place.anchor,
        "yanchor": "middle",
        "align": "left",
    }
    if place.leader:
        # ax, ay are where the text is, in px from the mark; Plotly counts y downwards.
        arrow = {"showarrow": True, "arrowhead": 0, "arrowwidth": 1, "arrowcolor": look.muted, "standoff": size / 2}
        return settings | arrow | {"ax": place.dx, "ay": -place.dy}
    return settings | {"showarrow": False, "xshift": place.dx, "yshift": place.dy}
