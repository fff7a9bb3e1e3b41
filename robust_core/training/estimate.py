"""What a recipe will take, before it is started: memory by counting, time by a few steps of the real loop."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from robust_core.attacks import AttackSettings, run
from robust_core.device import synchronise
from robust_core.frozen import frozen
from robust_core.training.loop import Training
from robust_core.training.memory import Memory, memory, refuse_too_large
from robust_core.training.recipe import Recipe
from robust_core.training.run import Run
from robust_core.types import Classifier, ImageSet, Splits

WARM = 1  # steps not counted: the first ones allocate
START = 8.0  # seconds until a run's process has loaded torch and data
JUDGED = 256  # images whose attack is timed


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """seconds: the whole run, to its measured card: its start, steps · step_seconds, the validations, the measuring.

    error: by what share `seconds` may be off, either way: the spread of the timed steps, and 0.25 for what they cannot
    show (a machine that is busier later, images that stand the attack for longer as training succeeds).
    """

    memory: Memory
    steps: int
    step_seconds: float
    validation_seconds: float
    measure_seconds: float
    seconds: float
    error: float

    def describe(self) -> str:
        """One line for people."""
        low, high = self.seconds * (1 - min(self.error, 0.9)), self.seconds * (1 + self.error)
        return f"{self.steps:,} steps, {_told(low)} to {_told(high)}; {self.memory.describe()}"


def estimate(
    recipe: Recipe,
    data: Splits,
    *,
    device: torch.device,
    teachers: Mapping[str, Classifier] | None = None,
    budget: float = 5.0,
) -> Estimate:
    """Takes timed steps for about `budget` seconds, at least one. Only as true as the machine is idle, and as it uses
    the threads that the run will use. Raises UserError where the recipe would not fit the memory."""
    needed = memory(recipe, data.train, device, teachers)
    refuse_too_large(needed, device)
    with tempfile.TemporaryDirectory() as folder:
        made = Run.create(Path(folder) / "run", recipe)
        training = Training(made, data, device=device, on_event=lambda event: None, teachers=teachers)
    order = torch.arange(len(training.images))
    times: list[float] = []
    until = time.perf_counter() + budget
    while len(times) < WARM + 1 or (time.perf_counter() < until and len(times) < WARM + 20):
        times.append(_timed_step(training, order))
    counted = times[WARM:]
    a_step = median(counted)
    clean, robust = _per_image(training, recipe.validation.attack)
    validation = len(training.held_out) * (2 * clean + robust)
    pgd20 = robust * 20 / max(1, getattr(recipe.validation.attack, "steps", 1))
    measuring = len(data.test) * (2 * clean + pgd20)
    seconds = START + training.total * a_step + recipe.schedule.epochs * validation + measuring
    spread = (max(counted) - min(counted)) / a_step / 2 if len(counted) > 1 else 0.5
    return Estimate(
        memory=needed,
        steps=training.total,
        step_seconds=a_step,
        validation_seconds=validation,
        measure_seconds=measuring,
        seconds=seconds,
        error=round(0.25 + min(spread, 1.0), 2),
    )


def _timed_step(training: Training, order: torch.Tensor) -> float:
    before = time.perf_counter()
    training._one_step(order)
    synchronise(training.device)
    return time.perf_counter() - before


def _per_image(training: Training, attack: AttackSettings) -> tuple[float, float]:
    """Seconds an image, untouched and attacked, as if all stood the attack to its end."""
    view = frozen(training.net)
    chosen: ImageSet = training.held_out.subset(slice(0, JUDGED))
    x, y = chosen.floats().to(training.device), chosen.labels.to(training.device)
    synchronise(training.device)
    before = time.perf_counter()
    with torch.no_grad():
        view(x)
    synchronise(training.device)
    between = time.perf_counter()
    run(attack, view, x, y)
    synchronise(training.device)
    after = time.perf_counter()
    return (between - before) / len(x), (after - between) / len(x)


def _told(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
