"""What the cards claim, as scores that may be compared: on which images, at which budget, by which yardstick.

A board is of one set of test images and one budget (norm, ε); within it one yardstick says under which attack, or under
which ensemble's worst case, robust accuracy is read. Nothing is ranked across boards or yardsticks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from robust_core.attacks import AttackSettings
from robust_core.attacks.settings import SYMBOLS
from robust_core.cards import Card, Evaluation, Figure, Measure, Tally
from robust_core.checkpoints import Checkpoint
from robust_core.models import ARCHITECTURES
from robust_core.models.backbone import Backbone

Task = tuple[tuple[int, int, int], tuple[str, ...]]
Remark = tuple[str, str]  # in a word, in a sentence
PAPERS = {1: 0.1, 3: 8 / 255}  # ε of the papers, by channels
GROUP_TITLES = {"table": "the papers' attacks", "autoattack": "AutoAttack", "adaptive": "adaptive attacks"}


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
    """One figure of one card: on which images, under what, with what came out untouched beside it."""

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
        yardstick=_single(attack),
        data_name=measure.data_name,
        fingerprint=measure.data_fingerprint,
        norm=attack.norm,
        eps=attack.eps,
        told=attack.describe(),
        seed=attack.seed,
        robust=measure,
        clean=untouched(card, measure.data_fingerprint, measure.n),
    )


def _evaluated(card: Card, e: Evaluation) -> list[Score]:
    def score(yardstick: Yardstick, told: str, robust: Tally, **more: Any) -> Score:
        return Score(
            yardstick=yardstick, data_name=e.data_name, fingerprint=e.data_fingerprint, norm=e.norm, eps=e.eps,
            told=told, seed=e.seed, robust=robust, clean=e.clean, fresh=e.weights_sha256 == card.weights_sha256, **more,
        )  # fmt: skip

    found = [score(_single(r.attack), r.describe(), r) for r in e.results if r.alone and r.attack is not None]
    for group, left in e.groups.items():
        # The router's attacks are made on nets that have one: as a group they compare nothing.
        if group != "adaptive" and len(e.groups) > 1:
            title = f"worst case of {GROUP_TITLES.get(group, group)}"
            names = ", ".join(r.name for r in e.results if r.group == group)
            found.append(score(Yardstick(id=f"group:{group}", title=title, strength=1), names, left))
    told = f"per image the worst of {', '.join(r.name for r in e.results)}"
    return [*found, score(_worst(e.plan), told, e.worst, figures=e.figures, remarks=_remarks(card, e))]


def _single(attack: AttackSettings) -> Yardstick:
    """The attack whatever its budget, which is the board's, and its seed, which is told beside the figure."""
    same = {key: value for key, value in attack.to_dict().items() if key not in ("eps", "norm", "seed")}
    words = [word for word in attack.describe().split(", ") if not word.startswith(("L∞", "L2", "ε", "seed"))]
    return Yardstick(id=":".join(f"{value:g}" if isinstance(value, float) else str(value) for value in same.values()),
                     title=", ".join(words))  # fmt: skip


def _worst(plan: Sequence[str]) -> Yardstick:
    groups = [group for group in plan if group != "adaptive"] or list(plan)
    told = " and ".join(GROUP_TITLES.get(group, group) for group in groups)
    more = " (and of those on a router)" if "adaptive" not in groups else ""
    return Yardstick(id="worst:" + "+".join(groups), title=f"worst case of {told}{more}", strength=1 + len(groups))


def _remarks(card: Card, e: Evaluation) -> tuple[Remark, ...]:
    # That a static net was not attacked as a routed one is no remark.
    told = [("attacks left out", note) for note in e.notes if "static" not in note]
    if "adaptive" not in e.plan and not _static(card.architecture):
        told.append(("attacks left out", "the attacks that know the router were not made: this flatters it"))
    broken = max([e.broken, *(r.broken for r in e.results)])
    if broken:
        told.append(("broken logits", f"up to {broken} images end in logits that are no numbers; they count as wrong"))
    return tuple(told)


def _static(architecture: str) -> bool:
    """Is it one whose filters are the same for every image?"""
    if architecture not in ARCHITECTURES.names():
        return False
    make = ARCHITECTURES[architecture]
    kind = getattr(make, "func", make)
    return isinstance(kind, type) and issubclass(kind, Backbone)


def untouched(card: Card, fingerprint: str, n: int | None) -> Tally | None:
    """Clean accuracy on these images, on as many where there is such a figure."""
    known: list[Tally] = [m for m in card.measures if m.attack is None and m.data_fingerprint == fingerprint]
    known += [
        e.clean
        for e in card.evaluations
        if e.data_fingerprint == fingerprint and e.weights_sha256 == card.weights_sha256
    ]
    return max(known, key=lambda t: (t.n == n, t.n), default=None)


def boards(listed: Iterable[Listed]) -> list[Board]:
    """The boards there are, that of the most cards first. Where nothing was measured robustly: one a task, empty."""
    listed = list(listed)
    counts: Counter[tuple[str, str, float, Task]] = Counter()
    names: dict[str, str] = {}
    for one in listed:
        counts.update({(s.fingerprint, s.norm, s.eps, task_of(one.card)) for s in one.scores})
        names |= {s.fingerprint: s.data_name for s in one.scores if s.fingerprint not in names}
    keys = sorted(counts, key=lambda key: (-counts[key], str(key[:3])))
    seen = {key[3] for key in keys}
    for one in listed:
        task, clean = task_of(one.card), one.card.clean
        if task not in seen:
            seen.add(task)
            keys.append((clean.data_fingerprint if clean else "", "linf", PAPERS.get(task[0][0], 8 / 255), task))
            names.setdefault(keys[-1][0], clean.data_name if clean else one.card.data_name)
    made: dict[str, Board] = {}
    for fingerprint, norm, eps, task in keys:
        name = f"{names[fingerprint]}:{norm}:{eps:.4g}"
        name = name if name not in made else f"{name}:{fingerprint[:8]}:{eps!r}"
        made[name] = Board(
            id=name, data_name=names[fingerprint], fingerprint=fingerprint, norm=norm, eps=eps, task=task
        )
    return list(made.values())


def yardsticks(board: Board, listed: Iterable[Listed]) -> list[Yardstick]:
    """What the cards of a board were measured with, that of the most cards first; of equals the strongest."""
    counts: Counter[Yardstick] = Counter()
    for one in listed:
        counts.update({s.yardstick for s in one.scores if s.on(board) and s.fresh})
    return sorted(counts, key=lambda y: (-counts[y], -y.strength, y.id))
