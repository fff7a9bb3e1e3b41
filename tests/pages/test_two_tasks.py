"""Networks on two tasks side by side: colour images that may not be on this machine, beside the bundled ones."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from pages.ui import home_live, pickers, served
from robust_core import data
from robust_core.checkpoints import CARD, WEIGHTS
from robust_core.folders import write_tensors
from robust_core.models import build
from tests.pages.test_home import figure

COLOUR = ("cifar10/pgd_at", "cifar10/standard")


def recolour(zoo, name):
    """A copy of a Fashion-MNIST network's folder as one for CIFAR-10."""
    source, folder = zoo / "fashion_mnist" / name, zoo / "cifar10" / name
    shutil.copytree(source, folder)
    card = json.loads((folder / CARD).read_text())
    net = build(card["architecture"], in_channels=3, num_classes=10, seed=1, **card["options"])
    write_tensors(folder / WEIGHTS, net.state_dict())
    known = data.DATASETS["cifar10"]
    card |= {
        "image_shape": known.shape,
        "class_names": known.class_names,
        "data_name": "cifar10",
        "weights_sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    for measure in card["measures"]:
        measure |= {"data_name": "cifar10", "data_fingerprint": "c" * 64}
        if measure.get("attack"):
            measure["attack"]["eps"] = 8 / 255
    (folder / CARD).write_text(json.dumps(card))


@pytest.fixture
def two_tasks(zoo, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUSTLENS_CACHE", str(tmp_path / "empty"))  # no CIFAR-10 here
    for name in ("pgd_at", "standard"):
        recolour(zoo, name)
    return zoo


def test_a_network_whose_images_are_here_comes_first(two_tasks):
    found = served.shelf()
    assert pickers.default_model(found) == "fashion_mnist/pgd_at"
    assert tuple(found.nets)[-2:] == COLOUR


def test_what_lacks_its_images_comes_last_even_where_it_is_the_larger_crowd(two_tasks):
    recolour(two_tasks, "aw_net")
    for name in ("aw_net", "standard"):
        shutil.rmtree(two_tasks / "fashion_mnist" / name)
    assert next(iter(served.shelf().nets)) == "fashion_mnist/pgd_at"


def test_a_title_on_two_tasks_is_told_with_its_data_set(two_tasks):
    found = served.shelf()
    titles = found.titles()
    assert titles["cifar10/pgd_at"] == "PGD-AT · CIFAR-10"
    assert titles["fashion_mnist/pgd_at"] == "PGD-AT · Fashion-MNIST"
    assert titles["fashion_mnist/aw_net"] == "AW-Net"
    assert found.titles(COLOUR)["cifar10/pgd_at"] == "PGD-AT"


def test_twins_in_one_folder_are_told_by_name(two_tasks):
    shutil.copytree(two_tasks / "cifar10/pgd_at", two_tasks / "cifar10/again")
    titles = served.shelf().titles()
    assert titles["cifar10/pgd_at"] == "cifar10/pgd_at"
    assert titles["cifar10/again"] == "cifar10/again"
    assert titles["fashion_mnist/pgd_at"] == "PGD-AT · Fashion-MNIST"


@pytest.mark.parametrize("task", ["cifar10", "fashion_mnist"])
def test_home_draws_the_board_of_the_chosen_network(two_tasks, open_page, task):
    app = open_page(model=f"{task}/pgd_at")
    drawn = {row[0] for trace in figure(app)["data"] for row in trace.get("customdata") or ()}
    assert {name.partition("/")[0] for name in drawn} == {task}


@pytest.mark.parametrize("page", ["app.py", "pages/1_Perturb.py"])
def test_a_network_without_its_images_says_what_to_do(two_tasks, open_page, page):
    app = open_page(page, model="cifar10/pgd_at")
    assert not app.error
    assert any("reads images of CIFAR\\-10, and none of these are on this machine" in info.value for info in app.info)
    links = [element.proto for element in app.get("page_link")]
    assert any("shelf=sets" in one.query_string and "set=cifar10" in one.query_string for one in links)


def change(zoo, name, **changes):
    path = zoo / name / CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def images_switch(app):
    return next(group for group in app.get("button_group") if group.label == "Images")


def test_the_switch_of_images_goes_to_the_namesake_and_back(two_tasks, open_page):
    app = open_page("pages/1_Perturb.py", model="fashion_mnist/standard")
    assert app.selectbox(key="w_model").options == ["AW-Net", "PGD-AT", "Standard"]
    assert images_switch(app).options == ["Fashion-MNIST", "CIFAR-10"]
    images_switch(app).set_value("cifar10/pgd_at").run()
    assert app.query_params["model"] == "cifar10/standard"
    assert app.selectbox(key="w_model").options == ["PGD-AT", "Standard"]
    images_switch(app).set_value("fashion_mnist/aw_net").run()
    assert app.query_params["model"] == "fashion_mnist/standard"


def test_a_title_written_by_hand_stays_chosen(two_tasks, open_page):
    app = open_page("pages/1_Perturb.py", model="Standard · CIFAR-10")
    assert app.query_params["model"] == "cifar10/standard"
    assert app.selectbox(key="w_model").value == "cifar10/standard"
    assert app.run().selectbox(key="w_model").value == "cifar10/standard"


def test_one_task_needs_no_switch(zoo, open_page):
    assert "Images" not in [group.label for group in open_page().get("button_group")]


def test_tasks_of_one_title_are_numbered_and_none_is_lost(two_tasks, open_page):
    upper = [name.upper() for name in data.DATASETS["cifar10"].class_names]
    change(two_tasks, "cifar10/pgd_at", class_names=upper)
    # A set that is called as a number would make another.
    shutil.copytree(two_tasks / "cifar10/pgd_at", two_tasks / "mine/net")
    change(two_tasks, "mine/net", class_names=upper[::-1], data_name="CIFAR-10 (2)")
    found = served.shelf()
    assert list(found.task_titles().values()) == ["Fashion-MNIST", "CIFAR-10", "CIFAR-10 (2)", "CIFAR-10 (2)"]
    assert sorted(name for names in found.tasks().values() for name in names) == sorted(found.nets)
    for name in found.nets:
        open_page(model=name)


def test_the_default_has_its_images_here_whatever_it_is_called(two_tasks):
    shutil.rmtree(two_tasks / "fashion_mnist/pgd_at")
    assert pickers.default_model(served.shelf()) == "fashion_mnist/aw_net"


def test_what_somebody_brought_is_neither_the_default_nor_makes_its_task_the_first(zoo, open_page):
    for number in range(4):
        shutil.copytree(zoo / "fashion_mnist/pgd_at", zoo / f"a_set/pgd_at_{number}")
        change(zoo, f"a_set/pgd_at_{number}", notes="Imported from a.zip. ", class_names=list("abcdefghij"))
    shutil.copytree(zoo / "fashion_mnist/pgd_at", zoo / "a_set/pgd_at")
    card = json.loads((zoo / "a_set/pgd_at" / CARD).read_text())
    measures = [measure | {"claimed": True, "data_fingerprint": "0" * 64} for measure in card["measures"]]
    change(zoo, "a_set/pgd_at", notes="Imported from a.zip. ", measures=measures)
    found = served.shelf()
    assert pickers.default_model(found) == "fashion_mnist/pgd_at"
    drawn = {row[0] for trace in figure(open_page())["data"] for row in trace.get("customdata") or ()}
    assert drawn == {"fashion_mnist/standard", "fashion_mnist/pgd_at", "fashion_mnist/aw_net"}


def test_home_does_not_attack_as_a_mere_claim_says(zoo):
    path = zoo / "fashion_mnist/pgd_at" / CARD
    card = json.loads(path.read_text())
    for measure in card["measures"]:
        measure["claimed"] = True
        if measure.get("attack"):
            measure["attack"]["restarts"] = 20_000
    change(zoo, "fashion_mnist/pgd_at", measures=card["measures"], notes="Imported from a.zip. ")
    assert home_live.attack_of(served.shelf().nets["fashion_mnist/pgd_at"]).restarts == 1


def test_home_keeps_to_the_task_of_a_network_that_was_not_measured(two_tasks, open_page):
    change(two_tasks, "cifar10/standard", measures=[])
    app = open_page(model="cifar10/standard")
    drawn = {row[0] for trace in figure(app)["data"] for row in trace.get("customdata") or ()}
    assert drawn == {"cifar10/pgd_at"}
    said = " ".join(caption.value for caption in app.caption)
    assert "Not measured yet, so not drawn: Standard." in said
    assert "Networks for other images: Fashion-MNIST (3); switch Images to see them." in said


def test_without_the_images_one_may_draw_on_a_blank_sheet(two_tasks, open_page):
    app = open_page("pages/1_Perturb.py", model="cifar10/standard", source="draw")
    assert not app.info
    assert any("Draw something" in caption.value for caption in app.caption)


def test_a_library_that_gives_nothing_is_not_pointed_to(two_tasks, open_page, monkeypatch):
    monkeypatch.setenv("ROBUSTLENS_LIBRARY", "read-only")
    app = open_page("pages/1_Perturb.py", model="cifar10/standard")
    assert app.info
    assert not any("shelf=sets" in element.proto.query_string for element in app.get("page_link"))


@pytest.mark.parametrize("chosen", [{"model": "cifar10/standard"}, {"models": "cifar10/pgd_at,standard"}])
def test_compare_opens_the_board_of_what_was_chosen_elsewhere(two_tasks, open_page, chosen):
    app = open_page("pages/5_Compare.py", **chosen)
    assert app.selectbox(key="w_board").value.startswith("cifar10:linf")
    assert open_page("pages/5_Compare.py").selectbox(key="w_board").value.startswith("fashion_mnist")
