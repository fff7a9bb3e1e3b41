"""What runs have told so far, as curves: which quantities there are, where their points stand, and their smoothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from robust_core.charts.series import Numbers
from robust_core.evaluation.measures import in_percent

Event = Mapping[str, Any]
Axis = Literal["step", "epoch", "seconds"]
POINTS = 300  # of a raw curve, from which on it is a band
NOT_LOSSES = frozenset(
    ("event", "step", "of", "epoch", "lr", "images_per_second", "seconds", "seconds_left", "n", "clean", "robust",
     "w_robust", "type_accuracy", "w_nat", "w_adv", "tau_nat", "tau_adv", "h_nat", "h_adv", "normalised_nat",
     "normalised_adv", "worst_class")
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one run has told so far: its events by kind, oldest first, each a line of its history. planned: epochs.

    kept: the epoch whose weights it holds, to be marked."""

    name: str
    planned: int | None = None
    kept: int | None = None
    steps: Sequence[Event] = ()
    epochs: Sequence[Event] = ()
    changes: Sequence[Event] = ()

    @property
    def per_epoch(self) -> float:
        """Steps in an epoch: as the epochs told of say, else as planned; 1 where neither is known."""
        last = next((e for e in reversed(self.epochs) if e.get("epoch")), None)
        if last is not None:
            return float(last["step"]) / float(last["epoch"])
        last = self.steps[-1] if self.steps else {}
        return float(last.get("of") or 0) / self.planned if self.planned and last.get("of") else 1.0


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One quantity, or several that are alike. curves: name → key in the events, or how to get it out of one."""

    title: str
    kind: Literal["steps", "epochs"]
    curves: Mapping[str, str | Callable[[Event], Any]]
    share: bool = False
    smooth: bool = False
    base: float | None = None  # a line to compare with


def places(run: Told, events: Sequence[Event], by: Axis) -> Numbers:
    """Where events stand on the axis: steps, epochs (a share of one where it is not over) or seconds of training."""
    if by == "seconds":
        return np.array([float(e.get("seconds", np.nan)) for e in events])
    steps = np.array([float(e.get("step", np.nan)) for e in events])
    return steps / run.per_epoch if by == "epoch" else steps


def smoothed(values: Numbers, window: int) -> Numbers:
    """A mean over about `window` values around each, the near ones weighing most; at the ends, over those there are.

    What is not finite is left out of it, and stays a gap.
    """
    reach = np.arange(-window, window + 1)
    kernel = np.exp(-0.5 * (reach / (window / 4)) ** 2)
    there = np.isfinite(values)
    total = np.convolve(np.where(there, values, 0.0), kernel)[window:-window]
    weight = np.convolve(there.astype(float), kernel)[window:-window]
    return np.where(there, total / np.maximum(weight, 1e-12), np.nan)


def envelope(x: Numbers, y: Numbers, bins: int = POINTS) -> tuple[Numbers, Numbers, Numbers]:
    """Of many points a bin's place, lowest and highest value, bins of equal counts; every extreme is in one of them."""
    parts = np.array_split(np.arange(len(x)), min(bins, max(len(x), 1)))
    parts = [part[np.isfinite(y[part])] for part in parts]
    parts = [part for part in parts if len(part)]
    return tuple(np.array([f(v[p]) for p in parts]) for f, v in ((np.mean, x), (np.min, y), (np.max, y)))  # type: ignore[return-value]


def panels(runs: Sequence[Told]) -> list[Panel]:
    """Those that any run has something for, in the order of what is asked first."""
    of_steps = keys(run.steps[-1] for run in runs if run.steps)
    of_epochs = keys(run.epochs[-1] for run in runs if run.epochs)
    losses = [key for key in of_steps if key not in NOT_LOSSES] or [k for k in of_epochs if k not in NOT_LOSSES]
    kind: Literal["steps", "epochs"] = "steps" if of_steps else "epochs"
    pair = {"accurate": "nat", "robust": "adv"}  # the two teachers

    def both(prefix: str) -> dict[str, str]:
        return {word: f"{prefix}_{end}" for word, end in pair.items()}

    k = max(
        (len(v) for run in runs for e in run.epochs[-1:] if isinstance(v := e.get("class_tau_adv"), list)), default=0
    )
    experts = max((_experts(e).shape[1] for run in runs for e in run.epochs[-1:] if e.get("expert_load")), default=0)
    candidates = [
        Panel(title="held-out accuracy", kind="epochs", curves={"clean": "clean", "robust": "robust"}, share=True),
        Panel(title="losses, nats", kind=kind, curves={name: name for name in losses}, smooth=True),
        Panel(title="loss weights", kind="steps", curves=both("w")),
        Panel(title="teachers’ τ", kind="steps", curves=both("tau"), base=1.0),
        Panel(title="label entropy, nats", kind="steps", curves=both("h"), smooth=True),
        Panel(
            title="tells attacked from clean",
            kind=kind,
            curves={"type accuracy": "type_accuracy"},
            share=True,
            smooth=True,
            base=0.5,
        ),
        Panel(title="class temperatures τ", kind="epochs", curves=_of_classes(runs, k), base=1.0),
        Panel(
            title="experts’ share",
            kind="epochs",
            curves={f"expert {i + 1}": partial(_load, index=i) for i in range(experts)},
            base=1 / max(experts, 1),
        ),
        Panel(title="learning rate", kind="steps", curves={"": "lr"}),
        Panel(title="images a second", kind="steps", curves={"": "images_per_second"}),
    ]
    known = of_steps | of_epochs
    return [p for p in candidates if p.curves and any(callable(key) or key in known for key in p.curves.values())]


def keys(events: Any) -> dict[str, None]:
    """Names of the numbers in these events, in their order."""
    return {k: None for e in events for k, v in e.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def _of_classes(runs: Sequence[Told], k: int) -> dict[str, Callable[[Event], Any]]:
    """τ_adv of each class, of a run that taught with them; the extremes are named, where one run has them."""
    ends = [e["class_tau_adv"] for r in runs for e in r.epochs[-1:] if isinstance(e.get("class_tau_adv"), list)]
    finals = [[v if isinstance(v, (int, float)) and math.isfinite(v) else 1.0 for v in end] for end in ends]
    if not any(abs(v - 1) > 1e-9 for final in finals for v in final):
        return {}
    if len(finals) > 1:  # each has its own extremes
        return {f" {c}": partial(_tau, index=c) for c in range(k)}
    order = sorted(range(k), key=lambda c: finals[0][c] if c < len(finals[0]) else 1.0)
    names = {order[0]: f"sharpest, class {order[0]}", order[-1]: f"softest, class {order[-1]}"}
    order = [*order[1:-1], order[0], order[-1]]  # the named ones on top
    return {names.get(c, f" {c}"): partial(_tau, index=c) for c in order}


def _tau(event: Event, index: int) -> Any:
    row = event.get("class_tau_adv")
    return row[index] if isinstance(row, list) and index < len(row) else None


def _experts(event: Event) -> Numbers:
    """(convs, experts)."""
    rows = [row for row in event["expert_load"].values() if isinstance(row, list)]
    least = min(map(len, rows), default=0)
    return np.array([row[:least] for row in rows], dtype=np.float64).reshape(len(rows), least)


def _load(event: Event, index: int) -> float | None:
    table = _experts(event) if event.get("expert_load") else np.zeros((0, 0))
    return float(table[:, index].mean()) if table.size and index < table.shape[1] else None


def values(events: Sequence[Event], key: str | Callable[[Event], Any]) -> Numbers:
    got = [key(e) if callable(key) else e.get(key) for e in events]
    return np.array([float(v) if isinstance(v, (int, float)) else np.nan for v in got])


def place_kept(run: Told, by: Axis) -> float:
    """Where the epoch whose weights are kept ended; NaN where none is to be marked."""
    line = next((e for e in reversed(run.epochs) if e.get("epoch") == run.kept), None)
    return float(places(run, [line], by)[0]) if line is not None and run.kept is not None else float("nan")


def place_of(run: Told, change: Event, by: Axis) -> float:
    """A change's line tells its step alone; when that was is read off the steps around it."""
    step = float(change.get("step", np.nan))
    if by == "seconds":
        known = places(run, run.steps, "step")
        return float(np.interp(step, known, places(run, run.steps, "seconds"))) if len(known) else float("nan")
    return step / run.per_epoch if by == "epoch" else step


def end(run: Told, by: Axis) -> float:
    """How far the axis goes: to the run's end where that is known, so that it stands still while the curves grow."""
    reached = [
        float(np.nanmax(x)) for x in (places(run, e, by) for e in (run.steps, run.epochs)) if np.isfinite(x).any()
    ]
    of = (run.steps[-1].get("of") if run.steps else None) or 0.0
    planned = 0.0 if by == "seconds" else of / run.per_epoch if by == "epoch" else float(of)
    return max([1e-9, planned, *reached])


def unit(by: Axis) -> str:
    return {"step": "step", "epoch": "epoch", "seconds": "seconds of training"}[by]


def said(runs: Sequence[Told]) -> str:
    """All of it in a sentence or two a run, for those who cannot see it."""
    told = []
    for run in runs:
        words = []
        if run.epochs:
            e = run.epochs[-1]
            for key in ("clean", "robust"):
                words += [f"{key} accuracy {in_percent(e[key])}"] if isinstance(e.get(key), (int, float)) else []
            words = [f"epoch {e.get('epoch', '?')}: {', '.join(words) or 'no accuracies'}"]
            words += [f"weights kept of epoch {run.kept}"] if run.kept is not None else []
        if run.steps:
            s = run.steps[-1]
            losses = [f"{k} {s[k]:.3g}" for k in keys([s]) if k not in NOT_LOSSES]
            words.append(f"step {s.get('step')}: {', '.join(losses) or 'no losses'}")
        told.append(f"{run.name} after {'; '.join(words) or 'nothing yet'}")
    return f"Training: {'. '.join(told)}."
