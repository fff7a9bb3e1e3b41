"""Train: what is shown of runs in every state, each control moved once, and what two visitors may do to one run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import train_probes
from robust_core import checkpoints
from robust_core.checkpoints import CARD, HISTORY, RECIPE, STATE
from robust_core.training import control, launch
from robust_core.training.changes import ASKED
from robust_core.training.recipe import parse_recipe
from robust_core.training.run import Run
from tests.pages.reading import captions, player
from tests.pages.trained import TRAIN, add_run, epoch, grow, recipe, steps, story
from tests.training.pretended import Pretended, pretended

__all__ = ["pretended"]  # a fixture


@pytest.fixture
def runs(zoo: Path, tmp_path: Path) -> Path:
    """The runs folder, empty; PGD-AT of the tiny zoo has the history of its training."""
    folder = zoo / "fashion_mnist/pgd_at"
    (folder / RECIPE).write_text(recipe("PGD-AT").to_toml())
    (folder / HISTORY).write_text("".join(json.dumps(e) + "\n" for e in story(4)))
    return tmp_path / "runs"


def told(app: AppTest) -> str:
    """All words on the page, those inside HTML included."""
    html = [element.proto.body for element in app.get("html")]
    parts = (app.markdown, app.caption, app.info, app.error, app.warning, app.success, app.code)
    words = " ".join([*html, *(element.value for part in parts for element in part)])
    return re.sub(r"\\([^\w\s])", r"\1", words)  # as Markdown shows it


def figure(app: AppTest) -> dict[str, Any]:
    """The curves, as ECharts gets them."""
    (element,) = app.get("echarts_chart")
    return json.loads(element.proto.spec)


def alt(app: AppTest) -> str:
    return app.get("echarts_chart")[0].proto.alt


def buttons(app: AppTest) -> set[str]:
    return {button.label for button in app.button}


def links(app: AppTest) -> dict[str, str]:
    return {element.proto.label: element.proto.query_string for element in app.get("page_link")}


def test_with_no_run_a_shipped_history_is_alive_and_presets_are_a_click_away(runs, open_page):
    app = open_page(TRAIN)
    assert "PGD-AT, as it was trained" in told(app)
    assert "clean accuracy 80.0\u00a0%, robust accuracy 50.0\u00a0%" in alt(app)
    for title in ("Robust in 3 minutes", "Two teachers", "A router", "Fair temperatures"):
        assert f"#### {title}" in told(app)
    assert sum(button.label == "Start" for button in app.button) == 4
    assert "the weights of the best epoch" in captions(app)
    assert "All runs" not in told(app)
    assert links(app)["Open in Perturb"].endswith("model=fashion_mnist%2Fpgd_at")


def test_pictures_of_what_a_run_sees_are_made_once_a_state_and_look(runs, open_page, monkeypatch):
    made, real = [], train_probes._grid
    monkeypatch.setattr(train_probes, "_grid", lambda *given: made.append(given) or real(*given))
    app = open_page(TRAIN)
    shown = [element.proto.body for element in app.get("html") if '<div class="rl-probes"' in element.proto.body]
    assert len(shown) == len(made) == 1
    app.run()
    assert [
        element.proto.body for element in app.get("html") if '<div class="rl-probes"' in element.proto.body
    ] == shown
    assert len(made) == 1


def test_nothing_at_all(zoo, open_page):
    shutil.rmtree(zoo)
    assert "There is no run and no history" in told(open_page(TRAIN))


def test_a_finished_run_is_a_checkpoint_everywhere_at_once(runs, zoo, open_page):
    done = [*story(4), {"event": "complete", "step": 80, "clean": 0.7, "robust": 0.5, "worst_class": 0.1, "n": 2000}]
    add_run(runs / "mine", done, like=zoo / "fashion_mnist/pgd_at")
    app = open_page(TRAIN)
    assert app.query_params["watch"] == "mine"
    assert "finished" in told(app)
    assert "Measured on 2,000 test images: clean 70.0\u00a0%, PGD-20 (ε = 0.1, seed 0) 50.0\u00a0%" in captions(app)
    assert links(app)["Open in Perturb"].endswith("model=runs%2Fmine")
    assert player(open_page("pages/1_Perturb.py", model="runs/mine", versus="none"))["lanes"][0]["title"] == "Mine"
    assert "Mine" in open_page("pages/3_Temperatures.py", model="runs/mine").selectbox(key="w_model").options


def test_a_finished_run_is_found_by_name_and_the_zoo_goes_first(runs, zoo):
    like = zoo / "fashion_mnist/pgd_at"
    for name in ("mine", "group/deep", "pgd_at"):
        add_run(runs / name, story(1), like=like)
    add_run(runs / "now", story(1), phase="stopped")
    names = [found.name for found in checkpoints.find_all()]
    assert names[-3:] == ["runs/group/deep", "runs/mine", "runs/pgd_at"]
    assert "runs/now" not in names
    assert checkpoints.find("mine").folder == checkpoints.folder_of("runs/mine") == runs / "mine"
    assert checkpoints.find("pgd_at").name == "fashion_mnist/pgd_at"
    assert checkpoints.find("runs/pgd_at").folder == runs / "pgd_at"
    assert not [found.name for found in checkpoints.find_all(zoo) if found.name.startswith("runs/")]


def test_a_run_under_way_grows_and_says_when_it_is_measured(runs, open_page):
    folder = add_run(runs / "now", [])
    with Run(folder).held():
        app = open_page(TRAIN)
        assert "Starting: it loads" in captions(app)
        grow(folder, *steps(2), epoch(1))
        app.run()
        assert "40 of 80" in told(app)
        assert "300" in told(app)  # images a second
        assert "16 s" in told(app)  # left
        assert "step 40: ce_adv 1.8" in alt(app)
        grow(folder, *steps(4)[2:], epoch(4))
        app.run()
        assert "being measured" in captions(app)


@pytest.mark.parametrize(
    ("phase", "words", "offered"),
    [
        ("failed", "It failed", {"Resume"}),
        ("working", "It broke off", {"Resume"}),
        ("stopped", "Stopped: the disk is full", {"Resume"}),
    ],
)
def test_a_run_that_ended_early_says_why_and_resumes(runs, open_page, phase, words, offered):
    why = "the disk is full" if phase == "stopped" else "ValueError: images are gone"
    folder = add_run(runs / "bad", story(2), torn='{"event": "ste', phase=phase, told=why, process="1@1@long ago")
    if phase == "working":
        (folder / STATE / "log.txt").write_text(why)
    app = open_page(TRAIN)
    assert words in told(app)
    assert why in told(app)
    assert offered <= buttons(app)
    assert "Stop" not in buttons(app)
    assert "40 of 80" in told(app)  # what was told before it was torn


def test_a_run_that_waits_says_where_in_the_queue(runs, open_page, pretended):
    control.start(recipe("One"))
    control.start(recipe("Two"))
    app = open_page(TRAIN, watch="two")
    assert "Waits for its turn, place 1: 1 at a time" in told(app)
    app.button(key="train_stop_head_two").click().run()
    assert control.look(runs / "two").status == "stopped"
    assert "taken out of the queue" in told(app)
    app.button(key="train_resume_list_two").click().run()
    assert control.look(runs / "two").status == "queued"
    assert not app.exception


def test_a_run_deleted_while_it_is_watched(runs, open_page):
    folder = add_run(runs / "mine", story(2))
    app = open_page(TRAIN, watch="mine")
    shutil.rmtree(folder)
    app.run()
    assert not app.exception
    assert "mine is gone" in told(app)
    assert "PGD-AT, as it was trained" in told(app)


def test_axis_smoothing_and_runs_laid_over_live_in_the_url(runs, open_page):
    add_run(runs / "mine", story(3))
    app = open_page(TRAIN, overlay="fashion_mnist/pgd_at,nobody", axis="epoch", smooth="1")
    assert "Mine after" in alt(app)
    assert "PGD-AT after" in alt(app)
    assert {str(line["lineStyle"]["type"]) for line in figure(app)["series"]} == {"solid", "dotted"}
    assert figure(app)["xAxis"][0]["max"] == 4
    app.segmented_control(key="w_axis").set_value("seconds").run()
    assert app.query_params["axis"] == "seconds"
    assert figure(app)["xAxis"][0]["max"] == 36
    raw = len(figure(app)["series"])
    app.segmented_control(key="w_smooth").set_value("5").run()
    assert len(figure(app)["series"]) > raw  # the raw values stay behind the smoothed ones
    app.multiselect(key="w_overlay").set_value([]).run()
    assert "overlay" not in app.query_params
    assert "PGD-AT after" not in alt(app)


def test_start_watch_stop_resume_discard(runs, open_page, pretended: Pretended):
    app = open_page(TRAIN)
    app.button(key="train_start_robust_in_3_minutes").click().run()
    assert not app.exception
    assert pretended.launched == ["robust_in_3_minutes"]
    assert app.query_params["watch"] == "robust_in_3_minutes"
    app.button(key="train_stop_head_robust_in_3_minutes").click().run()
    assert "Stopping…" in buttons(app)
    pretended.end(runs / "robust_in_3_minutes", "stopped")
    app.run()
    app.button(key="train_resume_head_robust_in_3_minutes").click().run()
    assert pretended.launched == ["robust_in_3_minutes"] * 2
    pretended.end(runs / "robust_in_3_minutes", "stopped")
    app.run()
    app.button(key="train_discard_head_robust_in_3_minutes").click().run()
    assert not (runs / "robust_in_3_minutes").exists()
    assert not app.exception
    assert "as it was trained" in told(app)


def test_of_two_visitors_who_stop_at_once_one_is_told(runs, open_page, pretended: Pretended):
    control.start(recipe("One"))
    first, second = open_page(TRAIN), open_page(TRAIN)
    first.button(key="train_stop_head_one").click().run()
    pretended.end(runs / "one", "stopped")
    second.button(key="train_stop_head_one").click().run()
    assert "does not run: it is stopped" in told(second)
    assert "Resume" in buttons(second)
    first.run()
    first.button(key="train_resume_head_one").click().run()
    second.button(key="train_resume_head_one").click().run()
    assert "already; stop it first" in told(second)
    assert pretended.launched == ["one", "one"]


def test_a_change_is_left_for_the_run(runs, open_page, pretended: Pretended):
    control.start(recipe("One"))
    grow(runs / "one", *story(2), {"event": "change", "step": 20, "lr": 0.05})
    app = open_page(TRAIN)
    assert "lr = 0.05 from step 20 on" in captions(app)
    assert app.number_input(key="train_lr_one_1").value == 0.05
    app.number_input(key="train_eps_one_1").set_value(0.2)
    app.number_input(key="train_steps_one_1").set_value(3)
    next(b for b in app.button if b.label == "Change").click().run()
    assert json.loads((runs / "one" / STATE / ASKED).read_text()) == {"eps": 0.2, "steps": 3}
    assert "eps = 0.2, steps = 3" in told(app)


def test_a_run_beyond_the_usual_ranges_can_be_changed_and_the_core_says_what_cannot(
    runs, open_page, pretended: Pretended
):
    wide = {"attack.norm": "l2", "attack.eps": 1.5, "attack.steps": 200, "schedule.lr": 1e-6}
    control.start(parse_recipe(recipe("Wide").to_toml(), overrides=wide))
    grow(runs / "wide", *story(1))
    app = open_page(TRAIN)
    assert not app.exception
    assert app.number_input(key="train_eps_wide_0").value == 1.5
    app.number_input(key="train_eps_wide_0").set_value(-1.0)
    next(b for b in app.button if b.label == "Change").click().run()
    assert "eps must be a number ≥ 0" in told(app)
    assert not (runs / "wide" / STATE / ASKED).exists()


def test_switched_off_runs_are_watched_and_none_is_started(runs, open_page, monkeypatch):
    monkeypatch.setenv("ROBUSTLENS_TRAINING", "off")
    add_run(runs / "mine", story(2))
    add_run(runs / "done", story(2), phase="stopped")
    app = open_page(TRAIN)
    assert "Training is switched off here" in told(app)
    assert "40 of 80" in told(app)
    assert not {"Start", "Start training", "Resume", "Stop", "Delete it", "Change"} & buttons(app)
    app = open_page(TRAIN, train="new")
    assert not {"Start", "Start training"} & buttons(app)
    assert app.text_area(key="train_editor").value


def test_nonsense_in_the_url(runs, open_page):
    app = open_page(TRAIN, watch="../../etc", overlay="x", axis="y", smooth="z", train="q")
    assert "as it was trained" in told(app)


def test_the_network_chosen_elsewhere_is_watched_unless_one_is_being_trained(runs, zoo, open_page):
    other = zoo / "fashion_mnist/aw_net"
    (other / HISTORY).write_text((zoo / "fashion_mnist/pgd_at" / HISTORY).read_text())
    add_run(runs / "mine", story(2), phase="stopped")
    assert open_page(TRAIN).selectbox(key="w_watch").value == "mine"
    assert open_page(TRAIN, model="fashion_mnist/aw_net").selectbox(key="w_watch").value == "fashion_mnist/aw_net"
    add_run(runs / "live", story(1), phase="working", process=launch.launcher().mine())
    assert open_page(TRAIN, model="fashion_mnist/aw_net").selectbox(key="w_watch").value == "live"


def test_a_card_without_a_recipe_is_watched_too(runs, zoo, open_page):
    (zoo / "fashion_mnist/pgd_at" / RECIPE).write_text("nonsense = ")
    app = open_page(TRAIN)
    assert "clean accuracy 80.0\u00a0%" in alt(app)
    assert (zoo / "fashion_mnist/pgd_at" / CARD).is_file()


def test_a_title_is_text_and_fetches_nothing(runs, open_page):
    add_run(runs / "mine", story(1), title="![x](https://example.org/a.png)")
    app = open_page(TRAIN, watch="mine")
    assert not any("![x](" in m.value for m in (*app.markdown, *app.error, *app.caption))
    assert any(r"\!\[x\]" in m.value for m in app.markdown)
