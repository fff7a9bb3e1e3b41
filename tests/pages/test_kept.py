"""The epoch whose weights a run kept, on Train and Temperatures: told and marked where it is known and not the last."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robust_core.checkpoints import HISTORY, RECIPE
from tests.pages.comparing import said
from tests.pages.trained import TRAIN, add_run, epoch, recipe, story

TEMPERATURES = "pages/3_Temperatures.py"


@pytest.fixture
def trained(zoo: Path) -> Path:
    """PGD-AT of the tiny zoo, trained over three epochs; the second was the best."""
    folder = zoo / "fashion_mnist/pgd_at"
    (folder / RECIPE).write_text(recipe("PGD-AT").to_toml())
    write(folder, 0.4, 0.6, 0.5)
    return folder


def write(folder: Path, *scores: float | None) -> None:
    events = [epoch(n, w_robust=score) for n, score in enumerate(scores, 1)]
    (folder / HISTORY).write_text("".join(json.dumps(event) + "\n" for event in events))


def rules(app) -> list[float]:
    """Where the first panel of the curves has a rule with a word on it."""
    (element,) = app.get("echarts_chart")
    marks = [line["markLine"]["data"] for line in json.loads(element.proto.spec)["series"] if "markLine" in line]
    return [rule["xAxis"] for data in marks for rule in data if rule.get("label", {}).get("show")]


def figures(app) -> dict[str, str]:
    found = {chart.proto.id.rpartition("-")[2]: chart.proto.spec for chart in app.get("plotly_chart")}
    return {name: spec for name, spec in found.items() if name in ("class_maps", "fairness")}


def test_train_says_and_marks_whose_weights_are_kept(trained, open_page):
    app = open_page(TRAIN, watch="fashion_mnist/pgd_at")
    assert "after epoch 3 of 4; the weights kept are those of epoch 2: clean 70.0\u00a0%, robust 40.0\u00a0%." in said(
        app
    )
    assert rules(app) == [40.0]
    write(trained, 0.4, 0.5, 0.6)
    app = open_page(TRAIN, watch="fashion_mnist/pgd_at")
    assert "weights kept" not in said(app)
    assert not rules(app)


def test_a_run_that_goes_on_may_still_do_better(zoo, tmp_path, open_page):
    from robust_core.training.run import Run

    folder = add_run(tmp_path / "runs" / "now", story(2))
    with Run(folder).held():
        assert "the weights kept so far are those of epoch 1" in said(open_page(TRAIN, watch="now"))


@pytest.mark.parametrize("missing", ["score", "recipe"])
def test_nothing_is_guessed(trained, open_page, missing):
    if missing == "score":
        write(trained, 0.4, None, 0.5)
    else:
        (trained / RECIPE).unlink()
    for page, chosen in ((TRAIN, {"watch": "fashion_mnist/pgd_at"}), (TEMPERATURES, {"model": "fashion_mnist/pgd_at"})):
        told = said(open_page(page, **chosen))
        assert "weights kept" not in told
        assert "weights are kept" not in told


def test_temperatures_says_and_marks_it_in_maps_and_curves(trained, open_page):
    app = open_page(TEMPERATURES, model="fashion_mnist/pgd_at")
    assert "After epoch 3 of 3; the weights kept are those of epoch 2" in said(app)
    assert {name: "kept" in spec for name, spec in figures(app).items()} == {"class_maps": True, "fairness": True}
    app.slider(key="w_epoch").set_value(2).run()
    assert "After epoch 2 of 3, whose weights are kept" in said(app)
    write(trained, 0.4, 0.5, 0.6)
    app = open_page(TEMPERATURES, model="fashion_mnist/pgd_at")
    assert "kept" not in said(app) + "".join(figures(app).values())
