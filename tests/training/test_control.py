"""Run control: what a folder says of its run, and what may not be started, stopped, resumed or discarded."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from robust_core.checkpoints import CARD, RECIPE, STATE, TIMES, WEIGHTS
from robust_core.data import load
from robust_core.training import control
from robust_core.training.recipe import Recipe
from robust_core.training.record import LOG, Record, write_record
from robust_core.training.run import SAVED, Run, runs_folder
from robust_core.training.status import look, run_folders
from robust_core.types import UserError
from tests.test_folders import torn
from tests.training.pretended import Pretended, pretended, recipe, statuses
from tests.training.test_loop import tiny

__all__ = ["pretended", "recipe"]  # fixtures


def test_status_is_what_the_folder_says(pretended: Pretended, recipe: Recipe) -> None:
    run = Run.create(runs_folder() / "a", recipe)
    assert look(run.folder).status == "stopped"  # nobody has worked on it
    with run.held():
        assert look(run.folder).status == "running"  # by somebody who keeps no record
        with pytest.raises(UserError, match="listens to no one"):
            control.stop("a")
        with pytest.raises(UserError, match="is running; stop it before"):
            control.discard("a")
    write_record(run.folder, Record(phase="working", process="mine before the power went"))
    (run.folder / STATE / LOG).write_text("step 20\nSegmentation fault\n")
    assert look(run.folder).status == "dead"
    assert "Segmentation fault\nits process is gone" in look(run.folder).told
    write_record(run.folder, Record(phase="failed", told="the loss became nan"))
    assert (look(run.folder).status, look(run.folder).told) == ("failed", "the loss became nan")
    (run.folder / CARD).write_text("{}")
    assert look(run.folder).status == "finished"
    for refused in (control.resume, lambda name: control.change(name, lr=0.1)):
        with pytest.raises(UserError, match="is finished"):
            refused("a")


def test_a_recipe_that_cannot_be_read_is_still_listed(pretended: Pretended, recipe: Recipe, tmp_path: Path) -> None:
    Run.create(runs_folder() / "a", recipe)
    (runs_folder() / "broken").mkdir()
    (runs_folder() / "broken" / "recipe.toml").write_text("title = ")
    Run.create(tmp_path / "elsewhere" / "group" / "b", recipe)
    seen = {run.name: run for run in control.runs(tmp_path / "elsewhere")}
    assert seen.keys() == {"a", "broken", "group/b"}
    assert seen["a"].title == "tiny"
    assert seen["broken"].recipe is None
    assert "not valid TOML" in seen["broken"].told


def test_no_runs_at_all(pretended: Pretended) -> None:
    assert control.runs() == []
    assert not runs_folder().exists()
    with pytest.raises(UserError, match="x is not a run; known: none yet"):
        control.stop("x")


def test_discard_deletes_a_run_and_nothing_else(
    pretended: Pretended, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = control.start(recipe), control.start(recipe)
    for refused, status in ((folder, "running"), (other, "queued")):
        with pytest.raises(UserError, match=f"is {status}; stop it before it is discarded"):
            control.discard(refused)
    pretended.end(folder)
    (folder / "notes.txt").write_text("mine")
    control.discard(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert statuses() == {"tiny_2": "running"}
    pretended.end(other, "stopped")
    (other / TIMES).touch()  # it was timed on a page
    for name in (RECIPE, WEIGHTS, CARD, TIMES, f"{STATE}/{SAVED}"):
        torn(monkeypatch, other / name)
    control.discard("tiny_2")
    assert not other.exists()


def test_a_run_that_begins_where_one_is_discarded_is_left_alone(
    pretended: Pretended, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock goes last: what comes after it could be of another run already."""
    folder, real = control.start(recipe), shutil.rmtree
    pretended.end(folder, "stopped")

    def then_another_begins(path: Path) -> None:
        real(path)
        Run.create(folder, recipe)
        torn(monkeypatch, folder / WEIGHTS)  # it is being written

    monkeypatch.setattr(shutil, "rmtree", then_another_begins)
    control.discard(folder)
    assert (folder / RECIPE).is_file()
    assert len(list(folder.glob("*.tmp"))) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"name": "fashion_mist"}}, "unknown data set 'fashion_mist'"),
        ({"objective": {"name": "rslad"}}, "needs a robust teacher"),
        ({"schedule": {"batch_size": 8192}, "model": {"options": {"width": 512}}}, "takes about .* MB .*activations"),
    ],
)
def test_what_cannot_be_trained_leaves_no_folder(
    changes: dict[str, Any], message: str, pretended: Pretended, recipe: Recipe
) -> None:
    tree = recipe.model_dump(exclude_none=True)
    for part, values in changes.items():
        tree[part] |= values
    with pytest.raises(UserError, match=message):
        control.start(Recipe.model_validate(tree))
    assert not runs_folder().exists() or control.runs() == []


def test_a_device_that_is_not_here_and_a_folder_elsewhere_are_refused(
    pretended: Pretended, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="this machine has"):
        control.start(recipe, device="tpu")
    with pytest.raises(
        UserError, match=f"runs in the background live in .*: give --to as {runs_folder() / 'elsewhere'}"
    ):
        control.start(recipe, to=tmp_path / "elsewhere")
    folder = control.start(recipe, to=runs_folder() / "group" / "mine")
    with pytest.raises(UserError, match="already holds a run"):
        control.start(recipe, to=folder)
    assert statuses() == {"group/mine": "running"}
    assert control.find("group/mine") == control.find("runs/group/mine") == folder


def test_a_run_deleted_while_it_is_watched_is_just_gone(pretended: Pretended, recipe: Recipe) -> None:
    folder = control.start(recipe)
    shutil.rmtree(folder)
    assert control.runs() == []
    with pytest.raises(UserError, match="is not a run"):
        look(folder)


def test_on_a_full_disk_nothing_half_made_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setenv("ROBUSTLENS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(control, "write_record", full)
    images = load("fashion_mnist_small").train.subset(slice(0, 200))
    with pytest.raises(UserError, match="the disk is full"):
        control.start(tiny(), images=images)
    assert list(run_folders(tmp_path / "runs")) == []
    assert [path for path in (tmp_path / "runs").iterdir() if path.is_dir()] == []
