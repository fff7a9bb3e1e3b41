"""Run control with real processes: started, seen, changed, killed, resumed, stopped, and the story is still exact."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from robust_core import data
from robust_core.__main__ import app
from robust_core.checkpoints import STATE, read_history
from robust_core.training import control
from robust_core.training.changes import TAKEN
from robust_core.training.loop import Training
from robust_core.training.recipe import Recipe
from robust_core.training.record import read_record
from robust_core.training.run import Run
from robust_core.training.status import look
from robust_core.types import Splits, UserError
from tests.training.pretended import at_once
from tests.training.test_loop import CPU, made, timeless, tiny

__all__ = ["made"]  # the fixture

pytestmark = pytest.mark.slow
PATIENCE = 120.0  # seconds; a process takes 4 of them to start on an idle core


@pytest.fixture
def recipe(made: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A hundred and twenty epochs of three steps on a hundred images in a folder of their own, one run at a time."""
    for i, (image, label) in enumerate(zip(made.train.images, made.train.labels, strict=True)):
        folder = tmp_path / "own" / ("above", "below")[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / f"{i:03}.png")
    for variable, value in (("RUNS", "runs"), ("MAX_RUNNING", "1")):
        monkeypatch.setenv(f"ROBUSTLENS_{variable}", value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    base = tiny(objective="adversarial")
    return base.model_copy(
        update={
            "data": base.data.model_copy(update={"name": "own", "holdout": 10}),
            "schedule": base.schedule.model_copy(update={"epochs": 120}),
        }
    )


def until(true: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        seen = look(folder)
        assert time.monotonic() < deadline, seen
        assert seen.status not in ("failed", "stopped"), seen
        time.sleep(0.02)


def kill(folder: Path) -> None:
    record = read_record(folder)
    assert record is not None
    os.kill(int(record.process.partition("@")[0]), signal.SIGKILL)


def test_a_run_s_life(recipe: Recipe, tmp_path: Path) -> None:
    short = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"epochs": 1})})
    a, b = control.start(recipe, name="a"), control.start(short, name="b")
    assert [(run.name, run.status) for run in control.runs()] == [("a", "running"), ("b", "queued")]
    until(lambda: Run(a).is_held, a)
    with pytest.raises(UserError, match="being trained by another process"), Run(a).held():
        pass
    until(lambda: look(a).progress.epoch >= 3, a)
    control.change(a, lr=0.02, steps=1)
    until(lambda: any(event["event"] == "change" for event in read_history(a)), a)
    kill(a)
    until(lambda: look(a).status == "dead", a)
    taken = (a / STATE / TAKEN).read_bytes()
    assert "of=" in repr(look(a).progress)

    told = at_once([lambda: control.resume(a)] * 2)  # b goes first: it has waited longer
    assert sorted(map(bool, told)) == [False, True]
    assert "already; stop it first" in max(told)
    before = read_history(a)[-1]["step"]
    # Nobody looks at the list from here on: b's process lets a go when it ends.
    until(lambda: look(b).status == "finished", b)
    until(lambda: Run(a).is_held, a)
    until(lambda: look(a).progress.step > before, a)
    control.stop(a)
    seen = control.wait(a, seconds=PATIENCE)
    assert (seen.status, seen.told) == ("stopped", "asked to stop")
    assert seen.progress.step < 360

    control.resume(a)
    until(lambda: look(a).status == "finished" and not (a / STATE).exists(), a)
    history = read_history(a)
    assert history[-1]["event"] == "complete"
    assert {p.name for p in a.iterdir()} == {"recipe.toml", "history.jsonl", "weights.safetensors", "card.json"}
    assert "Changed while it was trained: from step" in json.loads((a / "card.json").read_text())["notes"]

    whole = Run.create(tmp_path / "whole", recipe)
    (whole.folder / STATE / TAKEN).write_bytes(taken)
    Training(whole, data.load("own"), device=CPU, on_event=lambda event: None).train()
    assert timeless(whole.folder) == timeless(a)[:-1]
    control.discard(a)
    assert [run.name for run in control.runs()] == ["b"]


def test_on_the_command_line(recipe: Recipe, tmp_path: Path) -> None:
    """Started, failed, listed with its error, discarded: its images are gone when its process looks for them."""

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    (tmp_path / "r.toml").write_text(recipe.to_toml())
    assert said("start", "r.toml", "--set", "epochs=2") == "runs/r: running\n"
    (tmp_path / "own").rename(tmp_path / "moved")
    assert said("change", "r", "--set", "lr=0.01") == "r: taken before its next step\n"
    assert control.wait("r", seconds=PATIENCE).status == "failed"
    assert said("change", "r", "--set", "lr=0.02") == "r: taken before its next step, when it goes on\n"
    (row,) = json.loads(said("runs", "--json"))
    assert (row["name"], row["status"], row["title"]) == ("r", "failed", "tiny")
    assert row["told"].startswith("unknown data set 'own'")
    assert "failed" in said("runs")
    assert "unknown data set 'own'" in said("runs")
    assert said("discard", "r") == "r: gone\n"
    assert json.loads(said("runs", "--json")) == []
