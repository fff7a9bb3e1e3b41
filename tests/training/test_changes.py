"""Live changes: taken at the next step, told in the history, and after any death taken again where they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from robust_core.checkpoints import HISTORY, STATE, read_history
from robust_core.training import changes, loop
from robust_core.training.changes import ASKED, TAKEN, ask, changed
from robust_core.training.loop import Training
from robust_core.training.publish import publish
from robust_core.training.run import Run
from robust_core.types import Splits, UserError
from tests.training.test_loop import CPU, finish, made, timeless, tiny

__all__ = ["made"]  # the fixture

RECIPE = tiny(objective="adversarial")  # 3 epochs of 4 steps


def asking(run: Run, at: dict[int, dict[str, Any]], deadly: int = 0) -> Any:
    """Asks for a change when a step's line is told; the next step takes it. May die there."""

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            if event["step"] in at:
                ask(run.folder, at.pop(event["step"]))
            if event["step"] == deadly:
                raise InterruptedError

    return on_event


def test_a_change_is_taken_at_the_next_step_and_told(made: Splits, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    run, plain = Run.create(tmp_path / "a", RECIPE), Run.create(tmp_path / "b", RECIPE)
    finish(plain, made)
    training = Training(run, made, device=CPU, on_event=asking(run, {5: {"lr": 0.01}, 7: {"eps": 0.2, "steps": 3}}))
    training.train()
    events = timeless(run.folder)
    assert [e for e in events if e["event"] == "change"] == [
        {"event": "change", "step": 5, "lr": 0.01},
        {"event": "change", "step": 7, "eps": 0.2, "steps": 3},
    ]
    before = {e["step"]: e["lr"] for e in timeless(plain.folder) if e["event"] == "step"}
    after = {e["step"]: e["lr"] for e in events if e["event"] == "step"}
    assert all(after[step] == before[step] for step in range(1, 6))
    assert all(after[step] == pytest.approx(before[step] / 5) for step in range(6, 13))
    assert (training.learner.ball.eps, training.learner.attack.steps) == (0.2, 3)
    assert run.recipe == RECIPE
    assert "from step 5 on lr = 0.01; from step 7 on eps = 0.2, steps = 3" in publish(run, made, device=CPU).notes
    assert publish(plain, made, device=CPU).notes == ""


def test_a_named_step_size_follows_its_ball(tmp_path: Path) -> None:
    attack = RECIPE.attack.replace(eps=0.1, steps=4, step_size=0.05)
    run = Run.create(tmp_path / "a", RECIPE.model_copy(update={"attack": attack}))
    for change in ({"eps": 0.2}, {"lr": 0.01}, {"steps": 8}, {"eps": 0.1, "step_size": 0.07}, {"eps": 0.2, "steps": 8}):
        ask(run.folder, change)
    asked = [json.loads(line) for line in (run.folder / STATE / ASKED).read_text().splitlines()]
    assert asked == [
        {"eps": 0.2, "step_size": 0.1},
        {"lr": 0.01},
        {"steps": 8, "step_size": 0.05},
        {"eps": 0.1, "step_size": 0.07},
        {"eps": 0.2, "steps": 8, "step_size": 0.14},
    ]


@pytest.mark.parametrize("every", [0.0, 30.0])  # seconds between saved states: after each step, or after each epoch
def test_after_any_death_it_is_taken_again_where_it_was(
    every: float, made: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    wanted = {2: {"lr": 0.2}, 5: {"eps": 0.05}, 7: {"lr": 0.01}}  # each taken before the next death
    whole, broken = Run.create(tmp_path / "whole", RECIPE), Run.create(tmp_path / "broken", RECIPE)
    finish(whole, made, asking(whole, dict(wanted)))
    monkeypatch.setattr(loop, "SAVE_EVERY", every)
    left = dict(wanted)
    for deadly in (3, 6, 8, 9):
        with pytest.raises(InterruptedError):
            finish(broken, made, asking(broken, left, deadly))
    finish(broken, made, asking(broken, left))
    assert timeless(broken.folder) == timeless(whole.folder)
    assert sum(event["event"] == "change" for event in read_history(broken.folder)) == 3


def test_the_history_of_one_that_never_died_is_that_of_its_record(made: Splits, tmp_path: Path) -> None:
    """What was taken, and when, is all that there is to know: written down beforehand, it makes the same run."""
    asked, told = Run.create(tmp_path / "asked", RECIPE), Run.create(tmp_path / "told", RECIPE)
    finish(asked, made, asking(asked, {1: {"lr": 0.3}}))
    (told.folder / STATE / TAKEN).write_bytes((asked.folder / STATE / TAKEN).read_bytes())
    finish(told, made)
    assert timeless(told.folder) == timeless(asked.folder)
    finish(Run.create(tmp_path / "other", RECIPE), made)
    assert timeless(tmp_path / "other") != timeless(asked.folder)


def test_asked_before_the_start_it_is_taken_at_the_first_step(made: Splits, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a", RECIPE)
    ask(run.folder, {"steps": 1})
    finish(run, made)
    assert {"event": "change", "step": 0, "steps": 1} in timeless(run.folder)


def test_a_torn_line_asks_for_nothing(made: Splits, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a", RECIPE)
    path = run.folder / STATE / ASKED
    path.write_bytes(b'{"lr": 0.0')
    asked = changes.Changes(run, 0)
    assert not asked.take(0)
    ask(run.folder, {"lr": 0.02})
    assert asked.take(1)
    assert asked.due(1) == [{"lr": 0.02}]
    assert asked.recipe.schedule.lr == 0.02
    assert [json.loads(line) for line in (run.folder / STATE / TAKEN).read_text().splitlines()] == [
        {"lr": 0.02, "step": 1}
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1.0}, r"schedule.lr: .*greater than 0; got -1"),
        ({"lr": "fast"}, "schedule.lr: .*number"),
        ({"eps": 8}, r"did you mean 8/255\?"),
        ({"steps": 0}, "steps must be 1 or more; got 0"),
        ({"learning_rate": 0.1}, "unknown change of a running training 'learning_rate'"),
        ({"seed": 1}, "known: eps, lr, step_size, steps"),
    ],
)
def test_what_a_recipe_could_not_have_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a", RECIPE)
    with pytest.raises(UserError, match=message):
        ask(run.folder, change)
    assert not (run.folder / STATE / ASKED).exists()


def test_all_that_may_be_changed() -> None:
    new = changed(RECIPE, {"lr": 0.5, "eps": "8/255", "steps": 7, "step_size": 0.01})
    assert new.schedule.lr == 0.5
    assert (new.attack.eps, new.attack.steps, new.attack.step_size) == (8 / 255, 7, 0.01)
    assert new.validation == RECIPE.validation
    assert changed(RECIPE, {}) == RECIPE


def test_a_net_that_diverged_goes_on_with_a_lower_rate(made: Splits, tmp_path: Path) -> None:
    """The failure says that a lower rate helps; so it can be given one, without a new run."""
    recipe = RECIPE.model_copy(update={"schedule": RECIPE.schedule.model_copy(update={"lr": 90.0, "momentum": 0.99})})
    run = Run.create(tmp_path / "a", recipe)
    training = Training(run, made, device=CPU, on_event=lambda event: None)
    training._refuse_nonsense = lambda loss: loop.Training._refuse_nonsense(  # type: ignore[method-assign]
        training, loss * (float("nan") if training.step == 5 and training.recipe.schedule.lr > 1 else 1)
    )
    with pytest.raises(UserError, match="lower schedule.lr"):
        training.train()
    ask(run.folder, {"lr": 0.01})
    assert finish(run, made)
    assert "change" in {event["event"] for event in read_history(run.folder)}
    assert (run.folder / HISTORY).is_file()
    assert torch.isfinite(torch.tensor(read_history(run.folder)[-1]["ce_adv"]))
