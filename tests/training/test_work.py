"""The frame around a training: how it ended is left in the folder, after a stop, an error, and on a full disk."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robust_core.checkpoints import CARD, RECIPE, STATE, TIMES, WEIGHTS, read_history
from robust_core.training import launch
from robust_core.training.loop import Training
from robust_core.training.recipe import Recipe
from robust_core.training.run import SAVED, Run, State, runs_folder
from robust_core.training.status import look
from robust_core.training.work import working
from robust_core.types import Splits, UserError
from tests.test_folders import torn
from tests.training.pretended import Pretended, pretended, recipe
from tests.training.test_loop import CPU, made, timeless, tiny

__all__ = ["made", "pretended", "recipe"]  # fixtures


def test_a_run_in_the_background_ends_when_its_time_is_up(
    pretended: Pretended, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "nice", lambda by: by)  # or the tests would stay slow
    monkeypatch.setenv("ROBUSTLENS_MAX_RUN_HOURS", "0")
    for launched, stopped in (("", False), ("1", True)):
        monkeypatch.setenv(launch.LAUNCHED, launched)
        with working(Run.create(runs_folder() / f"a{launched}", recipe)) as work:
            assert work.stop() is stopped
    assert look(runs_folder() / "a1").told == "it has trained as long as ROBUSTLENS_MAX_RUN_HOURS allows"


def test_an_error_is_kept_and_a_stop_is_none(pretended: Pretended, recipe: Recipe) -> None:
    run = Run.create(runs_folder() / "a", recipe)

    def breaks() -> None:
        with working(run):
            assert look(run.folder).status == "running"
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        breaks()
    assert look(run.folder).status == "failed"
    assert "ZeroDivisionError: division by zero" in look(run.folder).told
    with working(run) as work:
        assert not work.stop()
        (run.folder / STATE / "stop").write_text("another process")
        assert not work.stop()
        (run.folder / STATE / "stop").write_text("mine")
        assert work.stop()
    assert (look(run.folder).status, look(run.folder).told) == ("stopped", "asked to stop")
    with working(run):
        (run.folder / CARD).write_text("{}")
    assert not (run.folder / STATE).exists()
    with pytest.raises(UserError, match="is finished"), working(run):
        pass


def test_what_a_killed_process_half_wrote_goes_with_the_next_one(
    pretended: Pretended, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(runs_folder() / "a", recipe)
    for name in (RECIPE, WEIGHTS, CARD, TIMES, f"{STATE}/{SAVED}"):
        torn(monkeypatch, run.folder / name)
    with run.held(), pytest.raises(UserError, match="is being trained by another process"), working(run):
        pass
    assert len(list(run.folder.rglob("*.tmp"))) == 5  # what looks torn is still being written by the one that holds it
    with working(run):
        assert not list(run.folder.rglob("*.tmp"))


def test_a_full_disk_stops_the_run_with_its_last_good_state(
    pretended: Pretended, made: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(runs_folder() / "a", tiny())
    real = os.fsync

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 2:
            monkeypatch.setattr(os, "fsync", full)

    def train(on_event: Callable[[dict[str, Any]], None]) -> bool:
        with working(run) as work:
            return Training(run, made, device=CPU, on_event=on_event).train(stop=work.stop)

    with pytest.raises(UserError, match="the disk is full: .* stopped with its last good state; free some space"):
        train(on_event)
    seen = look(run.folder)  # written though nothing new can be
    assert seen.status == "stopped"
    assert "the disk is full" in seen.told
    state = run.load_state()
    assert isinstance(state, State)
    assert state.facts["step"] == 4
    monkeypatch.setattr(os, "fsync", real)
    assert train(lambda event: None)
    whole = Run.create(tmp_path / "whole", tiny())
    Training(whole, made, device=CPU, on_event=lambda event: None).train()
    assert timeless(run.folder) == timeless(whole.folder)


def test_a_clock_that_jumps_moves_no_training(
    pretended: Pretended, made: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten years ahead, back again, and so on: seconds are counted, not read off a clock, and no limit is reached."""
    jumps = itertools.cycle((3.2e8, -3.2e8, 0.0))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    monkeypatch.setattr(os, "nice", lambda by: by)
    monkeypatch.setenv(launch.LAUNCHED, "1")
    monkeypatch.setenv("ROBUSTLENS_MAX_RUN_HOURS", "1")
    run = Run.create(runs_folder() / "a", tiny())
    with working(run) as work:
        assert Training(run, made, device=CPU, on_event=lambda event: None).train(stop=work.stop)
    told = [event["seconds"] for event in read_history(run.folder) if "seconds" in event]
    assert told == sorted(told)
    assert 0 <= told[0] <= told[-1] < 3600
    assert all(0 <= event.get("seconds_left", 0) < 3600 for event in read_history(run.folder))
