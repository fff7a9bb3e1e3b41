"""What a checkpoint's card says: what was trained, what was measured on it and how, what speaks against the figures.

Everything counted is kept as counts of images, with which these were. A card that cannot have been counted is refused.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from robust_core.attacks import AttackSettings
from robust_core.tallies import Figure, Tally, unpacked

__all__ = [
    "IMPORTED",
    "AttackResult",
    "Borrowed",
    "Card",
    "Doubt",
    "Doubts",
    "Evaluation",
    "Figure",
    "Measure",
    "Tally",
]

SLACK = 1e-6  # between a stored share and the one its counts give
IMPORTED = "Imported from "  # how the notes of a card begin whose weights were brought
RESERVED = ("name", "in_channels", "num_classes", "seed")  # `build` has them from the card itself


class Measure(Tally):
    """Accuracy on a named set, untouched (attack None) or attacked. claimed: it came with an imported card."""

    attack: AttackSettings | None = None
    data_name: str
    data_fingerprint: str
    seconds: float = Field(ge=0)
    claimed: bool = False


class Borrowed(BaseModel):
    """An attack that another package makes: which, in which version, with which settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    version: str
    name: str
    settings: dict[str, float | int | str] = Field(default_factory=dict)

    def describe(self) -> str:
        """One line for people, as AttackSettings.describe."""
        told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in self.settings.items())
        return f"{self.name}, {told} ({self.package} {self.version})"


class AttackResult(Tally):
    """One attack of an evaluation. `correct` counts the images that are right after it.

    group: the sequence it stands in. alone: it was run on every image that is right untouched, and `correct` is its own
    figure; otherwise it was run on those that its group's earlier attacks left, and `correct` is theirs together.
    attacked: how many images that were. broken: of those, how many ended in logits that are no numbers. seconds: of
    all its runs in the evaluation.
    """

    name: str
    group: str
    alone: bool
    attacked: int = Field(ge=0)
    broken: int = Field(default=0, ge=0)
    attack: AttackSettings | None = None
    borrowed: Borrowed | None = None
    seconds: float = Field(ge=0)

    @model_validator(mode="after")
    def _was_run(self) -> AttackResult:
        if (self.attack is None) == (self.borrowed is None):
            raise ValueError(f"the result of {self.name!r} must name one attack, its own or a borrowed one")
        if not self.correct <= self.attacked <= self.n or self.broken > self.attacked - self.correct:
            raise ValueError(
                f"{self.name!r} claims {self.correct} right and {self.broken} broken of {self.attacked} attacked, "
                f"of {self.n} images: it was not measured so"
            )
        return self

    @property
    def budget(self) -> tuple[object, object] | None:
        """(norm, eps); None where a borrowed attack does not say."""
        if self.attack is not None:
            return self.attack.norm, self.attack.eps
        told = self.borrowed.settings if self.borrowed else {}
        return (told["norm"], told["eps"]) if {"norm", "eps"} <= told.keys() else None

    def describe(self) -> str:
        chosen = self.attack or self.borrowed
        assert chosen is not None
        return chosen.describe()


class Evaluation(BaseModel):
    """Accuracy under an ensemble of attacks, per image the worst case over all of them.

    groups: after all attacks of each group. worst: after all. broken: images whose logits are no numbers, untouched.
    figures: "clean", "robust" (= worst), "worst_class", "nsd" with their intervals. notes: what was left out, and why.
    precision: of the view that was attacked; what counts is what the plain float32 network says.
    weights_sha256: of the weights it was measured on; with other weights the evaluation is stale. claimed: it came with
    an imported card.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: tuple[str, ...]
    norm: str
    eps: float = Field(ge=0)
    seed: int
    data_name: str
    data_fingerprint: str
    weights_sha256: str
    clean: Tally
    results: tuple[AttackResult, ...]
    groups: dict[str, Tally]
    worst: Tally
    broken: int = Field(default=0, ge=0)
    figures: dict[str, Figure]
    notes: tuple[str, ...] = ()
    versions: dict[str, str]
    device: str
    precision: str = "float32"
    seconds: float = Field(ge=0)
    claimed: bool = False

    @model_validator(mode="after")
    def _was_made(self) -> Evaluation:
        made = {result.group for result in self.results}
        if not (made and set(self.groups) == set(self.plan) == made):
            raise ValueError(
                f"the plan names {', '.join(self.plan) or 'nothing'}, and there are results of "
                f"{', '.join(sorted(made)) or 'nothing'}: it was not measured so"
            )
        for result in self.results:
            if result.budget not in (None, (self.norm, self.eps)):
                raise ValueError(f"{result.name!r} was made at another norm or eps than the evaluation's")
            if _above(self.groups[result.group], result):
                raise ValueError(f"the group {result.group!r} must not exceed the figure of its {result.name!r}")
        return self

    @model_validator(mode="after")
    def _follows(self) -> Evaluation:
        parts = (*self.results, *self.groups.values())
        if any(part.class_n != self.clean.class_n for part in (*parts, self.worst)):
            raise ValueError("all results of an evaluation must be on the same images")
        if any(_above(part, self.clean) or _above(self.worst, part) for part in parts):
            raise ValueError("the worst case must not exceed any attack's figure, nor that the clean one")
        counted = {"clean": self.clean.accuracy, "robust": self.worst.accuracy, "worst_class": self.worst.worst_class}
        for name, figure in self.figures.items():
            if name != "nsd" and figure.high > 1:
                raise ValueError(f"{name} must lie in [0, 1]; got an interval up to {figure.high:g}")
            if abs(figure.value - counted.get(name, figure.value)) > SLACK:
                raise ValueError(f"{name} is {figure.value:g} where the counts say {counted[name]:g}")
        return self

    def w_robust(self, result: Tally) -> float:
        """½ clean + ½ robust under that attack."""
        return (self.clean.accuracy + result.accuracy) / 2


def _above(one: Tally, other: Tally) -> bool:
    """Is `one` better than `other` somewhere: on an image, or, where these are not known, in a class?"""
    if one.marks is not None and other.marks is not None and one.class_n == other.class_n:
        return bool((unpacked(one.marks, one.n) & ~unpacked(other.marks, other.n)).any())
    return any(a > b for a, b in zip(one.class_correct, other.class_correct, strict=True))


class Doubt(BaseModel):
    """One check for a false sense of security.

    ran: what was run. figure and limit: what came out, and up to where (or from where) it is well; told: both in a
    sentence. passed: None where nothing was attacked, or too few images decide.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    ran: str
    figure: float | None = None
    limit: float
    told: str
    passed: bool | None = None


class Doubts(BaseModel):
    """All checks of one network at one budget, on the first n images of a set. claimed: they came with the card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(gt=0)
    norm: str
    eps: float = Field(gt=0)
    seed: int
    data_name: str
    data_fingerprint: str
    weights_sha256: str
    checks: tuple[Doubt, ...] = Field(min_length=1)
    versions: dict[str, str]
    device: str
    seconds: float = Field(ge=0)
    claimed: bool = False

    @property
    def raised(self) -> tuple[Doubt, ...]:
        """The checks that were not passed."""
        return tuple(check for check in self.checks if check.passed is False)


class Card(BaseModel):
    """What a checkpoint is, and what was measured on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    title: str
    method: str
    architecture: str
    options: dict[str, Any] = Field(default_factory=dict)
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    data_name: str
    data_fingerprint: str
    weights_sha256: str
    parameters: int = Field(ge=0)
    seed: int
    train_seconds: float
    device: str
    versions: dict[str, str]
    measures: tuple[Measure, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    doubts: tuple[Doubts, ...] = ()
    notes: str = ""
    licence: str = ""  # of the weights, as whoever made or brought them says; empty where nobody said

    @model_validator(mode="after")
    def _fits(self) -> Card:
        tallies = [*self.measures, *(e.clean for e in self.evaluations)]
        if any(len(tally.class_n) != len(self.class_names) for tally in tallies):
            raise ValueError(f"every count must be one number for each of its {len(self.class_names)} classes")
        if taken := [key for key in self.options if key in RESERVED]:
            raise ValueError(f"the options must not name {', '.join(taken)}: the card says it elsewhere")
        return self

    @property
    def imported(self) -> bool:
        """Did its weights come from elsewhere?"""
        return self.method == "imported" or self.notes.startswith(IMPORTED)

    @property
    def clean(self) -> Measure | None:
        """Of clean accuracy, the measure on the most images, made here before claimed; of equals the first."""
        return max((m for m in self.measures if m.attack is None), key=lambda m: (not m.claimed, m.n), default=None)

    @property
    def robust(self) -> Measure | None:
        """Under PGD-20 at the budget first measured, on the most images: the figure the leaderboard quotes."""
        pgd = [m for m in self.measures if m.attack and m.attack.name == "pgd" and m.attack.steps == 20]
        pgd = [m for m in pgd if not m.claimed] or pgd
        return max((m for m in pgd if m.attack == pgd[0].attack), key=lambda m: m.n, default=None)

    @property
    def evaluation(self) -> Evaluation | None:
        """Of the evaluations of these weights, the one of most groups, on the most images; of equals the last."""
        fresh = [e for e in self.evaluations if e.weights_sha256 == self.weights_sha256]
        return max(reversed(fresh), key=lambda e: (not e.claimed, len(e.groups), e.clean.n), default=None)

    @property
    def examination(self) -> Doubts | None:
        """The last made doubts of these weights, at the evaluation's budget where there is one."""
        fresh = [d for d in self.doubts if d.weights_sha256 == self.weights_sha256]
        fresh = [d for d in fresh if not d.claimed] or fresh
        quoted = self.evaluation
        same = [d for d in fresh if quoted and (d.norm, d.eps) == (quoted.norm, quoted.eps)]
        return next(reversed(same or fresh), None)

    def with_measures(self, new: list[Measure]) -> Card:
        """The card with these measures added; one of the same attack, data and n takes the old one's place."""
        measures = {(m.attack, m.n, m.data_fingerprint): m for m in (*self.measures, *new)}
        return self.model_copy(update={"measures": tuple(measures.values())})

    def with_evaluation(self, new: Evaluation) -> Card:
        """The card with it added; one of the same plan, budget, data, n and seed takes the old one's place."""
        every = {(e.plan, e.norm, e.eps, e.data_fingerprint, e.clean.n, e.seed): e for e in (*self.evaluations, new)}
        return self.model_copy(update={"evaluations": tuple(every.values())})

    def with_doubts(self, new: Doubts) -> Card:
        """The card with them added; those of the same budget, data, n and seed take the old ones' place."""
        every = {(d.norm, d.eps, d.data_fingerprint, d.n, d.seed): d for d in (*self.doubts, new)}
        return self.model_copy(update={"doubts": tuple(every.values())})
