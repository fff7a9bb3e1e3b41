"""The Library: tables with nothing pressed, delete and undo, and what others did meanwhile as a sentence."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import streamlit as st

from robust_core import checkpoints, data
from robust_core.checkpoints import CARD, WEIGHTS, write_card
from robust_core.data import own
from robust_core.library import evaluations, shelf, trash
from tests.data.conftest import animals, encode, noise, pack  # noqa: F401
from tests.evaluation.claims import doubts, evaluation, tally

LIBRARY = "pages/6_Library.py"
NAME = "fashion_mnist/pgd_at"


@pytest.fixture
def library(open_page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for variable, name in (("CACHE", "cache"), ("RUNS", "runs")):
        monkeypatch.setenv(f"ROBUSTLENS_{variable}", str(tmp_path / name))
    monkeypatch.delenv("ROBUSTLENS_LIBRARY", raising=False)
    return lambda **params: open_page(LIBRARY, **params)


@pytest.fixture
def pets(library, pack, animals):  # noqa: F811
    splits = data.read_zip(io.BytesIO(pack(animals).read_bytes()), name="pets.zip").splits
    own.keep(splits, name="pets", title="My pets", source="the garden", licence="CC0")


def button(app, start: str):
    """The button of this key, or of the one that goes on with the name of what it does it to."""
    return next(b for b in app.button if b.key == start or b.key.startswith(f"{start} "))


def press(app, key: str):
    button(app, key).click().run()
    assert not app.exception, app.exception
    return app


def words(app) -> str:
    kinds = (app.markdown, app.caption, app.info, app.success, app.warning, app.error)
    html = " ".join(element.proto.body for element in app.get("html"))
    return html + " ".join(e.value.replace("\\", "") for kind in kinds for e in kind)


def table(app):
    return app.dataframe[0].value


def test_the_shelf_stands_in_a_table_with_nothing_pressed_and_no_network_built(zoo, library, monkeypatch) -> None:
    monkeypatch.setattr(checkpoints, "build", None)
    st.cache_resource.clear()  # other tests' networks are the very same
    started = time.perf_counter()
    app = library(model=NAME)
    assert time.perf_counter() - started < 10
    assert list(table(app)["Title"]) == ["AW-Net", "PGD-AT", "Standard"]
    assert list(table(app)["Card"]) == ["fits"] * 3
    assert "60.0\u00a0% PGD-20, n = 100 of fashion_mnist_small" in table(app)["Measured"][1]
    assert app.selectbox(key="w_model").value == NAME
    assert "fits its weights" in words(app)
    assert "Checkpoints" in app.caption[0].value
    assert "Trash 0 B" in app.caption[0].value


def test_a_checkpoint_is_deleted_and_taken_back(zoo, library) -> None:
    app = press(library(model=NAME), "library_net_delete")
    assert "PGD-AT (fashion_mnist/pgd_at) lies in the trash" in words(app)
    assert list(table(app)["Title"]) == ["AW-Net", "Standard"]
    assert not (zoo / NAME).exists()
    press(app, "library_undo")
    assert "is back" in words(app)
    assert list(table(app)["Title"]) == ["AW-Net", "PGD-AT", "Standard"]


def test_what_another_visitor_deleted_is_a_sentence(zoo, library) -> None:
    app = library(model=NAME)
    gone = shelf.delete(checkpoints.find(NAME))
    press(app, "library_net_delete")  # must not reach the one that then stands there
    assert f"{NAME} is not here (any more)" in words(app)
    assert list(table(app)["Title"]) == ["AW-Net", "Standard"]
    app = library(model=NAME)
    assert f"{NAME} is not here (any more)" in words(app)
    assert app.selectbox(key="w_model").value == "fashion_mnist/aw_net"
    app = library(shelf="trash")
    trash.restore(zoo, gone.id)
    press(app, f"library_back_{gone.id}")
    assert not app.exception


def test_the_trash_is_listed_emptied_and_counted(zoo, library) -> None:
    gone = shelf.delete(checkpoints.find(NAME))
    shelf.delete(checkpoints.find("fashion_mnist/standard"))
    app = library(shelf="trash")
    assert "PGD-AT (fashion_mnist/pgd_at)" in words(app)
    assert "gone for good in 30 days" in words(app)
    sizes = dict(zip(table(app)["What"], table(app)["On disk"], strict=True))
    assert sizes["Trash"] != "0 B"
    press(app, f"library_back_{gone.id}")
    assert (zoo / NAME / CARD).is_file()
    press(app, "library_empty")
    assert "The trash is empty" in words(app)
    assert trash.look(zoo) == []
    assert "Empty. What is deleted" in words(app)


def test_the_last_ones_may_go_and_an_empty_shelf_says_what_to_do(zoo, library) -> None:
    app = library()
    for _ in range(3):
        press(app, "library_net_delete")
    assert "There is no checkpoint here yet" in words(app)
    press(app, "library_undo")
    assert len(table(app)) == 1


def test_broken_checkpoints_are_in_the_table_and_can_be_deleted(zoo, library) -> None:
    (zoo / NAME / CARD).write_text("{")
    weights = zoo / "fashion_mnist/standard" / WEIGHTS
    weights.write_bytes(b"x")
    app = library(model=NAME)
    assert list(table(app)["Card"]) == ["fits", "broken", "does not fit"]
    assert "not a valid card" in words(app)
    assert "cannot be evaluated either" in words(app)
    press(app, "library_net_delete")
    assert not (zoo / NAME).exists()
    app = library(model="fashion_mnist/standard")
    assert "not those its card describes" in words(app)


def stand_in(command: list[str], folder: Path, lock: int) -> subprocess.Popen[bytes]:
    """A process in the place of an evaluation: it lives, holds the lock and says what one says."""
    said = "sleep 2; echo 'robust, worst case: 43 %'"
    with open(folder / "log.txt", "wb") as log:
        return subprocess.Popen(["sh", "-c", said], stdout=log, pass_fds=(lock,))


def test_an_evaluation_is_begun_watched_and_told_when_it_has_ended(zoo, library, monkeypatch) -> None:
    monkeypatch.setattr(evaluations, "_launched", stand_in)
    app = library(model=NAME)
    app.number_input(key="w_n_eval").set_value(20).run()
    press(app, "library_evaluate")
    assert "4 attacks" in words(app)
    assert button(app, "library_evaluate_stop")
    press(app, "library_net_delete")
    assert "is being evaluated; stop the evaluation first" in words(app)
    end = time.monotonic() + 90
    while evaluations.look(NAME).phase == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    app.run()
    assert "Evaluated on 20 images" in words(app)
    app.toggle(key="library_evaluate_log").set_value(True).run()
    assert "robust, worst case" in app.code[0].value
    press(app, "library_evaluate_forget")
    assert "Evaluated on 20 images" not in words(app)


def test_a_checkpoint_removed_by_hand_is_not_evaluated_nor_another_in_its_place(zoo, library) -> None:
    app = library(model=NAME)
    shutil.rmtree(zoo / NAME)
    press(app, "library_evaluate")
    assert f"{NAME} is not here (any more)" in words(app)
    assert evaluations.look_all() == []


def test_data_sets_stand_in_a_table_with_samples(zoo, library, pets) -> None:
    app = library(shelf="sets")
    rows = table(app)
    assert next(iter(rows["Title"])) == "Fashion-MNIST, bundled subset"
    assert set(rows["State"]) == {"here", "to download, 170 MB", "to download, 31 MB"}
    assert app.selectbox(key="w_set").value == "fashion_mnist_small"
    assert words(app).count("<figure>") == 10
    app.selectbox(key="w_set").set_value("pets").run()
    assert "CC0" in words(app)
    assert words(app).count("<figure>") == 2
    press(app, "library_set_delete")
    assert "My pets lies in the trash" in words(app)
    assert "pets" not in data.DATASETS.names()
    press(app, "library_undo")
    assert "pets" in data.DATASETS.names()


def marked(app) -> str:
    """The title of the row that the browser is told to mark."""
    (row,) = json.loads(app.dataframe[0].proto.selection_state)["selection"]["rows"]
    return table(app)["Title"][row]


def test_the_marked_row_is_the_one_that_is_shown_and_deleted_below(zoo, library, pets) -> None:
    app = library(shelf="sets", set="pets")
    assert marked(app) == "My pets"
    press(app, "library_set_delete")
    assert marked(app) == data.DATASETS[app.selectbox(key="w_set").value].title == "Fashion-MNIST, bundled subset"
    press(app, "library_undo")
    assert marked(app) == "Fashion-MNIST, bundled subset"
    app.selectbox(key="w_set").set_value("pets").run()
    assert marked(app) == "My pets"
    app = library(model="fashion_mnist/standard")
    assert marked(app) == "Standard"
    press(app, "library_net_delete")
    assert (marked(app), app.selectbox(key="w_model").value) == ("PGD-AT", "fashion_mnist/pgd_at")


def test_a_failed_download_is_one_sentence(zoo, library, monkeypatch) -> None:
    from robust_core.data import cifar10
    from robust_core.data.download import Remote

    nowhere = Remote(name="x.bin", urls=("http://127.0.0.1:9/x.bin",), md5="0" * 32, size=10)
    known = data.Dataset(
        title="Toys", shape=(1, 2, 2), class_names=("a", "b"), ready=lambda: False, download=10,
        load=lambda progress: cifar10.load_cifar10(progress, archive=nowhere),
    )  # fmt: skip
    monkeypatch.setitem(data.DATASETS._entries, "toys", known)
    app = press(library(shelf="sets", set="toys"), "library_download")
    end = time.monotonic() + 20
    while "cannot download x.bin" not in words(app):
        assert time.monotonic() < end, words(app)
        time.sleep(0.05)
        app.run()
    assert not app.exception
    assert "no connection" in words(app)


def test_it_begins_with_the_network_that_home_begins_with(zoo, library) -> None:
    first = next(name for name in sorted(path.name for path in (zoo / "fashion_mnist").iterdir()))
    assert first != "pgd_at"
    assert library().selectbox(key="w_model").value == "fashion_mnist/pgd_at"


def test_nonsense_in_the_url_is_the_default(zoo, library) -> None:
    app = library(shelf="<script>", model="../../etc", n_eval="-1", eval_kind="x", set="y")
    assert app.segmented_control(key="w_shelf").value == "nets"
    assert app.number_input(key="w_n_eval").value == 100
    app = library(shelf="sets", set="nonsense")
    assert "not here (any more)" in words(app)


def test_read_only_looks_and_changes_nothing(zoo, library, monkeypatch) -> None:
    monkeypatch.setenv("ROBUSTLENS_LIBRARY", "read-only")
    app = library(model=NAME)
    assert "can be looked at, not changed" in words(app)
    assert button(app, "library_net_delete").disabled
    assert button(app, "library_evaluate").disabled
    for kind in ("weights", "run", "images"):
        app = library(shelf="import", **{"import": kind})
        assert all(b.disabled for b in app.button)


def test_a_change_asked_for_before_read_only_was_set_is_refused_in_a_sentence(zoo, library, monkeypatch) -> None:
    app = library(model=NAME)
    monkeypatch.setenv("ROBUSTLENS_LIBRARY", "read-only")
    press(app, "library_net_delete")
    assert (zoo / NAME / CARD).is_file()


def test_what_people_wrote_is_no_markup(zoo, library) -> None:
    card = json.loads((zoo / NAME / CARD).read_text())
    (zoo / NAME / CARD).write_text(json.dumps(card | {"![](https://evil.example/p.png)": 1}))
    app = library(model=NAME)
    said = " ".join(e.value for kind in (app.warning, app.caption, app.info, app.error) for e in kind)
    assert "evil" in said
    assert "](" not in re.sub(r"\\.", "", said)


def test_figures_that_came_with_a_card_are_called_claims(zoo, library) -> None:
    path = zoo / NAME / CARD
    card = json.loads(path.read_text())
    for measure in card["measures"]:
        measure["claimed"] = True
    path.write_text(json.dumps(card | {"notes": "Imported from a.zip. "}))
    app = library(model=NAME)
    assert "its card claims 80.0\u00a0% clean, 60.0\u00a0% PGD-20" in words(app)
    assert sum(told.startswith("its card claims") for told in table(app)["Measured"]) == 1


def test_the_whole_ensemble_s_time_is_told_from_the_last_one(zoo, library) -> None:
    """Of a network without a router the attacks that know one are left out, and the estimate knows."""
    found = checkpoints.find(NAME)
    assert found.card is not None
    all_right = tally(10, 10, 10, 10, 10, 10, 10, 10, 10, 10, each=10)
    made = evaluation(all_right, all_right, plan=("table", "autoattack"))
    last = made.model_copy(update={"seconds": 1000.0, "weights_sha256": found.card.weights_sha256})
    checked = doubts(True).model_copy(update={"n": 100, "seconds": 50.0})
    write_card(found.folder, found.card.model_copy(update={"evaluations": (last,), "doubts": (checked,)}))
    app = library(model=NAME, eval_kind="all", n_eval=200)
    assert "About 35 min, from what the last one took" in words(app)  # 10 + 2·1000 + 128/100·50 s
    assert "100.0\u00a0% [96.3, 100.0] worst case of 2 attacks, n = 100" in words(app)
