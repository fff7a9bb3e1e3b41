"""What the papers claim of their methods, asked of the checkpoints here: each against the rival that it is to beat.

Two cards answer where they are of one task, one training set and one shape of network, their recipes differ in nothing
but what the claim is about, and both were measured with one yardstick on the same images. The interval is of the images
alone; what another training seed would give it does not hold. Where both cards say which images were right, it is of
the differences image by image; where one has only counts, the errors of the two networks are taken for independent
(Newcombe's square-and-add: Newcombe 1998, method 10; Zou and Donner 2008), and the interval is wider.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from robust_core.cards import Figure
from robust_core.evaluation.footing import common
from robust_core.evaluation.leaderboard import Row, row
from robust_core.evaluation.paired import Interval, gap_between_classes, gap_of_means
from robust_core.evaluation.remarks import static
from robust_core.evaluation.scores import ENOUGH, PAPERS, Board, Listed, Yardstick, boards, task_of, yardsticks
from robust_core.library.alike import differences, flat_recipe

What = Literal["w_robust", "worst_class", "nsd"]
Answer = Literal["holds", "does not hold", "undecided", "trained differently"]
MOST_PAIRS = 8  # equal pairs that are heard


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
    its interval, about 95 %; paired: image by image. spared: the attacks that know the method's router were left out,
    and its rival has none: it can only look better than it is."""

    board: Board
    yardstick: Yardstick
    told: str
    n: int
    method: float
    rival: float
    gain: float
    low: float
    high: float
    paired: bool = False
    spared: bool = False

    @property
    def side(self) -> int:
        """1 for the method, -1 for the rival, 0 where chance or too few images leave it open."""
        return 0 if self.n < ENOUGH else (self.low > 0) - (self.high < 0)

    @property
    def decides(self) -> int:
        """As side, but a win that the attacks on the router might take back decides nothing."""
        return min(self.side, 0) if self.spared else self.side


@dataclass(frozen=True, kw_only=True)
class Unspared:
    """Robust accuracy of a routed network in the worst case with the attacks that know its router, on the first n
    images; without: where those are left out, None where the card does not say."""

    n: int
    robust: float
    without: float | None


class Pair(NamedTuple):
    """Two networks of a claim, compared."""

    method: Listed
    rival: Listed
    by: Comparison


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What two checkpoints say of a claim. by: under the strongest attack on enough images; beyond: under a stronger
    one, on too few; wider: under a weaker one on more images, where these decide and the strongest's do not.

    unequal: where their recipes differ beyond what the claim is about, "schedule.epochs: 6 against 3". pairs: how many
    equal pairs there are, against: those of them that decide otherwise. doubted: titles of those with raised doubts.
    unspared: what the attacks on the router leave, where they are left out of `by` and the method's card has them.
    """

    claim: Claim
    method: Listed
    rival: Listed
    by: Comparison
    beyond: Comparison | None = None
    wider: Comparison | None = None
    unequal: tuple[str, ...] = ()
    pairs: int = 1
    against: tuple[Pair, ...] = ()
    doubted: tuple[str, ...] = ()
    unspared: Unspared | None = None

    @property
    def answer(self) -> Answer:
        if self.unequal:
            return "trained differently"
        if self.by.decides == 0 or self.against:
            return "undecided"
        return "holds" if self.by.decides > 0 else "does not hold"


def verdict(claim: Claim, listed: Sequence[Listed], *, of: str | None = None) -> Verdict | None:
    """What the most equally trained pair answers; None where there is no pair. of: the name the method is to have."""
    flat = {one.name: flat_recipe(one) for one in listed if _plays(claim, one)}
    pairs = [(differences(flat[a.name], flat[b.name], routed=claim.routed), a, b) for a, b in _pairs(claim, listed, of)]
    pairs.sort(key=lambda pair: (len(pair[0]), pair[1].name, pair[2].name))
    best, heard = None, 0
    equal: list[Pair] = []
    for unequal, method, rival in pairs:
        if best is not None and (unequal or heard >= MOST_PAIRS):
            break
        heard += 1
        made = comparisons(claim.what, method, rival)
        if made is None:
            continue
        equal += [Pair(method, rival, made[0])] if not unequal else []
        best = best or Verdict(claim=claim, method=method, rival=rival, by=made[0], beyond=made[1], wider=made[2],
                               unequal=unequal, doubted=_doubted(made[0], method, rival),
                               unspared=_unspared(method, made[0]))  # fmt: skip
    if best is None:
        return None
    against = tuple(one for one in equal if one.by.decides not in (0, best.by.decides))
    return Verdict(**vars(best) | {"pairs": max(len(equal), 1), "against": against})


def _role(claim: Claim, one: Listed) -> tuple[str, str]:
    """(what the claim is about, what is to be the same) of a card."""
    kinds = one.card.architecture, one.card.method
    return kinds if claim.routed else (kinds[1], kinds[0])


def _plays(claim: Claim, one: Listed) -> bool:
    return _role(claim, one)[0] in (claim.method, claim.rival) and bool(one.scores) and not one.card.imported


def _pairs(claim: Claim, listed: Sequence[Listed], of: str | None) -> Iterator[tuple[Listed, Listed]]:
    rivals: dict[Hashable, list[Listed]] = defaultdict(list)
    for one in listed:
        if _plays(claim, one) and _role(claim, one)[0] == claim.rival:
            rivals[_kind(claim, one)].append(one)
    for method in listed:
        if _plays(claim, method) and _role(claim, method)[0] == claim.method and of in (None, method.name):
            yield from ((method, rival) for rival in rivals[_kind(claim, method)] if _one_shape(claim, method, rival))


def _kind(claim: Claim, one: Listed) -> Hashable:
    return task_of(one.card), one.card.data_fingerprint, _role(claim, one)[1]


def _one_shape(claim: Claim, a: Listed, b: Listed) -> bool:
    """The same value of every option that both networks have; without a router in question, as many parameters."""
    ours, theirs = a.card.options, b.card.options
    same = all(ours[key] == theirs[key] for key in ours.keys() & theirs.keys())
    return same and (claim.routed or a.card.parameters == b.card.parameters)


def comparisons(
    what: What, method: Listed, rival: Listed
) -> tuple[Comparison, Comparison | None, Comparison | None] | None:
    """Under the strongest attack that both met on enough images, or the most there are; under a stronger one that they
    met on fewer; and, where the first decides nothing, under a weaker one that decides on more images. The budget of
    the papers is asked first; None where nothing can be compared."""
    found: list[tuple[Any, list[Comparison]]] = []
    for board in boards([method, rival]):
        made = [_compared(what, stick, board, method, rival) for stick in yardsticks(board, [method, rival])]
        known = [one for one in made if one is not None]
        if known:
            papers = board.norm == "linf" and math.isclose(board.eps, PAPERS.get(board.task[0][0], 8 / 255))
            found.append(((not papers, -max(one.n for one in known), board.id), known))
    if not found:
        return None
    known = min(found, key=lambda pair: pair[0])[1]
    by = max(known, key=lambda one: (min(one.n, ENOUGH), one.yardstick.strength, one.n))
    strongest = max(known, key=lambda one: (one.yardstick.strength, one.n))
    wider = [one for one in known if by.side == 0 and one.n > by.n and one.side != 0]
    return (
        by,
        strongest if strongest.yardstick.strength > by.yardstick.strength else None,
        max(wider, key=lambda one: (one.yardstick.strength, one.n), default=None),
    )


def _compared(what: What, stick: Yardstick, board: Board, method: Listed, rival: Listed) -> Comparison | None:
    rows = common(board, stick.id, method, rival)
    if rows is None:
        return None
    ours, theirs = (_figure(what, one) for one in rows)
    score = rows[0].score
    if ours is None or theirs is None or score is None:
        return None
    better, worse = (theirs, ours) if what == "nsd" else (ours, theirs)
    gain = better.value - worse.value
    apart = (
        gain - math.hypot(better.value - better.low, worse.high - worse.value),
        gain + math.hypot(better.high - better.value, worse.value - worse.low),
    )
    paired = _by_image(what, *(rows[::-1] if what == "nsd" else rows))
    low, high = paired or apart
    return Comparison(
        board=board,
        yardstick=stick,
        told=score.told,
        n=score.robust.n,
        method=ours.value,
        rival=theirs.value,
        gain=gain,
        low=low,
        high=high,
        paired=paired is not None,
        spared="adaptive" not in score.plan and _routed(method) and not _routed(rival),
    )


def _routed(one: Listed) -> bool:
    return not static(one.card.architecture)


def _by_image(what: What, better: Row, worse: Row) -> Interval | None:
    """None where a card has only the counts."""
    assert better.robust
    assert worse.robust
    if what != "w_robust":
        return gap_between_classes(what, better.robust, worse.robust)
    assert better.clean
    assert worse.clean
    return gap_of_means((better.clean, better.robust), (worse.clean, worse.robust))


def _figure(what: What, one: Row) -> Figure | None:
    return one.w_interval if what == "w_robust" else one.intervals.get(what)


def _doubted(by: Comparison, *pair: Listed) -> tuple[str, ...]:
    rows = [row(one, by.board, by.yardstick.id) for one in pair]
    return tuple(one.title for one in rows if one.doubts and one.doubts.raised)


def _unspared(method: Listed, by: Comparison) -> Unspared | None:
    """Of the evaluations on this board that attack the router the one on the most images."""
    if not by.spared:
        return None
    made = [s for s in method.scores if s.on(by.board) and s.fresh and not s.claimed and "adaptive" in s.plan]
    whole = max((s for s in made if s.yardstick.strength > 1), key=lambda s: s.robust.n, default=None)
    if whole is None:
        return None
    same = next((s for s in method.scores if s.yardstick.id == by.yardstick.id and s.clean is whole.clean), None)
    return Unspared(n=whole.robust.n, robust=whole.robust.accuracy, without=same.robust.accuracy if same else None)
