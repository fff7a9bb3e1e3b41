"""What the papers claim of their methods, asked of the checkpoints here: each against the rival that it is to beat.

Two cards answer where they are of one task, one training set and one shape of network, measured with one yardstick on
the same images; whatever else their recipes do differently is told. An interval is of the images alone, of which a card
keeps counts only, so the two networks' errors are taken for independent (Newcombe's square-and-add: Newcombe 1998,
method 10; Zou and Donner 2008). What another training seed would give it does not hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from robust_core.cards import Figure
from robust_core.checkpoints import recipe_of
from robust_core.evaluation.leaderboard import Row, row
from robust_core.evaluation.scores import Board, Listed, Yardstick, boards, task_of, yardsticks

What = Literal["w_robust", "worst_class", "nsd"]
Answer = Literal["holds", "fails", "open", "unequal"]
COMPARED = ("seed", "data", "attack", "schedule")  # parts of two recipes that are to be the same
LEARNT = ("objective", "teachers")  # these, too, where one network has a router and the other has none


@dataclass(frozen=True, kw_only=True)
class Claim:
    """method is to beat rival in what. routed: these two are architectures, taught by the same method."""

    method: str
    rival: str
    what: What
    routed: bool = False


CLAIMS = (
    Claim(method="aw_net", rival="residual", what="w_robust", routed=True),
    Claim(method="mtard", rival="rslad", what="w_robust"),
    Claim(method="b_mtard", rival="mtard", what="w_robust"),
    Claim(method="absld", rival="rslad", what="worst_class"),
    Claim(method="absld", rival="rslad", what="nsd"),
)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One figure of both networks, by one yardstick on n images. gain: how much better the method fares; low, high:
    its interval, 95 % or more."""

    yardstick: Yardstick
    told: str
    data_name: str
    n: int
    method: float
    rival: float
    gain: float
    low: float
    high: float

    @property
    def decides(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What two checkpoints say of a claim. comparisons: the strongest yardstick first, then the one of more images.

    unequal: where their recipes differ beyond what the claim is about, "schedule.epochs: 6 against 3".
    """

    claim: Claim
    method: Listed
    rival: Listed
    comparisons: tuple[Comparison, ...]
    unequal: tuple[str, ...] = ()

    @property
    def by(self) -> Comparison:
        """The comparison that answers: the strongest that decides, else the one of the most images."""
        decisive = [one for one in self.comparisons if one.decides]
        return decisive[0] if decisive else self.comparisons[-1]

    @property
    def answer(self) -> Answer:
        if self.unequal:
            return "unequal"
        return "open" if not self.by.decides else "holds" if self.by.low > 0 else "fails"


def verdict(claim: Claim, listed: Sequence[Listed], *, of: str | None = None) -> Verdict | None:
    """What the most equally trained pair answers; None where there is no pair. of: the name the method is to have."""
    best: Verdict | None = None
    for method, rival in _pairs(claim, listed, of):
        unequal = differences(claim, recipe_of(method.checkpoint), recipe_of(rival.checkpoint))
        if best is not None and len(unequal) >= len(best.unequal):
            continue
        if made := comparisons(claim.what, method, rival):
            best = Verdict(claim=claim, method=method, rival=rival, comparisons=made, unequal=unequal)
    return best


def _pairs(claim: Claim, listed: Sequence[Listed], of: str | None) -> Iterator[tuple[Listed, Listed]]:
    def role(one: Listed) -> tuple[str, str]:
        kinds = one.card.architecture, one.card.method
        return kinds if claim.routed else (kinds[1], kinds[0])

    for method in listed:
        if role(method)[0] != claim.method or of not in (None, method.name) or method.card.imported:
            continue
        for rival in listed:
            same = role(rival)[0] == claim.rival and role(rival)[1] == role(method)[1] and not rival.card.imported
            if same and _one_task(method, rival):
                yield method, rival


def _one_task(a: Listed, b: Listed) -> bool:
    """One training set, and the same value of every option that both networks have."""
    shared = a.card.options.keys() & b.card.options.keys()
    return (
        task_of(a.card) == task_of(b.card)
        and a.card.data_fingerprint == b.card.data_fingerprint
        and all(a.card.options[key] == b.card.options[key] for key in shared)
    )


def comparisons(what: What, method: Listed, rival: Listed) -> tuple[Comparison, ...]:
    """On the first board that both stand on: by their strongest common yardstick, and by that of the most images."""
    for board in boards([method, rival]):
        made = [_compared(what, stick, board, method, rival) for stick in yardsticks(board, [method, rival])]
        known = [one for one in made if one is not None]
        if known:
            strongest = max(known, key=lambda one: (one.yardstick.strength, one.n))
            broadest = max(known, key=lambda one: (one.n, one.yardstick.strength))
            return tuple(dict.fromkeys((strongest, broadest)))
    return ()


def _compared(what: What, stick: Yardstick, board: Board, method: Listed, rival: Listed) -> Comparison | None:
    rows = [row(one, board, stick.id) for one in (method, rival)]
    counts = {(one.robust.n, one.clean.n) for one in rows if one.ranked and one.robust and one.clean}
    if not all(one.ranked and one.clean for one in rows) or len(counts) != 1:
        return None
    ours, theirs = (_figure(what, one) for one in rows)
    score = rows[0].score
    if ours is None or theirs is None or score is None:
        return None
    better, worse = (theirs, ours) if what == "nsd" else (ours, theirs)
    gain = better.value - worse.value
    return Comparison(
        yardstick=stick,
        told=score.told,
        data_name=board.data_name,
        n=score.robust.n,
        method=ours.value,
        rival=theirs.value,
        gain=gain,
        low=gain - math.hypot(better.value - better.low, worse.high - worse.value),
        high=gain + math.hypot(better.high - better.value, worse.value - worse.low),
    )


def _figure(what: What, one: Row) -> Figure | None:
    return one.w_interval if what == "w_robust" else one.intervals.get(what)


def differences(claim: Claim, method: Mapping[str, Any], rival: Mapping[str, Any]) -> tuple[str, ...]:
    """Where two recipes differ though the claim is not about it, a phrase each."""
    if not method or not rival:
        return ("a recipe is missing: how it was trained is not known",)
    parts = COMPARED + (LEARNT if claim.routed else ())
    ours, theirs = ({k: v for k, v in _flat(r) if k.split(".")[0] in parts} for r in (method, rival))
    keys = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    return tuple(f"{key}: {ours.get(key, 'none')} against {theirs.get(key, 'none')}" for key in keys)


def _flat(part: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in part.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        elif value != "":  # no teacher
            yield before + key, value
