"""Temperatures: alive from histories alone, every control moved once, and runs under way, dead, empty or gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from robust_core.checkpoints import CARD, HISTORY, RECIPE, Card, write_card
from robust_core.training.recipe import DataPart, ObjectivePart, Recipe, TeachersPart
from tests.pages.comparing import plain
from tests.pages.reading import captions, player

TEMPERATURES = "pages/3_Temperatures.py"
EPOCHS = 4


def epochs(method: str, count: int = EPOCHS, k: int = 10) -> list[dict[str, object]]:
    """A history as training writes it; class 6 the hardest, and ABSLD's τ as its rule would move them."""
    events: list[dict[str, object]] = [{"event": "start", "parameters": 1}]
    for e in range(1, count + 1):
        hard = [0.9 - 0.08 * ((c + 4) % k) for c in range(k)]
        row: dict[str, object] = {"event": "epoch", "epoch": e, "step": 10 * e, "seconds": 9.0, "n": 100}
        row |= {"clean": 0.8, "robust": 0.5, "class_clean": hard, "class_robust": [max(h - 0.4, 0) for h in hard]}
        if method in ("absld", "rslad"):
            moved = [1 + 0.1 * e * (h - 0.5) if method == "absld" else 1.0 for h in hard]
            row |= {"class_tau_adv": moved, "class_tau_nat": moved}
            row |= {"class_risk_adv": [1 - h for h in hard], "class_risk_nat": [1 - h for h in hard]}
        if "mtard" in method:
            row |= {"w_nat": 0.4, "w_adv": 0.6, "tau_nat": 1 + 0.01 * e, "tau_adv": 1.0, "h_nat": 0.2, "h_adv": 0.6}
        events.append(row)
    return events


def add_run(folder: Path, like: Path | None, method: str, events: list[dict[str, object]], torn: str = "") -> Path:
    """A run of this method; a checkpoint with the weights of another where one is given."""
    folder.mkdir(parents=True)
    teachers = TeachersPart(clean="fashion_mnist/standard", robust="fashion_mnist/pgd_at")
    recipe = Recipe(
        title=method.upper(),
        data=DataPart(name="fashion_mnist_small"),
        objective=ObjectivePart(name=method),
        teachers=teachers,
    )
    (folder / RECIPE).write_text(recipe.to_toml())
    (folder / HISTORY).write_text("".join(json.dumps(e) + "\n" for e in events) + torn)
    if like is not None:
        shutil.copy(like / "weights.safetensors", folder)
        card = Card.model_validate_json((like / CARD).read_bytes())
        write_card(folder, card.model_copy(update={"title": method.upper(), "method": method}))
    return folder


@pytest.fixture
def taught(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny zoo with an ABSLD, an RSLAD and a B-MTARD run; an empty runs folder."""
    monkeypatch.setenv("ROBUSTLENS_RUNS", str(tmp_path / "runs"))
    for method, like in (("absld", "pgd_at"), ("rslad", "standard"), ("b_mtard", "pgd_at"), ("mtard", "pgd_at")):
        add_run(zoo / "fashion_mnist" / method, zoo / "fashion_mnist" / like, method, epochs(method))
    return zoo


def charts(app) -> dict[str, dict]:
    """The page's figures by key."""
    found = {}
    for element in app.get("plotly_chart"):
        found[element.proto.id.rpartition("-")[2] or element.proto.id] = json.loads(element.proto.spec)
    return found


def chart(app, key: str) -> dict:
    hits = [figure for name, figure in charts(app).items() if name.endswith(key)]
    assert len(hits) == 1, (key, list(charts(app)))
    return hits[0]


def text(app) -> str:
    return " ".join([*(m.value for m in app.markdown), *(c.value for c in app.caption), *(i.value for i in app.info)])


def alt(app, key: str) -> str:
    return chart(app, key)["layout"]["meta"]["alt"]


def signed(app, key):
    """The line that a saved picture carries below itself."""
    return chart(app, key)["layout"]["title"]["text"].replace("<br>", " ")


def test_an_absld_run_is_alive_with_no_button_pressed(taught, open_page):
    app = open_page(TEMPERATURES)
    assert app.selectbox(key="w_model").value == "fashion_mnist/absld"
    assert app.selectbox(key="w_beside").value == "fashion_mnist/rslad"
    maps = [t for t in chart(app, "class_maps")["data"] if t["type"] == "heatmap"]
    assert len(maps) == 4
    assert "10 classes over 4 epochs" in alt(app, "class_maps")
    assert "100 held-out training images" in captions(app)
    assert "After epoch 4 of 4" in text(app)
    assert "RSLAD" in alt(app, "fairness")


def test_the_epoch_moves_the_bars_and_the_order_the_rows(taught, open_page):
    app = open_page(TEMPERATURES)
    before = alt(app, "class_bars")
    app.slider(key="w_epoch").set_value(1).run()
    assert app.query_params["epoch"] == "1"
    assert "After epoch 1 of 4" in text(app)
    assert alt(app, "class_bars").startswith("Epoch 1") != before.startswith("Epoch 1")
    rows = chart(app, "class_maps")["data"][0]["y"]
    app.segmented_control(key="w_order").set_value("name").run()
    named = chart(app, "class_maps")["data"][0]["y"]
    assert named == sorted(rows, key=str.casefold) != rows
    assert not app.exception


def test_two_teachers_are_balanced_and_mtard_shows_what_is_switched_off(taught, open_page):
    app = open_page(TEMPERATURES, model="fashion_mnist/b_mtard")
    assert app.selectbox(key="w_beside").value == "fashion_mnist/mtard"
    assert "tau_nat 1.04" in alt(app, "balances")
    assert "the entropy balance switched off" in captions(app)
    app.selectbox(key="w_beside").set_value("none").run()
    assert "switched off" not in captions(app)
    assert "MTARD b" not in alt(app, "fairness")


@pytest.mark.parametrize("name", ["standard", "rslad"])
def test_runs_without_temperatures_say_what_is_missing(taught, open_page, name):
    (taught / "fashion_mnist/standard" / HISTORY).write_text("".join(json.dumps(e) + "\n" for e in epochs("standard")))
    app = open_page(TEMPERATURES, model=f"fashion_mnist/{name}")
    heads = [a["text"] for a in chart(app, "class_maps")["layout"]["annotations"]]
    assert not any("τ" in head for head in heads)
    if name == "standard":
        assert "taught by hard labels" in text(app)
        assert heads == ["robust accuracy", "clean accuracy"]
    else:
        assert "All temperatures stay at 1" in text(app)
        assert heads[0].startswith("error risk")


def test_a_visitor_s_own_choice_is_kept(taught, open_page):
    app = open_page(TEMPERATURES, model="fashion_mnist/b_mtard", epoch="99", order="nonsense", ask="nothing")
    assert app.selectbox(key="w_model").value == "fashion_mnist/b_mtard"
    assert "After epoch 4 of 4" in text(app)


def test_who_gained_and_who_paid(taught, open_page):
    app = open_page(TEMPERATURES, ask="pair", n_test="100")
    assert "From **RSLAD** to **ABSLD**" in text(app)
    assert "first 100 test images" in captions(app)
    assert "PGD-20" in captions(app)
    first = alt(app, "gains")
    app.slider(key="w_n_test").set_value(200).run()
    assert "first 200 test images" in captions(app)
    assert alt(app, "gains") != first
    app.selectbox(key="w_beside").set_value("none").run()
    assert "Choose a second run" in text(app)


def test_the_soft_label_bench(taught, open_page):
    app = open_page(TEMPERATURES, ask="bench", index="5")
    slider = app.slider(key="w_tau")
    # Image 5 is of class 1, the last in this history of hardness …: its τ after four epochs.
    learned = json.loads((taught / "fashion_mnist/absld" / HISTORY).read_text().splitlines()[-1])["class_tau_adv"]
    assert slider.value == pytest.approx(round(learned[1], 2))
    assert "Teacher: PGD-AT" in plain(captions(app))
    before = alt(app, "soft_label")
    slider.set_value(5.0).run()
    assert "τ = 5.00" in text(app)
    assert "(learned)" not in text(app)
    hot = alt(app, "soft_label")
    assert hot != before
    app.segmented_control(key="w_term").set_value("nat").run()
    assert "as it is now, on the clean picture." in plain(captions(app))
    app.number_input(key="w_index").set_value(0).run()
    assert "test image 0" in captions(app)
    assert not app.exception


def test_saved_pictures_of_the_bench_say_of_whom_and_how(taught, open_page):
    app = open_page(TEMPERATURES, ask="bench", index="5")
    for name in ("soft_label", "soft_curves"):
        told = signed(app, name)
        assert told.startswith(
            "ABSLD. Teacher: PGD-AT, on the clean picture. Student: ABSLD as it is now, on the picture"
        )
        assert "attacked by PGD-20, L∞, ε = 0.1" in told
        assert "seed 0" in told
        assert "test image 5" in told
    assert "τ = " in signed(app, "soft_curves")


def test_a_saved_picture_of_the_balances_names_its_runs(taught, open_page):
    app = open_page(TEMPERATURES, model="fashion_mnist/b_mtard")
    told = signed(app, "balances")
    assert told.startswith("B_MTARD, trained on fashion_mnist_small: n = 4 logged steps")
    assert " MTARD, trained on" in told
    assert "ε = " in told
    assert "seed" in told


def test_a_teacher_that_is_not_here_is_stood_in_for(taught, open_page):
    shutil.rmtree(taught / "fashion_mnist/pgd_at")
    app = open_page(TEMPERATURES, ask="bench", index="5")
    assert "Teacher: the network itself" in plain(captions(app))
    app.selectbox(key="w_teacher").set_value("fashion_mnist/standard").run()
    assert "Teacher: Standard" in plain(captions(app))


def test_confusion_is_stepped_and_its_images_lead_to_perturb(taught, open_page):
    app = open_page(TEMPERATURES, ask="confusion", n_test="100")
    end = chart(app, "confusion")
    counts = sum(int(t) for t in end["data"][-1]["text"])
    assert counts == 100
    app.slider(key="w_at_step").set_value(0).run()
    assert "images right untouched" in text(app)
    untouched = chart(app, "confusion")["data"][-1]
    assert untouched != end["data"][-1]
    row, column = next(place for place in untouched["customdata"] if place[0] != place[1])
    app.selectbox(key="w_cell").set_value(f"{row}-{column}").run()
    frame = chart(app, "confusion")["layout"]["shapes"][0]
    assert (frame["x0"], frame["y0"]) == (column - 0.5, row - 0.5)
    links = [e.proto for e in app.get("page_link") if e.proto.label.startswith("№")]
    of_cell = int(untouched["text"][untouched["customdata"].index([row, column])])
    assert len(links) == min(of_cell, 12)
    index = links[0].label.removeprefix("№ ")
    assert f"index={index}" in links[0].query_string
    assert "model=fashion_mnist" in links[0].query_string
    app.switch_page("pages/1_Perturb.py")
    for pair in links[0].query_string.split("&"):
        key, _, value = pair.partition("=")
        app.query_params[key] = value.replace("%2F", "/")
    app.run()
    assert player(app)["lanes"][0]["title"] == "ABSLD"
    assert f"test image {index}" in captions(app)


def test_one_epoch_and_none(taught, open_page):
    folder = taught / "fashion_mnist/absld"
    (folder / HISTORY).write_text("".join(json.dumps(e) + "\n" for e in epochs("absld", 1)) + '{"event": "epo')
    app = open_page(TEMPERATURES)
    assert "After epoch 1 of 1" in text(app)
    assert not [s for s in app.slider if s.key == "w_epoch"]
    for content in ("", None):
        (folder / HISTORY).write_text(content) if content is not None else (folder / HISTORY).unlink()
        app = open_page(TEMPERATURES)
        assert "has no history of epochs" in text(app)


def test_a_class_without_held_out_images_is_named(taught, open_page):
    events = epochs("absld")
    for event in events[1:]:
        event["class_clean"][3] = event["class_robust"][3] = event["class_risk_adv"][3] = None
    path = taught / "fashion_mnist/absld" / HISTORY
    path.write_text("".join(json.dumps(e) + "\n" for e in events))
    app = open_page(TEMPERATURES)
    assert "1 class has no held-out image" in captions(app)
    assert chart(app, "class_maps")["data"][0]["y"][-1] == "Dress"


def test_a_dead_run_and_one_that_is_deleted_while_it_is_watched(taught, open_page, tmp_path):
    dead = add_run(tmp_path / "runs" / "broken", None, "absld", epochs("absld", 2), torn='{"event": "ep')
    app = open_page(TEMPERATURES, run="broken")
    assert "ABSLD (broken), dead" in app.selectbox(key="w_run").options
    assert "After epoch 2 of 2" in text(app)
    assert "Once this run is finished" in text(app)
    shutil.rmtree(dead)
    app.run()
    assert not app.exception
    assert "After epoch 4 of 4" in text(app)


def test_a_run_under_way_grows_on_the_page(taught, open_page, tmp_path):
    from robust_core.training.run import Run

    folder = add_run(tmp_path / "runs" / "now", None, "absld", epochs("absld", 1))
    with Run(folder).held():
        app = open_page(TEMPERATURES, run="now")
        assert "After epoch 1 of 1" in text(app)
        with open(folder / HISTORY, "a") as file:
            file.write(json.dumps(epochs("absld", 2)[-1]) + "\n")
        app.run()
        assert "After epoch 2 of 2" in text(app)


def test_a_hundred_classes(taught, open_page, tmp_path):
    add_run(tmp_path / "runs" / "many", None, "absld", epochs("absld", 5, 100))
    app = open_page(TEMPERATURES, run="many")
    assert "100 classes over 5 epochs" in alt(app, "class_maps")
    assert np.asarray(chart(app, "class_maps")["data"][0]["y"]).shape == (100,)


def test_no_network_at_all(open_page, zoo):
    shutil.rmtree(zoo)
    assert "Train one" in text(open_page(TEMPERATURES))
