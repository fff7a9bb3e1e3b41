"""The rows of a leaderboard: which figure of a card stands in it, what is missing, and what speaks against it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from robust_core.cards import Card, Doubt, Doubts, Figure, Tally
from robust_core.evaluation.cost import Cost, counted
from robust_core.evaluation.marks import UNRANKED, Mark, of_figures, of_origin, of_weights
from robust_core.evaluation.measures import class_figures, nsd, wilson
from robust_core.evaluation.scores import Board, Listed, Score, untouched

SLACK = 1e-6  # between a figure of the card and the one its counts give
DRAWN = 500  # resamples for an interval that no card holds: a board of 200 is to be there at once


@dataclass(frozen=True, kw_only=True)
class Row:
    """A checkpoint on a board. score: None where it was not measured so; clean: None where not even untouched.

    ranked: False where the figures are missing, came with an imported card, are not of the weights that lie there
    now, flatter because attacks were left out, or are of fewer images than others' (which only a whole board tells:
    `footing.on_one_footing`).
    """

    name: str
    card: Card
    score: Score | None
    clean: Tally | None
    doubts: Doubts | None
    marks: tuple[Mark, ...] = ()
    cost: Cost | None = None

    @property
    def title(self) -> str:
        return self.card.title

    @property
    def ranked(self) -> bool:
        own = self.score is not None and not self.score.claimed
        return own and not any(mark.kind in UNRANKED for mark in self.marks)

    @property
    def fewer(self) -> bool:
        """Is it marked as measured on fewer images than others?"""
        return any(mark.kind == "fewer" for mark in self.marks)

    @property
    def flattering(self) -> bool:
        """Were attacks left out that might have told otherwise?"""
        return any(mark.kind == "flattering" for mark in self.marks)

    @property
    def robust(self) -> Tally | None:
        return self.score.robust if self.score else None

    @property
    def w_robust(self) -> float | None:
        """½ clean + ½ robust."""
        return None if self.robust is None or self.clean is None else (self.clean.accuracy + self.robust.accuracy) / 2

    @property
    def w_interval(self) -> Figure | None:
        """W-Robust with half the sum of the two lower ends, and of the two upper ones: 95 % or more.

        Both shares are of the same images: their errors may add up.
        """
        if self.robust is None or self.clean is None or self.w_robust is None:
            return None
        (low, high), (lowest, highest) = interval(self.clean), interval(self.robust)
        return Figure(value=self.w_robust, low=(low + lowest) / 2, high=(high + highest) / 2)

    @property
    def worst_class(self) -> float | None:
        return self.robust.worst_class if self.robust else None

    @property
    def worst_name(self) -> str:
        """Of the class that fares worst under attack; their number where several fare alike."""
        return self.robust.worst_name(self.card.class_names) if self.robust else ""

    @property
    def nsd(self) -> float | None:
        """None where it was not measured, or no image is right."""
        return nsd(self.robust.class_accuracy) if self.robust else None

    @property
    def intervals(self) -> dict[str, Figure]:
        """ "worst_class" and "nsd" with their 95 % intervals: as measured here, else drawn from the card's counts.

        Without "nsd" where no image is right; empty where nothing was measured.
        """
        if self.score is None:
            return {}
        held = {} if self.score.claimed else self.score.figures
        names = ["worst_class"] if self.nsd is None else ["worst_class", "nsd"]
        robust, own = self.score.robust, {"worst_class": self.worst_class, "nsd": self.nsd}
        if all(name in held and _fits(held[name], own[name]) for name in names):
            return {name: held[name] for name in names}
        return _drawn(robust.class_n, robust.class_correct)

    @property
    def multiply_adds(self) -> int | None:
        """Of one image, from what the card says of the architecture; where that cannot be built, as it was timed."""
        card = self.card
        made = counted(card.architecture, json.dumps(card.options), tuple(card.image_shape), len(card.class_names))
        return self.cost.multiply_adds if made is None and self.cost is not None else made

    def value(self, key: str) -> float | str | None:
        """What the row is sorted by under this key; None where there is nothing, or nothing to compare: milliseconds
        of another machine."""
        cost, checks = self.cost, self.doubts.checks if self.doubts else ()
        if key == "multiply_adds":  # only where it is asked for: it builds a network
            return None if self.multiply_adds is None else float(self.multiply_adds)
        return {
            "name": self.title.casefold(),
            "method": self.card.method,
            "architecture": self.card.architecture,
            "clean": self.clean.accuracy if self.clean else None,
            "robust": self.robust.accuracy if self.robust else None,
            "w_robust": self.w_robust,
            "worst_class": self.worst_class,
            "nsd": self.nsd,
            "doubts": _caught(checks),
            "parameters": float(self.card.parameters),
            "ms": cost.one_ms if cost and cost.here else None,
        }[key]


def _fits(held: Figure, own: float | None) -> bool:
    """Is a card's own figure the one its counts give, with an interval that is more than a point?"""
    return own is not None and abs(held.value - own) <= SLACK and held.low < held.high


@lru_cache(maxsize=4096)
def _drawn(class_n: tuple[int, ...], class_correct: tuple[int, ...]) -> dict[str, Figure]:
    tally = Tally(n=sum(class_n), correct=sum(class_correct), class_n=class_n, class_correct=class_correct)
    return class_figures(tally, resamples=DRAWN)


def _caught(checks: Sequence[Doubt]) -> float | None:
    """How many checks were not passed; None where none decides."""
    made = [check.passed for check in checks if check.passed is not None]
    return float(made.count(False)) if made else None


LOW_FIRST = ("name", "method", "architecture", "nsd", "doubts", "parameters", "multiply_adds", "ms")
SORTS = ("w_robust", "robust", "clean", "worst_class", *LOW_FIRST)
JUDGES = ("w_robust", "robust", "clean", "worst_class", "nsd")  # by the others rows are put in order, not ranked
DIGITS = 9  # figures equal to as many decimals are equal


def interval(tally: Tally) -> tuple[float, float]:
    """Wilson's 95 % of its accuracy."""
    return wilson(tally.correct, tally.n)


def row(listed: Listed, board: Board, yardstick: str, cost: Cost | None = None) -> Row:
    """A checkpoint's row: of several figures of one kind the one of its present weights on the most images; before it
    one that does not flatter, and before that one made here, not claimed by an imported card."""

    def worth(s: Score) -> tuple[bool, bool, int, bool]:
        return not s.claimed, not s.flatters, s.robust.n, s.robust.marks is not None

    fresh = reversed([s for s in _fitting(listed, board, yardstick) if s.fresh])
    return _row(listed, board, yardstick, max(fresh, key=worth, default=None), cost)


def every_row(listed: Listed, board: Board, yardstick: str) -> list[Row]:
    """A row for each figure of this kind that is of its present weights, the last made first."""
    return [_row(listed, board, yardstick, s) for s in reversed(_fitting(listed, board, yardstick)) if s.fresh]


def _fitting(listed: Listed, board: Board, yardstick: str) -> list[Score]:
    return [s for s in listed.scores if s.on(board) and s.yardstick.id == yardstick]


def _row(listed: Listed, board: Board, yardstick: str, score: Score | None, cost: Cost | None = None) -> Row:
    card = listed.card
    clean = score.clean if score else untouched(card, board.fingerprint, None)
    found = [*of_weights(listed), *of_origin(card, board, claimed=score is not None and score.claimed)]
    if score is None and _fitting(listed, board, yardstick):
        told = "what its card says was measured on other weights than the card's, and is left out"
        found.append(Mark(kind="partial", word="earlier weights", told=told))
    if score:
        found += of_figures(score, card)
    doubts = _doubts(card, board)
    return Row(name=listed.name, card=card, score=score, clean=clean, doubts=doubts, marks=tuple(found), cost=cost)


def _doubts(card: Card, board: Board) -> Doubts | None:
    """Of the checks of these weights at the board's budget the last, those on its images first.

    What an imported card says for itself is left out; what it says against itself is believed.
    """
    fresh = [d for d in card.doubts if d.weights_sha256 == card.weights_sha256]
    fresh = [d for d in fresh if not d.claimed] or [d for d in fresh if d.raised]
    fitting = [d for d in fresh if (d.norm, d.eps) == (board.norm, board.eps)]
    return max(reversed(fitting), key=lambda d: d.data_fingerprint == board.fingerprint, default=None)


def ordered(rows: Iterable[Row], key: str, *, backwards: bool = False) -> list[Row]:
    """By this key, best first, or best last; equal ones in order of name.

    Either way rows without it come last, and before them those not to be ranked.
    """
    named = sorted(rows, key=lambda one: one.title.casefold())
    known = [one for one in named if not _missing(one.value(key))]
    # Sorting keeps equal ones as they stand, so that each order is one within the next.
    known.sort(key=lambda one: _rounded(one.value(key)), reverse=(key in LOW_FIRST) == backwards)
    known.sort(key=lambda one: not one.ranked)
    return known + [one for one in named if _missing(one.value(key))]


def _rounded(value: float | str | None) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


def _missing(value: float | str | None) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def ranks(rows: Iterable[Row], key: str) -> dict[str, int]:
    """Name → rank by this key, of those that have one: equal figures share the best of their ranks.

    Nobody is ranked by a key that does not judge, where the key's figure is missing, or whose figures do not count.
    """
    if key not in JUDGES:
        return {}
    sign = 1 if key in LOW_FIRST else -1
    values = {
        one.name: round(sign * value, DIGITS)
        for one in rows
        if one.ranked and isinstance(value := one.value(key), float) and not _missing(value)
    }
    return {name: 1 + sum(other < value for other in values.values()) for name, value in values.items()}
