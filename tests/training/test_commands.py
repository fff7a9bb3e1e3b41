"""What `train` and `resume` say: early, at the end, when there is nothing to go on from, and when they are stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from robust_core import checkpoints
from robust_core.__main__ import app
from robust_core.training.recipe import parse_recipe
from robust_core.training.run import Run
from robust_core.training.status import look
from robust_core.training.work import Work
from tests.test_command_line import RECIPE


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBUSTLENS_RUNS", "runs")
    Path("r.toml").write_text(RECIPE)
    return tmp_path


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_a_training_speaks_early_and_ends_with_its_figures(here: Path) -> None:
    lines = said("train", "r.toml", "--set", "epochs=1").splitlines()
    assert lines[1].split()[:5] == ["step", "step", "1", "of", "4"]
    assert lines[-1].startswith("complete")
    *_, last = checkpoints.read_history(here / "runs" / "r")
    card = checkpoints.at(here / "runs" / "r").card
    assert card is not None
    assert card.robust is not None
    assert (last["event"], last["n"], last["robust"]) == ("complete", 2000, card.robust.accuracy)
    assert look(here / "runs" / "r").status == "finished"
    assert "finished" in said("runs")


def test_resume_says_from_where(here: Path) -> None:
    run = Run.create(here / "runs" / "a", parse_recipe(RECIPE, overrides={"schedule.epochs": 1}))
    output = said("resume", "a")
    assert output.startswith("nothing was saved yet: training starts from the beginning")
    assert (run.folder / "card.json").exists()
    result = CliRunner().invoke(app, ["resume", "a"])
    assert "a is finished; `python -m robust_core measure a`" in str(result.exception)


def test_a_stop_is_heard_while_it_trains_and_while_it_measures(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Work.stop

    def at(step: int) -> Any:
        left = iter(range(step))

        def stop(self: Work) -> bool:
            self.reason = self.reason or ("asked to stop" if next(left, None) is None else "")
            return real(self)

        return stop

    monkeypatch.setattr(Work, "stop", at(3))
    output = said("train", "r.toml", "--set", "epochs=1", code=3)
    assert "stopped (asked to stop); go on with: python -m robust_core resume runs/r" in output
    assert look(here / "runs" / "r").status == "stopped"
    monkeypatch.setattr(Work, "stop", at(2))  # one step is left, and one look at the test images
    output = said("resume", "r", code=3)
    assert "resume  step 3  of 4" in output
    assert "it is trained; measure it with: python -m robust_core measure" in output
    assert look(here / "runs" / "r").status == "finished"
    assert not (here / "runs" / "r" / "state").exists()


def test_training_may_be_switched_off(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUSTLENS_TRAINING", "off")
    for command in (["train", "r.toml"], ["start", "r.toml"], ["resume", "a"]):
        assert "training is switched off here" in str(CliRunner().invoke(app, command).exception)
    assert "run " in said("runs")


def test_what_it_will_take(here: Path) -> None:
    told = json.loads(said("estimate", "r.toml", "--json"))
    assert told["steps"] == 8
    assert told["seconds"] > 8
    assert " MB (activations " in said("estimate", "r.toml")
