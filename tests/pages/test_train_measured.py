"""A finished run without figures says so and gets them; one with figures of its own is led beside the shipped ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robust_core import checkpoints, data
from robust_core.checkpoints import CARD, Card, write_card
from robust_core.library import evaluations
from robust_core.training.run import Run, State
from tests.pages.reading import captions
from tests.pages.test_library import LIBRARY, NAME, press, stand_in, words
from tests.pages.test_train import buttons, links, runs, told
from tests.pages.trained import TRAIN, add_run, steps, story

__all__ = ["runs"]  # a fixture
LABEL = "Measure as the shipped ones are"


def test_a_run_that_was_stopped_while_it_was_measured_is_measured_later(runs, zoo, open_page, monkeypatch):
    asked = []
    monkeypatch.setattr(evaluations, "_launched", lambda command, *rest: asked.append(command) or stand_in([], *rest))
    folder = add_run(runs / "mine", story(4), like=zoo / "fashion_mnist/pgd_at", measured=False)
    app = open_page(TRAIN, watch="mine")
    assert "finished, not measured" in told(app)
    assert "Resume" not in buttons(app)
    app.button(key="train_measure_mine").click().run()
    assert not app.exception
    assert asked[0][3:] == ["measure", str(folder.resolve()), "--data", "fashion_mnist_small"]
    assert "It is being measured on 2,000 test images now" in captions(app)
    assert "Measure" not in buttons(app)
    card = Card.model_validate_json((zoo / "fashion_mnist/pgd_at" / CARD).read_bytes())
    write_card(folder, card)
    app.run()
    assert "not measured" not in told(app)
    assert "clean 80.0\u00a0%, PGD-20 (ε = 0.1) 60.0\u00a0% of 100 test images of fashion\\_mnist\\_small" in captions(
        app
    )


def test_a_measuring_that_cannot_begin_says_why(runs, zoo, open_page):
    folder = add_run(runs / "mine", story(4), like=zoo / "fashion_mnist/pgd_at", measured=False)
    app = open_page(TRAIN, watch="mine")
    (folder / "weights.safetensors").unlink()
    app.button(key="train_measure_mine").click().run()
    assert any("weights" in error.value for error in app.error), [e.value for e in app.error]
    assert evaluations.look("runs/mine") is None


def as_shipped(zoo: Path, name: str, n: int) -> None:
    """The zoo as if it had been measured on n images of this set."""
    for found in checkpoints.find_all(zoo):
        text = json.loads((found.folder / CARD).read_text())
        for measure in text["measures"]:
            measure |= {"data_name": name, "data_fingerprint": "theirs", "n": n, "class_n": [n // 10] * 10}
        (found.folder / CARD).write_text(json.dumps(text))


def test_a_run_with_figures_on_other_images_is_led_to_those_of_the_shipped_ones(runs, zoo, open_page, monkeypatch):
    add_run(runs / "mine", story(4), like=zoo / "fashion_mnist/pgd_at")
    assert LABEL not in links(open_page(TRAIN, watch="mine"))  # it stands beside them
    as_shipped(zoo, "fashion_mnist", 10_000)
    monkeypatch.setattr(data, "available", lambda: {"fashion_mnist_small": True, "fashion_mnist": False})
    there = links(open_page(TRAIN, watch="mine"))
    assert there["Get Fashion-MNIST"].endswith("shelf=sets&set=fashion_mnist")
    monkeypatch.setattr(data, "available", lambda: {"fashion_mnist_small": True, "fashion_mnist": True})
    there = links(open_page(TRAIN, watch="mine"))
    assert "model=runs%2Fmine&eval_kind=measure&eval_on=fashion_mnist" in there[LABEL]


@pytest.mark.parametrize(("saved", "shown"), [(33, "33 of 140"), (10, "20 of 140")])
def test_the_step_shown_is_never_behind_the_weights_that_were_saved(runs, open_page, saved, shown):
    folder = add_run(runs / "now", steps(1, of=140), phase="stopped", told="asked to stop")
    Run(folder).save_state(State(tensors={}, facts={"step": saved}))
    app = open_page(TRAIN, watch="now")
    assert told(app).count(shown) == 2  # above the curves, and in the list


def test_a_network_is_measured_on_all_test_images(zoo, open_page, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(evaluations, "_launched", lambda command, *rest: asked.append(command) or stand_in([], *rest))
    app = open_page(LIBRARY, model=NAME, eval_kind="measure")
    assert "w_n_eval" not in {field.key for field in app.number_input}
    assert "On all 2,000 test images" in words(app)
    press(app, "library_evaluate")
    assert asked[0][3:] == ["measure", str((zoo / NAME).resolve()), "--data", "fashion_mnist_small"]
    assert "2,000 test images, untouched and under PGD-20" in words(app)
