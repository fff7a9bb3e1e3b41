"""Estimates: memory grows with what takes it, a recipe too large is refused, and time is that of real steps."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch

from robust_core.training.estimate import estimate
from robust_core.training.loop import Training, fresh_network
from robust_core.training.memory import _kept, available, memory, refuse_too_large
from robust_core.training.recipe import Recipe
from robust_core.training.run import Run
from robust_core.types import Splits, UserError
from tests.training.test_loop import CPU, made, tiny

__all__ = ["made"]  # the fixture


def altered(**parts: dict[str, Any]) -> Recipe:
    base = tiny()
    return base.model_copy(update={k: getattr(base, k).model_copy(update=v) for k, v in parts.items()})


def test_what_autograd_keeps_is_counted_by_hand(made: Splits) -> None:
    """Of a linear map alone: its input, 144 floats an image; of a relu behind it, its output, 10."""

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(144, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x.flatten(1)).relu()

    full = torch.float32
    assert _kept(Small(), made.train, 4, full) - _kept(Small(), made.train, 2, full) == 2 * 4 * (144 + 10)


def test_memory_grows_with_what_takes_it(made: Splits) -> None:
    small = memory(tiny(), made.train, CPU)
    wide = memory(altered(model={"options": {"width": 8, "blocks": [1]}}), made.train, CPU)
    large = memory(altered(schedule={"batch_size": 1024}), made.train, CPU)
    assert small.parameters == sum(p.numel() for p in fresh_network(tiny(), made.train).parameters())
    assert wide.weights > 3 * small.weights
    assert wide.activations == pytest.approx(2 * small.activations, rel=0.15)
    assert large.activations == pytest.approx(8 * small.activations)  # 2·1024 images against validation's 256
    assert small.data == 2 * made.train.images.nbytes
    assert small.total == small.program + small.data + small.weights + small.activations


def test_what_does_not_fit_is_refused_with_the_estimate(made: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = memory(tiny(), made.train, CPU)
    monkeypatch.setattr("robust_core.training.memory.available", lambda device: needed.total * 1.01)
    refuse_too_large(needed, CPU)
    monkeypatch.setattr("robust_core.training.memory.available", lambda device: needed.total * 0.99)
    with pytest.raises(UserError, match=r"takes about 3\d\d MB \(activations .*\), and cpu has 3\d\d MB free"):
        refuse_too_large(needed, CPU)


def test_this_machine_has_memory() -> None:
    assert 1e8 < available(CPU) <= float("inf")


def test_the_time_is_that_of_the_run(made: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _fd: None)  # writes are not in it, and a busy disk can take longer than all
    recipe = altered(schedule={"epochs": 10})

    def promised_to_took(at: Path) -> float:
        found = estimate(recipe, made, device=CPU, budget=0.5)
        training = Training(Run.create(at, recipe), made, device=CPU, on_event=lambda event: None)
        before = time.perf_counter()
        training.train()
        took = time.perf_counter() - before
        assert found.steps == 40
        promised = found.steps * found.step_seconds + 10 * found.validation_seconds
        assert found.seconds > promised
        assert 0.25 <= found.error <= 1.25
        assert "40 steps" in found.describe()
        return promised / took

    ratio = median(promised_to_took(tmp_path / name) for name in "abc")
    assert 1 / 5 < ratio < 5  # the machine may be busy with other things


def test_steps_for_an_estimate_leave_nothing_behind(made: Splits, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    estimate(tiny(), made, device=CPU, budget=0.0)
    assert list(tmp_path.iterdir()) == []
