"""What the cards claim, as scores that may be compared: on which images, at which budget, by which yardstick.

A board is of one set of test images and one budget (norm, ε); within it one yardstick says under which attack, or under
which ensemble's worst case, robust accuracy is read. Nothing is ranked across boards or yardsticks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from robust_core import data
from robust_core.attacks import AttackSettings
from robust_core.attacks.settings import SYMBOLS
from robust_core.cards import Card, Evaluation, Figure, Measure, Tally
from robust_core.checkpoints import Checkpoint
from robust_core.evaluation.plan import called
from robust_core.evaluation.remarks import Remark, broken, flatters, left_out
from robust_core.types import UserError

Task = tuple[tuple[int, int, int], tuple[str, ...]]
PAPERS = {1: 0.1, 3: 8 / 255}  # ε of the papers, by channels
GROUP_TITLES = {"table": "the papers' attacks", "autoattack": "AutoAttack", "adaptive": "adaptive attacks"}
ROUTER = " (and on a router)"
ENOUGH = 1000  # images: fewer decide nothing, or a second look at few would be a second chance


@dataclass(frozen=True, kw_only=True)
class Board:
    """Which figures may stand side by side. fingerprint: of the test images; empty where nothing was measured."""

    id: str
    data_name: str
    fingerprint: str
    norm: str
    eps: float
    task: Task

    @property
    def budget(self) -> str:
        """ "L∞, ε = 0.1 (25.5/255)"."""
        pixels = f" ({self.eps * 255:.4g}/255)" if self.norm == "linf" else ""
        return f"{SYMBOLS[self.norm]}, ε = {self.eps:.4g}{pixels}"


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """What robust accuracy is measured with. strength orders them: an ensemble before a single attack."""

    id: str
    title: str
    strength: int = 0


@dataclass(frozen=True, kw_only=True)
class Score:
    """One figure of one card: on which images, under what, with what came out untouched beside it.

    plan: the groups of attacks that make it, none for a measure. claimed: it came with an imported card. flatters: why
    it is too good to be held against others: attacks that its yardstick asks for were not made; "" where they were.
    """

    yardstick: Yardstick
    data_name: str
    fingerprint: str
    norm: str
    eps: float
    told: str
    seed: int
    robust: Tally
    clean: Tally | None
    fresh: bool = True
    figures: dict[str, Figure] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    plan: tuple[str, ...] = ()
    claimed: bool = False
    flatters: str = ""

    def on(self, board: Board) -> bool:
        return (self.fingerprint, self.norm, self.eps) == (board.fingerprint, board.norm, board.eps)


@dataclass(frozen=True, kw_only=True, eq=False)
class Listed:
    """A checkpoint with a card, and the scores that this claims."""

    checkpoint: Checkpoint
    card: Card
    scores: tuple[Score, ...]

    @staticmethod
    def of(checkpoint: Checkpoint, card: Card) -> Listed:
        return Listed(checkpoint=checkpoint, card=card, scores=tuple(scores(card)))

    @property
    def name(self) -> str:
        return self.checkpoint.name


def task_of(card: Card) -> Task:
    return card.image_shape, card.class_names


def scores(card: Card) -> list[Score]:
    """Every robust figure the card claims. Of a measure: one; of an evaluation: its attacks that met every image, its
    groups, and the worst case over all."""
    found = [score for measure in card.measures if (score := _measured(card, measure)) is not None]
    for evaluation in card.evaluations:
        found += _evaluated(card, evaluation)
    return found


def _measured(card: Card, measure: Measure) -> Score | None:
    attack = measure.attack
    if attack is None:
        return None
    return Score(
        yardstick=single(attack),
        data_name=measure.data_name,
        fingerprint=measure.data_fingerprint,
        norm=attack.norm,
        eps=attack.eps,
        told=attack.describe(),
        seed=attack.seed,
        robust=measure,
        clean=untouched(card, measure.data_fingerprint, measure.n, claimed=measure.claimed),
        claimed=measure.claimed,
    )


def _evaluated(card: Card, e: Evaluation) -> list[Score]:
    def score(yardstick: Yardstick, told: str, robust: Tally, **more: Any) -> Score:
        return Score(
            yardstick=yardstick, data_name=e.data_name, fingerprint=e.data_fingerprint, norm=e.norm, eps=e.eps,
            told=told, seed=e.seed, robust=robust, clean=e.clean, fresh=e.weights_sha256 == card.weights_sha256,
            claimed=e.claimed, **more,
        )  # fmt: skip

    found = [
        score(single(r.attack), r.describe(), r, plan=(r.group,), remarks=broken(e, [r]))
        for r in e.results
        if r.alone and r.attack is not None
    ]
    for group, left in e.groups.items():
        # The router's attacks are made on nets that have one: as a group they compare nothing.
        if group != "adaptive":
            made = [r for r in e.results if r.group == group]
            figures = e.figures if len(e.groups) == 1 else {}
            found.append(score(_group(group), called(made), left, plan=(group,), figures=figures,
                               remarks=(*left_out(e, group), *broken(e, made))))  # fmt: skip
    told = f"per image the worst of {called(e.results)}"
    remarks = (*left_out(e), *broken(e, e.results))
    return [*found, score(_worst(e.plan), told, e.worst, plan=e.plan, figures=e.figures, remarks=remarks,
                          flatters=flatters(card, e))]  # fmt: skip


def single(attack: AttackSettings) -> Yardstick:
    """The attack whatever its budget, which is the board's, and its seed, which is told beside the figure."""
    same = {key: value for key, value in attack.to_dict().items() if key not in ("eps", "norm", "seed")}
    words = [word for word in attack.describe().split(", ") if not word.startswith(("L∞", "L2", "ε", "seed"))]
    return Yardstick(id=":".join(f"{value:g}" if isinstance(value, float) else str(value) for value in same.values()),
                     title=", ".join(words))  # fmt: skip


def _group(group: str) -> Yardstick:
    return Yardstick(id=f"group:{group}", title=f"worst case of {GROUP_TITLES.get(group, group)}", strength=1)


def _worst(plan: Sequence[str]) -> Yardstick:
    """Static nets and routed ones share it: each under all that there is against it."""
    groups = [group for group in plan if group != "adaptive"] or list(plan)
    told = " and ".join(GROUP_TITLES.get(group, group) for group in groups)
    more = ROUTER if set(plan) > set(groups) else ""
    return Yardstick(id="worst:" + "+".join(groups), title=f"worst case of {told}{more}", strength=1 + len(groups))


def untouched(card: Card, fingerprint: str, n: int | None, *, claimed: bool = False) -> Tally | None:
    """Clean accuracy on these images, on as many where there is such a figure. claimed: or as an imported card says."""
    known: list[tuple[bool, Tally]] = [
        (m.claimed, m) for m in card.measures if m.attack is None and m.data_fingerprint == fingerprint
    ]
    known += [
        (e.claimed, e.clean)
        for e in card.evaluations
        if e.data_fingerprint == fingerprint and e.weights_sha256 == card.weights_sha256
    ]
    allowed = [(said, tally) for said, tally in known if claimed or not said]
    by_worth = sorted(allowed, key=lambda a: (a[0], a[1].n != n, -a[1].n, a[1].marks is None))
    return by_worth[0][1] if by_worth else None


def boards(listed: Iterable[Listed]) -> list[Board]:
    """The boards there are, that of the most cards first. Where nothing was measured robustly: one a task, empty.

    A board is called as the data set of its images is; only where nobody here knows these, as a card says.
    """
    listed = list(listed)
    counts: Counter[tuple[str, str, float, Task]] = Counter()
    known = _known_names()
    names = dict(known)
    for one in sorted(listed, key=lambda one: one.card.imported):
        counts.update({(s.fingerprint, s.norm, s.eps, task_of(one.card)) for s in one.scores})
        names = {s.fingerprint: s.data_name for s in one.scores} | names
    keys = sorted(counts, key=lambda key: (-counts[key], str(key[:3])))
    seen = {key[3] for key in keys}
    for one in listed:
        task, clean = task_of(one.card), one.card.clean
        if task not in seen:
            seen.add(task)
            keys.append((clean.data_fingerprint if clean else "", "linf", PAPERS.get(task[0][0], 8 / 255), task))
            names.setdefault(keys[-1][0], clean.data_name if clean else one.card.data_name)
    made: dict[str, Board] = {}
    for fingerprint, norm, eps, task in sorted(keys, key=lambda key: key[0] not in known):
        name = f"{names[fingerprint]}:{norm}:{eps:.4g}"
        name = name if name not in made else f"{name}:{fingerprint[:8]}:{eps!r}"
        made[name] = Board(
            id=name, data_name=names[fingerprint], fingerprint=fingerprint, norm=norm, eps=eps, task=task
        )
    return sorted(made.values(), key=lambda board: keys.index((board.fingerprint, board.norm, board.eps, board.task)))


def _known_names() -> dict[str, str]:
    """Fingerprint → name of the data sets whose test images are known by it, those of the program first."""
    found: dict[str, str] = {}
    for name in dict.fromkeys([*data.DATASETS.shipped(), *data.DATASETS.names()]):
        with suppress(UserError):  # deleted since it was listed
            prints = data.DATASETS[name].fingerprints
            if prints:
                found.setdefault(prints[1], name)
    return found


def usual(counts: Iterable[int]) -> int:
    """On how many images a board ranks, of how many each of its figures is: on as many as most have, if these are
    enough; else on the most. 0 where there is none."""
    times = Counter(counts)
    return max(times, key=lambda n: (min(n, ENOUGH), times[n], n), default=0)


def yardsticks(board: Board, listed: Iterable[Listed]) -> list[Yardstick]:
    """What the cards of a board were measured with, that which ranks the most of them first; of equals the strongest.

    It ranks those that met it on as many images as `usual`, or on more, but for figures that flatter. The worst case
    over one group alone, with no attack on a router made beside it, is that group's and stands once.
    """
    met: dict[str, dict[str, int]] = {}  # by yardstick and card: on how many images
    known: dict[str, Yardstick] = {}
    for one in listed:
        for score in (s for s in one.scores if s.on(board) and s.fresh):
            stick, counts = score.yardstick, met.setdefault(score.yardstick.id, {})
            if not score.flatters:
                counts[one.name] = max(counts.get(one.name, 0), score.robust.n)
            if stick.id not in known or stick.title.endswith(ROUTER):
                known[stick.id] = stick
    ranked = {name: sum(n >= usual(each.values()) for n in each.values()) for name, each in met.items()}
    twice = {name for name in known if _is_a_group(known[name]) and f"group:{name.partition(':')[2]}" in known}
    return sorted((known[name] for name in known.keys() - twice), key=lambda y: (-ranked[y.id], -y.strength, y.id))


def _is_a_group(stick: Yardstick) -> bool:
    return stick.id.startswith("worst:") and "+" not in stick.id and not stick.title.endswith(ROUTER)


def groups_for(stick: Yardstick, board: Board, listed: Iterable[Listed]) -> tuple[str, ...] | None:
    """The groups of attacks to ask an evaluation for, so that this yardstick is filled; None where none fills it."""
    kind, _, named = stick.id.partition(":")
    if kind == "worst":
        groups = named.split("+")
        return tuple(groups) if groups == ["adaptive"] else (*groups, "adaptive")
    plans = [s.plan for one in listed for s in one.scores if s.on(board) and s.yardstick.id == stick.id and s.plan]
    return plans[0] if plans else None
