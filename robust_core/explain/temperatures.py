"""Distillation temperatures over a training, class by class, and the soft labels they make.

ABSLD (arXiv 2312.05508): p = softmax(T(x)/τ[y]), loss term KL(p ‖ softmax(S)), whose gradient in the student's logits
is softmax(S) - p. B-MTARD (arXiv 2306.16170): one τ a teacher, moved until both speak with equal entropy. All of it is
read from a run's history; what a history does not hold is NaN, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from robust_core.checkpoints import read_history
from robust_core.types import UserError

Array = NDArray[np.float64]
BY_CLASS = (
    "class_clean", "class_robust", "class_tau_adv", "class_tau_nat",
    "class_risk_adv", "class_risk_nat", "class_weight", "class_margin", "class_survived",
)  # fmt: skip
BALANCES = ("tau_nat", "tau_adv", "h_nat", "h_adv", "w_nat", "w_adv", "normalised_nat", "normalised_adv")


@dataclass(frozen=True, kw_only=True, eq=False)
class Story:
    """What a run's history tells of its classes and balances. Shared: read only.

    epochs: 1 … E, also those whose line is missing (NaN then). n: held-out images, None where no line says so.
    clean, robust: held-out accuracy (E,). classes: name of BY_CLASS without "class_" → (K, E), only the quantities the
    run has; τ are as the epoch left them: they teach in the next one, and in the first all were 1.
    steps (S,) and balances: name of BALANCES → (S,), only those the run has.
    """

    epochs: NDArray[np.int64]
    n: int | None
    clean: Array
    robust: Array
    classes: Mapping[str, Array] = field(default_factory=dict)
    steps: NDArray[np.int64]
    balances: Mapping[str, Array] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        return max((len(rows) for rows in self.classes.values()), default=0)

    @property
    def tempered(self) -> bool:
        """Do the classes have temperatures that ever left 1?"""
        return self.moved("tau_adv") or self.moved("tau_nat")

    def moved(self, name: str) -> bool:
        """Has it this factor of BY_CLASS (without "class_": a temperature, a weight, a margin), and did it ever leave 1
        for any class?"""
        return name in self.classes and bool((np.abs(self.classes[name] - 1) > 1e-9).any())

    @property
    def soft_labelled(self) -> bool:
        """Was it taught by soft labels with a temperature a class, be it 1 for all (RSLAD)?"""
        return "tau_adv" in self.classes

    def in_force(self, kind: str) -> Array:
        """τ_adv or τ_nat (kind "adv" or "nat") that taught during each epoch (K, E): the one before's, at first 1."""
        left = self.classes[f"tau_{kind}"]
        return np.concatenate([np.ones_like(left[:, :1]), left[:, :-1]], axis=1)


def read_story(folder: Path) -> Story:
    """The story of the run in this folder; of no epochs where there is no history. Raises UserError if unreadable."""
    try:
        return story(read_history(folder))
    except OSError as error:
        raise UserError(f"{folder.name}: its history cannot be read: {error.strerror}") from error


def story(events: Sequence[Mapping[str, Any]]) -> Story:
    """The story that these events tell, in any order; of two lines on one epoch or step the later counts."""
    by_epoch = {int(e["epoch"]): e for e in events if e.get("event") == "epoch" and _counts(e.get("epoch"))}
    epochs = np.arange(1, max(by_epoch, default=0) + 1)
    lines = [by_epoch.get(int(number), {}) for number in epochs]
    k = max((len(v) for e in lines for name in BY_CLASS if isinstance(v := e.get(name), list)), default=0)
    classes = {}
    for name in BY_CLASS:
        if any(isinstance(e.get(name), list) for e in lines):
            classes[name.removeprefix("class_")] = _table([e.get(name) for e in lines], k)
    moving = {int(e["step"]): e for e in events if e.get("event") in ("step", "epoch") and _moves(e)}
    steps = np.array(sorted(moving), dtype=np.int64)
    told = [moving[int(step)] for step in steps]
    held = [e["n"] for e in lines if _counts(e.get("n"))]
    return Story(
        epochs=epochs,
        n=held[-1] if held else None,
        clean=_row([e.get("clean") for e in lines]),
        robust=_row([e.get("robust") for e in lines]),
        classes=classes,
        steps=steps,
        balances={n: row for n in BALANCES if np.isfinite(row := _row([e.get(n) for e in told])).any()},
    )


def _counts(value: object) -> bool:
    # A million epochs would be a mistake in the file, and an array of that length another.
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 10**6


def _moves(event: Mapping[str, Any]) -> bool:
    return _counts(event.get("step")) and any(name in event for name in BALANCES)


def _row(values: Sequence[Any]) -> Array:
    try:
        return np.array(values, dtype=np.float64).reshape(len(values))  # None is NaN
    except (TypeError, ValueError):
        return np.array([_number(v) for v in values], dtype=np.float64)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")


def _table(columns: Sequence[object], k: int) -> Array:
    """(K, E) from one list an epoch; what is missing, too short or no number is NaN."""
    table = np.full((k, len(columns)), np.nan)
    for e, values in enumerate(columns):
        if isinstance(values, list):
            table[: len(values), e] = _row(values)
    return np.where(np.isfinite(table), table, np.nan)


def worst_class(shares: ArrayLike) -> tuple[Array, NDArray[np.int64]]:
    """Of class accuracies (K, E) the lowest of each epoch (E,) and which class that is; NaN and -1 if all are gaps."""
    table = np.asarray(shares, dtype=np.float64)
    filled = np.where(np.isfinite(table), table, np.inf)
    lowest = filled.min(axis=0, initial=np.inf)
    there = np.isfinite(lowest)
    which = filled.argmin(axis=0) if len(table) else np.zeros(table.shape[1:], dtype=np.int64)
    return np.where(there, lowest, np.nan), np.where(there, which, -1)


def nsd(shares: ArrayLike) -> Array:
    """Population standard deviation / mean of class accuracies (K, ...) over the classes that are there; lower is
    fairer. NaN where the mean is 0 or nobody is there."""
    table = np.asarray(shares, dtype=np.float64)
    there = np.isfinite(table)
    count = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, table, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(there, (table - mean) ** 2, 0).sum(axis=0) / count)
        ratio = spread / mean
    return np.where(np.isfinite(ratio), ratio, np.nan)


def by_difficulty(told: Story, epoch: int | None = None) -> list[int]:
    """Classes, the hardest first: by robust accuracy after the epoch (the last where none is given), where that ties
    by clean accuracy, then by number. Classes with no held-out image come last."""
    at = len(told.epochs) - 1 if epoch is None else epoch - 1
    if not 0 <= at < len(told.epochs):
        return list(range(told.num_classes))
    gap = np.full(told.num_classes, np.nan)
    rows = [told.classes[name][:, at] if name in told.classes else gap for name in ("clean", "robust")]
    return [int(k) for k in np.lexsort([np.nan_to_num(row, nan=np.inf) for row in rows])]


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftLabels:
    """One teacher's answer at T temperatures, and what each asks of a student.

    tau (T,); p (T, K): softmax(T/τ); entropy (T,): of p, nats; loss (T,): KL(p ‖ softmax(S)), nats; student (K,):
    softmax(S); gradient (T, K): of the loss in the student's logits, softmax(S) - p; a step of descent goes against it.
    """

    tau: Float[Tensor, " t"]
    p: Float[Tensor, "t k"]
    entropy: Float[Tensor, " t"]
    loss: Float[Tensor, " t"]
    student: Float[Tensor, " k"]
    gradient: Float[Tensor, "t k"]


def soft_labels(
    teacher: Float[Tensor, " k"], student: Float[Tensor, " k"], tau: Float[Tensor, " t"] | Sequence[float]
) -> SoftLabels:
    """What the teacher's logits say at each temperature to a student of these logits. Computed in float64.

    Raises UserError where the logits do not fit each other or a temperature is not positive.
    """
    heat = torch.as_tensor(tau, dtype=torch.float64)
    taught, said = teacher.detach().double(), student.detach().double()
    if taught.ndim != 1 or taught.shape != said.shape:
        raise UserError(
            f"teacher and student must give the same K logits; got {tuple(taught.shape)}, {tuple(said.shape)}"
        )
    if heat.ndim != 1 or not bool((heat > 0).all() and heat.isfinite().all()):
        raise UserError(f"temperatures must be a row of numbers > 0; got {heat.tolist()}")
    p = (taught / heat[:, None]).softmax(dim=1)
    answer = said.log_softmax(dim=0)
    entropy = -torch.xlogy(p, p).sum(dim=1)
    return SoftLabels(
        tau=heat,
        p=p,
        entropy=entropy,
        loss=-entropy - (p * answer).sum(dim=1),
        student=answer.exp(),
        gradient=answer.exp() - p,
    )
