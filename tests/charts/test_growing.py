"""A training's figure: every quantity a run tells of has its panel, no extreme is hidden, the axis stands still."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_core import checkpoints
from robust_core.charts import DARK, Told, training
from robust_core.charts.curves import POINTS, envelope, panels, place_of, places, smoothed
from robust_core.charts.growing import MOST
from robust_core.checkpoints import read_history, zoo_folder
from robust_core.types import UserError
from tests.pages.trained import epoch, steps


def made(count: int = 3, name: str = "one", **also: float) -> Told:
    return Told(name=name, steps=steps(count, **also), epochs=[epoch(i) for i in range(1, count + 1)])


def titles(runs: list[Told]) -> list[str]:
    return [panel.title for panel in panels(runs)]


def test_each_method_has_its_own_panels() -> None:
    assert titles([made()]) == [
        "held-out accuracy",
        "losses, nats",
        "learning rate",
        "images a second",
    ]
    both = made(w_nat=0.5, w_adv=0.5, tau_nat=1.0, tau_adv=1.2, h_nat=0.1, h_adv=0.2)
    assert {"loss weights", "teachers’ τ", "label entropy, nats"} <= set(titles([both]))
    assert "tells attacked from clean" in titles([made(type_accuracy=0.7)])
    warm = Told(name="absld", steps=steps(1), epochs=[epoch(1, class_tau_adv=[0.9, 1.0, None, 1.3])])
    assert "class temperatures τ" in titles([warm])
    even = Told(name="rslad", steps=steps(1), epochs=[epoch(1, class_tau_adv=[1.0, 1.0])])
    assert "class temperatures τ" not in titles([even])
    load = Told(name="moe", steps=steps(1), epochs=[epoch(1, expert_load={"a": [0.9, 0.1], "b": [0.5, 0.5]})])
    option = training([load], smooth=1).option
    drawn = {line["name"]: line["data"] for line in option["series"] if line["name"].startswith("expert")}
    assert drawn == {"expert 1": [[20.0, 0.7]], "expert 2": [[20.0, 0.3]]}


def test_places_on_each_axis_and_an_axis_that_stands_still() -> None:
    run = made(3)
    assert places(run, run.epochs, "epoch").tolist() == [1, 2, 3]
    assert places(run, run.steps, "seconds").tolist() == [8, 16, 24]
    assert place_of(run, {"step": 30}, "seconds") == 12
    assert {axis["max"] for axis in training([run]).option["xAxis"]} == {80}  # where the run will end
    assert {axis["max"] for axis in training([run], by="epoch").option["xAxis"]} == {4}
    young = Told(name="young", planned=8, steps=steps(1))
    assert {axis["max"] for axis in training([young], by="epoch").option["xAxis"]} == {8}


def test_runs_are_told_apart_and_changes_marked() -> None:
    one, two = made(2), Told(name="two {x|y}", steps=steps(3), changes=[{"step": 40, "lr": 0.1}])
    figure = training([one, two], smooth=1, look=DARK)
    assert {str(line["lineStyle"]["type"]) for line in figure.option["series"]} == {"solid", "dotted"}
    assert "two (x/y)" in figure.option["title"][0]["text"]
    marks = [line["markLine"]["data"] for line in figure.option["series"] if "markLine" in line]
    assert all({"xAxis": 40.0} in data for data in marks)
    assert (
        "one after epoch 2: clean accuracy 70.0\u00a0%, robust accuracy 40.0\u00a0%; step 40: ce_adv 1.8" in figure.alt
    )
    for wrong in ([], [one] * (MOST + 1)):
        with pytest.raises(UserError, match="1 to 4 runs"):
            training(wrong)


def test_the_kept_epoch_is_a_rule_in_each_panel_with_a_word_in_one() -> None:
    run = Told(name="one", steps=steps(3), epochs=[epoch(i) for i in (1, 2, 3)], kept=2)
    for by, at in (("step", 40.0), ("epoch", 2.0), ("seconds", 18.0)):
        series = training([run], by=by).option["series"]
        rules = [r for line in series if "markLine" in line for r in line["markLine"]["data"] if "label" in r]
        assert [rule["xAxis"] for rule in rules] == [at] * len(panels([run]))
        assert [rule["label"]["show"] for rule in rules] == [True] + [False] * (len(rules) - 1)
        assert rules[0]["label"]["formatter"] == "kept"
    assert "weights kept of epoch 2" in training([run]).alt
    unknown = training([made(3)])
    assert not any("markLine" in line for line in unknown.option["series"])
    assert "kept" not in unknown.alt


def test_the_extreme_classes_are_those_of_the_run() -> None:
    def told(*tau: float) -> Told:
        return Told(name=f"{tau}", epochs=[{"epoch": 1, "step": 20, "seconds": 1.0, "class_tau_adv": list(tau)}])

    def words(*runs: Told) -> str:
        return " ".join(title["text"] for title in training(list(runs)).option["title"])

    assert "sharpest, class 2" in words(told(1.0, 2.0, 0.5))
    assert "softest, class 1" in words(told(1.0, 2.0, 0.5))
    assert "sharpest, class 0" in words(told(0.6, 2.0, float("nan")))
    assert "sharpest" not in words(told(0.5, 1.0, 2.0), told(2.0, 1.0, 0.5))  # each has its own


def test_gaps_and_nothing_at_all_are_json() -> None:
    broken = Told(name="x", steps=[{"step": 20, "ce": float("nan")}, {"step": 40, "ce": 1.0, "lr": 0.1}])
    for told in (broken, Told(name="empty")):
        json.dumps(training([told]).option, allow_nan=False)
    assert "nothing yet" in training([Told(name="empty")]).alt


def test_shipped_histories_are_drawn() -> None:
    folders = [c.folder for c in checkpoints.find_all(zoo_folder())]
    assert folders
    for folder in folders:
        events: dict[str, list[Any]] = {"step": [], "epoch": []}
        for event in read_history(folder):
            events.setdefault(event["event"], []).append(event)
        figure = training([Told(name="x", steps=events["step"], epochs=events["epoch"])], by="epoch")
        assert figure.option["series"]


numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=2000)


@given(numbers)
def test_no_extreme_is_hidden(values: list[float]) -> None:
    y = np.array(values)
    _, low, high = envelope(np.arange(len(y), dtype=float), y)
    assert len(low) <= POINTS
    assert (low.min(), high.max()) == (y.min(), y.max())


@given(numbers, st.sampled_from([5, 20]))
def test_smoothing_stays_inside_and_keeps_a_constant(values: list[float], window: int) -> None:
    y = np.array(values)
    soft = smoothed(y, window)
    assert soft.shape == y.shape
    assert (soft >= y.min() - 1e-6 * abs(y).max()).all()
    assert (soft <= y.max() + 1e-6 * abs(y).max()).all()
    assert np.allclose(smoothed(np.full(50, 3.0), window), 3)
    assert np.isnan(smoothed(np.array([1.0, np.nan, 3.0]), window)).tolist() == [False, True, False]


def test_a_spike_stays_visible_behind_the_smoothed_line() -> None:
    long = [{"step": i, "ce": 99.0 if i == 700 else 1.0} for i in range(1, 1001)]
    series = training([Told(name="x", steps=long)], smooth=20).option["series"]
    tops = [max(y for _, y in line["data"]) for line in series]
    assert tops[0] == 99
    assert tops[1] < 30
