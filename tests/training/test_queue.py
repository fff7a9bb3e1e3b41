"""The queue: runs go in the order they came, at most so many at once, whoever asks for what at the same moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robust_core.checkpoints import HISTORY
from robust_core.training import control
from robust_core.training.limits import limits
from robust_core.training.queue import environment, promote, queue_held
from robust_core.training.recipe import Recipe
from robust_core.training.status import look
from robust_core.types import UserError
from tests.training.pretended import Pretended, at_once, pretended, recipe, statuses

__all__ = ["pretended", "recipe"]  # fixtures


def test_runs_go_in_the_order_they_came(pretended: Pretended, recipe: Recipe) -> None:
    folders = [control.start(recipe, name=name) for name in ("c", "a", "b")]
    assert pretended.launched == ["c"]
    assert [(run.name, run.status, run.place) for run in control.runs()] == [
        ("c", "running", None),
        ("a", "queued", 1),
        ("b", "queued", 2),
    ]
    pretended.end(folders[0], "stopped")
    assert statuses() == {"a": "running", "b": "queued", "c": "stopped"}
    control.resume("c")  # behind those that wait
    pretended.end(folders[1], "failed")
    promote()
    promote()
    assert pretended.launched == ["c", "a", "b"]
    pretended.end(folders[2])
    assert statuses() == {"c": "running", "a": "failed", "b": "dead"}
    assert pretended.launched == ["c", "a", "b", "c"]


def test_several_go_at_once_where_they_may(
    pretended: Pretended, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROBUSTLENS_MAX_RUNNING", "2")
    for _ in range(3):
        control.start(recipe)
    assert pretended.launched == ["tiny", "tiny_2"]
    assert statuses() == {"tiny": "running", "tiny_2": "running", "tiny_3": "queued"}


def test_a_run_that_waits_is_stopped_and_resumed(pretended: Pretended, recipe: Recipe) -> None:
    first, second = control.start(recipe), control.start(recipe)
    control.stop(second)
    assert look(second).told == "taken out of the queue"
    pretended.end(first, "stopped")
    assert statuses() == {"tiny": "stopped", "tiny_2": "stopped"}
    control.resume(second)
    assert pretended.launched == ["tiny", "tiny_2"]


def test_a_stop_is_for_the_process_that_runs_and_no_later_one(pretended: Pretended, recipe: Recipe) -> None:
    folder = control.start(recipe)
    control.stop(folder)
    assert look(folder).stopping
    control.stop(folder)  # two visitors at once
    with pytest.raises(UserError, match="is stopping already; wait until it has stopped"):
        control.resume(folder)
    pretended.end(folder, "stopped")
    with pytest.raises(UserError, match="does not run: it is stopped"):
        control.stop(folder)
    control.resume(folder)
    assert (look(folder).status, look(folder).stopping) == ("running", False)


def test_of_many_resumes_at_once_one_wins(pretended: Pretended, recipe: Recipe) -> None:
    folder = control.start(recipe)
    pretended.end(folder)
    told = at_once([lambda: control.resume(folder)] * 6)
    assert sorted(told)[0] == ""
    assert all("is running already; stop it first" in other for other in sorted(told)[1:])
    assert pretended.launched == ["tiny", "tiny"]


def test_stop_and_resume_at_once_leave_one_process_at_most(pretended: Pretended, recipe: Recipe) -> None:
    folder = control.start(recipe)
    for _ in range(10):
        pretended.end(folder, "stopped")
        told = at_once([lambda: control.resume(folder), lambda: control.stop(folder)] * 2)
        assert "" in told
        assert len(pretended.living) == 1
        assert look(folder).status == "running"


def test_starts_at_once_are_runs_of_their_own(pretended: Pretended, recipe: Recipe) -> None:
    assert at_once([lambda: control.start(recipe)] * 4) == [""] * 4
    assert statuses() == {"tiny": "running", "tiny_2": "queued", "tiny_3": "queued", "tiny_4": "queued"}
    assert {run.place for run in control.runs()} == {None, 1, 2, 3}


def test_the_limits_are_kept(pretended: Pretended, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUSTLENS_MAX_QUEUED", "1")
    first = control.start(recipe)
    control.start(recipe)
    with pytest.raises(UserError, match=r"1 runs go and 1 wait already.*ROBUSTLENS_MAX_QUEUED"):
        control.start(recipe)
    assert len(control.runs()) == 2
    monkeypatch.setenv("ROBUSTLENS_MAX_QUEUED", "9")
    monkeypatch.setenv("ROBUSTLENS_MAX_DISK_MB", "0.001")
    with pytest.raises(UserError, match=r"0 MB of the 0 they may \(ROBUSTLENS_MAX_DISK_MB\); discard some"):
        control.start(recipe)
    monkeypatch.delenv("ROBUSTLENS_MAX_DISK_MB")
    (first / HISTORY).write_text('{"event": "step", "step": 1, "of": 2, "seconds": 7300.0}\n')
    pretended.end(first)
    monkeypatch.setenv("ROBUSTLENS_MAX_RUN_HOURS", "2")
    with pytest.raises(UserError, match="has trained as long as ROBUSTLENS_MAX_RUN_HOURS allows: 2 h"):
        control.resume(first)
    monkeypatch.setenv("ROBUSTLENS_TRAINING", "off")
    for action in (lambda: control.start(recipe), lambda: control.resume(first)):
        with pytest.raises(UserError, match="training is switched off here"):
            action()
    monkeypatch.setenv("ROBUSTLENS_MAX_RUN_HOURS", "a day")
    with pytest.raises(UserError, match="ROBUSTLENS_MAX_RUN_HOURS must be a number ≥ 0; got 'a day'"):
        limits()


def test_a_process_gets_its_share_of_the_machine(
    pretended: Pretended, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("robust_core.training.queue.cores", lambda: 12)
    monkeypatch.setenv("ROBUSTLENS_MAX_RUNNING", "3")
    monkeypatch.setattr("robust_core.training.queue.gpus", lambda: 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6,7")
    folders = [control.start(recipe) for _ in range(3)]
    given = [pretended.told[folder.name][2] for folder in folders]
    assert [told["OMP_NUM_THREADS"] for told in given] == ["4"] * 3
    assert [told["CUDA_VISIBLE_DEVICES"] for told in given] == ["5", "6", "7"]
    pretended.end(folders[1], "stopped")
    control.resume(folders[1], device="cpu")
    device, cwd, told = pretended.told[folders[1].name]
    assert (device, cwd) == ("cpu", Path.cwd())
    assert "CUDA_VISIBLE_DEVICES" not in told
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert "OMP_NUM_THREADS" not in environment(3)
    assert Path(told["ROBUSTLENS_RUNS"]).is_absolute()


def test_a_process_that_cannot_be_started_is_a_failure(
    pretended: Pretended, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> str:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(pretended, "launch", refused)
    seen = look(control.start(recipe))
    assert seen.status == "failed"
    assert "could not be started" in seen.told


def test_a_queue_that_hangs_is_said_so(pretended: Pretended, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robust_core.training.queue.LOCK_WAIT", 0.05)
    with queue_held(), pytest.raises(UserError, match="the queue is busy"):
        control.start(recipe)
