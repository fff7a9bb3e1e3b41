"""Train at its edges: no images, a disk that fills, a clock that jumps, runs that end while they are watched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from pages.ui import train_watch
from robust_core.checkpoints import HISTORY, RECIPE, STATE, read_history
from robust_core.data.own import keep
from robust_core.training import control, launch
from robust_core.training.loop import Training
from robust_core.training.record import read_record, write_record
from robust_core.training.run import Run
from robust_core.training.work import working
from robust_core.types import Splits, UserError
from tests.pages.test_train import alt, buttons, captions, figure, links, runs, told
from tests.pages.trained import TRAIN, add_run, epoch, grow, recipe, steps, story
from tests.training.pretended import Pretended, pretended
from tests.training.test_loop import CPU, made, timeless, tiny

__all__ = ["made", "pretended", "runs"]  # fixtures
DECADE = 3.2e8  # seconds


def no_room(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def half_a_line(run: Run, event: dict[str, Any]) -> None:
    with open(run.folder / HISTORY, "a") as file:
        file.write(json.dumps(event)[:20])
    no_room()


@pytest.mark.parametrize(("place", "write", "step"), [(os, "fsync", 4), (Run, "log", 4)])
def test_a_disk_that_fills_stops_the_run_and_the_page_says_so_once(
    runs, open_page, made: Splits, tmp_path, monkeypatch, pretended: Pretended, place, write, step
):
    """Where the state is saved, and in the middle of a line of the history."""
    monkeypatch.setenv("ROBUSTLENS_CACHE", str(tmp_path / "cache"))
    keep(made, name="stripes", title="Stripes", source="", licence="")
    base = tiny()
    mine = base.model_copy(update={"data": base.data.model_copy(update={"name": "stripes"})})
    run, real = Run.create(runs / "mine", mine), getattr(place, write)

    def fill(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 2:
            monkeypatch.setattr(place, write, half_a_line if place is Run else no_room)

    def train(on_event: Callable[[dict[str, Any]], None] = lambda event: None) -> bool:
        with working(run) as work:
            return Training(run, made, device=CPU, on_event=on_event).train(stop=work.stop)

    with pytest.raises(UserError, match="the disk is full"):
        train(fill)
    reached = max(event["step"] for event in read_history(run.folder) if "step" in event)
    app = open_page(TRAIN)
    assert [info.value for info in app.info] == [
        "Stopped: the disk is full; free some space first. Resume goes on from its last good state."
    ]
    assert not app.error
    assert told(app).count("disk is full") == 1
    assert f"{reached} of" in told(app)
    assert "Resume" in buttons(app)
    monkeypatch.setattr(os, "fsync", no_room)  # still full: nothing new, not even a record of another length
    monkeypatch.setattr(control, "write_record", no_room)
    app.button(key="train_resume_head_mine").click().run()
    assert [error.value.replace("\\", "") for error in app.error] == [
        "the disk is full: discard runs, or free some space, then try again"
    ]
    assert control.look(run.folder).status == "stopped"

    monkeypatch.setattr(control, "write_record", write_record)
    monkeypatch.setattr(place, write, real)
    monkeypatch.setattr(os, "fsync", real if place is os else os.fdatasync)
    app.button(key="train_resume_head_mine").click().run()
    assert not app.error
    assert pretended.launched == ["mine"]
    pretended.end(run.folder, "stopped")
    assert train()
    whole = Run.create(tmp_path / "whole", mine)
    Training(whole, made, device=CPU, on_event=lambda event: None).train()
    assert timeless(run.folder) == timeless(whole.folder)


def jumped() -> list[dict[str, Any]]:
    """Four steps by a clock that leaps ahead, falls back, and loses its mind."""
    first, second, third, fourth = steps(4, of=100)
    second |= {"seconds": DECADE, "seconds_left": 2 * DECADE}
    third |= {"seconds": -40.0, "seconds_left": -1000.0, "images_per_second": -300.0}
    fourth |= {"seconds": float("nan"), "seconds_left": float("-inf"), "images_per_second": float("nan")}
    return [first, epoch(1), second, third, epoch(2, seconds=-5.0), fourth]


def test_seconds_of_a_clock_that_jumped_are_no_nonsense_on_the_page(runs, open_page):
    folder = add_run(runs / "now", jumped())
    with Run(folder).held():
        app = open_page(TRAIN, axis="seconds")
        said = told(app)
        assert "80 of 100" in said
        assert ">running<" in said
        assert "left, about" not in said
        assert "s left" not in said
        assert "images a second</small>" not in said
        assert not {"-1", "-5 s", "-300", "nan", "inf "} & set(said.replace(">", " ").replace("<", " ").split())
        spec = json.dumps(figure(app), allow_nan=False)  # ECharts reads JSON, which has no NaN
        curves = [line["data"] for line in json.loads(spec)["series"] if not line.get("silent")]
        assert all(x == sorted(x) and x[0] >= 0 for line in curves for x in [[at for at, _ in line]])
        grow(folder, *steps(5, of=100, seconds=DECADE + 8, seconds_left=0.0)[4:])  # it has come to its senses
        app.run()
        assert "100 of 100" in told(app)


@pytest.mark.parametrize("by", [-DECADE, DECADE])
def test_who_lives_is_not_told_by_any_clock(runs, open_page, pretended: Pretended, by):
    """Every file of a run was written long ago, or will be written in ten years."""
    control.start(recipe("One"))
    grow(runs / "one", *story(2))
    at = (runs / "one" / RECIPE).stat().st_mtime + by
    for path in (*(runs / "one").rglob("*"), runs / "one"):
        os.utime(path, (at, at))
    app = open_page(TRAIN, watch="one")
    assert ">running<" in told(app)
    assert "Stop" in buttons(app)
    assert "16 s" in told(app)
    pretended.living.clear()  # killed
    app.run()
    assert ">broke off<" in told(app)
    assert "Resume" in buttons(app)
    assert not {"Stop", "Stopping…"} & buttons(app)


@pytest.fixture
def looks(monkeypatch) -> dict[str, float | None]:
    """How often the page, as it was built last, looks at the curves and at the list again; None for never."""
    found: dict[str, float | None] = {}
    real = st.fragment

    def fragment(function: Any = None, **settings: Any) -> Any:
        if function is not None and "run_every" in settings:
            found[function.__name__] = settings["run_every"]
        return real(function, **settings)

    monkeypatch.setattr(st, "fragment", fragment)
    return found


@pytest.mark.parametrize("how", ["stopped", "dead", "discarded"])
def test_a_run_laid_over_that_ends_is_noticed(runs, open_page, pretended: Pretended, monkeypatch, looks, how):
    add_run(runs / "mine", story(3), phase="stopped")
    control.start(recipe("Other"))
    grow(runs / "other", *story(1))
    app = open_page(TRAIN, watch="mine", overlay="other")
    assert looks == {"_live": train_watch.POLL, "_listed": 8.0}
    assert "Other after" in alt(app)
    real, seen = train_watch.look_at, []

    def look_at(folder: Path) -> object:
        """The other one ends after the page was built, before the curves are looked at."""
        if not seen:
            seen.append(folder)
            grow(runs / "other", *steps(2)[1:])
            pretended.end(runs / "other", None if how == "dead" else "stopped")
            if how == "discarded":
                control.discard(runs / "other")
        return real(folder)

    monkeypatch.setattr(train_watch, "look_at", look_at)
    app.run()
    assert seen
    assert not app.exception
    assert looks == {"_live": None, "_listed": None}  # built anew, and nothing is left to look at again
    assert ("Other after" in alt(app)) == (how != "discarded")
    assert ("step 40" in alt(app).partition("Other")[2]) == (how != "discarded")
    assert (">broke off<" in told(app)) == (how == "dead")


def test_curves_of_runs_that_go_on_are_looked_at_again_and_nothing_is_built_anew(
    runs, open_page, pretended: Pretended, looks, monkeypatch
):
    add_run(runs / "mine", story(3), phase="stopped")
    control.start(recipe("Other"))
    grow(runs / "other", *story(1))
    anew: list[object] = []
    real = st.rerun
    monkeypatch.setattr(st, "rerun", lambda **how: (anew.append(how), real(**how)))
    open_page(TRAIN, watch="mine", overlay="other").run()
    assert looks == {"_live": train_watch.POLL, "_listed": 8.0}
    assert anew == []


def test_a_list_without_the_last_living_run_is_not_looked_at_for_ever(
    runs, open_page, pretended: Pretended, monkeypatch, looks
):
    add_run(runs / "mine", story(3), phase="stopped")
    folder = control.start(recipe("Other"))
    app = open_page(TRAIN, watch="mine")
    assert looks == {"_live": None, "_listed": 8.0}
    real = train_watch.follow  # looked at between the page's own look at all runs and that of the list

    def ended(of: Path) -> object:
        pretended.end(folder, "stopped")
        return real(of)

    monkeypatch.setattr(train_watch, "follow", ended)
    app.run()
    assert looks == {"_live": None, "_listed": None}
    assert read_record(folder).phase == "stopped"
    assert (folder / STATE).is_dir()
    assert not launch.launcher().alive(read_record(folder).process)


def test_a_shipped_one_of_images_that_nobody_has_is_told_and_comes_after_those_that_can_be_shown(runs, zoo, open_page):
    foreign, known = zoo / "colours/pgd_at", zoo / "fashion_mnist/pgd_at"
    shutil.copytree(known, foreign)
    for file, old, new in (
        ("recipe.toml", "fashion_mnist_small", "somebodys_copy"),
        ("recipe.toml", '"fashion_mnist"', '"somebodys_copy"'),
    ):
        (foreign / file).write_text((foreign / file).read_text().replace(old, new))
    app = open_page(TRAIN)
    assert not app.error
    app = open_page(TRAIN, watch="colours/pgd_at")  # other images of the same shape and classes are here
    assert not app.error
    assert "the weights of the best epoch" in captions(app)
    card = json.loads((foreign / "card.json").read_text())
    (foreign / "card.json").write_text(json.dumps(card | {"class_names": [f"no {k}" for k in range(10)]}))
    app = open_page(TRAIN)
    assert links(app)["Open in Perturb"].endswith("model=fashion_mnist%2Fpgd_at")
    app = open_page(TRAIN, watch="colours/pgd_at")
    assert not app.error
    assert "Its images are not on this machine" in captions(app)
