"""What a run tells of its speed: that of now, whatever held it up before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from robust_core.data import load
from robust_core.training import loop
from robust_core.training.loop import Training
from robust_core.training.recipe import parse_recipe
from robust_core.training.run import Run
from robust_core.types import Splits

RECIPE = parse_recipe("""
title = "tiny"
data = { name = "made", holdout = 20 }
model = { architecture = "residual", options = { width = 4, blocks = [1] } }
objective = { name = "standard" }
schedule = { epochs = 5, batch_size = 20 }
validation = { attack = { name = "pgd", eps = 0.1, steps = 1 } }
""")


class Clocked(Training):
    """A step takes a second, and longer where something holds it up."""

    now, held_up = 0.0, {1: 1000.0}

    def _one_step(self, order: torch.Tensor) -> tuple[dict[str, float], float]:
        Clocked.now += 1 + self.held_up.get(self.step, 0.0)
        return super()._one_step(order)


def told(run: Run, data: Splits, **ends: int) -> dict[int, tuple[float, float]]:
    """Images a second and seconds left, by step; stop: where it stops."""
    events = {}

    def on_event(event: dict[str, float]) -> None:
        if event["event"] == "step":
            events[int(event["step"])] = (event["images_per_second"], event["seconds_left"])

    training = Clocked(run, data, device=torch.device("cpu"), on_event=on_event)
    training.train(stop=lambda: training.step >= ends.get("stop", 99))
    return events


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Splits:
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: Clocked.now))
    images = load("fashion_mnist_small").train.subset(range(100))
    return Splits(train=images, test=images)


def test_a_pause_is_forgotten_after_the_next_epoch(few: Splits, tmp_path: Path) -> None:
    speeds = told(Run.create(tmp_path / "a", RECIPE), few)  # four steps an epoch
    assert speeds[1] == (20.0, 19.0)
    assert speeds[8][0] < 1  # 8 steps in 1,008 seconds
    assert [speeds[step] for step in range(9, 21)] == [(20.0, 20.0 - step) for step in range(9, 21)]


def test_a_resumed_run_tells_its_speed_since(few: Splits, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a", RECIPE)
    assert told(run, few, stop=3)[3][0] < 1
    assert set(told(run, few).values()) == {(20.0, 20.0 - step) for step in range(4, 21)}
