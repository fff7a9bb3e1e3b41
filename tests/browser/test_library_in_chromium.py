"""The Library as a visitor uses it: a row is chosen, taken along, deleted and taken back; weights are held against a
network; an evaluation runs to its end."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.browser.waiting import until_address
from tests.library.test_weights import saved, state

pytestmark = pytest.mark.browser
AW, NAME = "fashion_mnist/aw_net", "toys/toy"


@pytest.fixture(scope="module")
def shelf(server, tmp_path_factory):
    """The server's address and its zoo, with one checkpoint more; as it was afterwards."""
    (zoo,) = (path for path in tmp_path_factory.getbasetemp().glob("zoo?") if (path / AW).is_dir())
    shutil.copytree(zoo / AW, zoo / NAME)
    yield server, zoo
    for name in ("toys", ".trash", ".evaluations", ".incoming"):
        shutil.rmtree(zoo / name, ignore_errors=True)


def ready(page):
    page.get_by_role("button", name="Evaluate").wait_for()
    page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached")


def test_a_row_is_chosen_taken_along_deleted_and_taken_back(shelf, page, tmp_path: Path):
    server, zoo = shelf
    page.goto(f"{server}/Library")
    ready(page)
    box = page.get_by_test_id("stDataFrame").locator("canvas").first.bounding_box()
    page.mouse.click(box["x"] + 17, box["y"] + box["height"] - 17)  # the last row's mark
    page.get_by_text(NAME, exact=True).wait_for()
    until_address(page, "model=toys")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Take along").click()
    coming.value.save_as(tmp_path / "toy.zip")
    with zipfile.ZipFile(tmp_path / "toy.zip") as packed:
        assert set(packed.namelist()) == {"toy/card.json", "toy/weights.safetensors"}
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("lies in the trash").first.wait_for()
    assert not (zoo / NAME).exists()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("is back").wait_for()
    assert (zoo / NAME / "card.json").is_file()


def test_weights_are_held_against_a_network_before_anything_is_done(shelf, page):
    server, zoo = shelf
    held = state()
    del held["conv1.weight"]
    page.goto(f"{server}/Library?shelf=import&arch=residual&trained_on=fashion_mnist_small")
    page.get_by_text("What the import would do").wait_for()
    page.locator('input[type="file"]').set_input_files(
        {"name": "net.pth", "mimeType": "application/octet-stream", "buffer": saved(held)}
    )
    page.get_by_text("keys differ").wait_for()
    page.get_by_text("Missing:").wait_for()
    assert page.get_by_role("button", name="Import", exact=True).is_disabled()
    assert not (zoo / "fashion_mnist_small").exists()


def test_an_evaluation_runs_to_its_end(shelf, page):
    server, _ = shelf
    page.goto(f"{server}/Library?model={NAME}&n_eval=10")
    ready(page)
    page.get_by_role("button", name="Evaluate").click()
    page.get_by_text("10 test images, 4 attacks").wait_for()
    page.get_by_text(re.compile(r"Evaluated on 10 images: .* worst case of 4 attacks, n = 10")).wait_for(
        timeout=120_000
    )
    page.get_by_role("link", name="Compare").last.wait_for()
