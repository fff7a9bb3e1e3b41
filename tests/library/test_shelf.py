import json
import os
import shutil
import time
from pathlib import Path

import pytest

from robust_core import checkpoints
from robust_core.checkpoints import CARD, RECIPE, WEIGHTS
from robust_core.library import bundle, shelf, trash
from robust_core.library.downloads import Downloads
from robust_core.library.limits import plain, slug
from robust_core.library.storage import size_of, told_bytes
from robust_core.training.recipe import DataPart, Recipe
from robust_core.training.run import Run
from robust_core.types import UserError
from tests.library.conftest import tree

NAME = "fashion_mnist/pgd_at"


def test_the_table_tells_sizes_sources_and_whether_cards_fit(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "build", None)  # whoever builds a network fails
    (zoo / NAME / RECIPE).write_text("x")
    weights = zoo / "fashion_mnist/standard" / WEIGHTS
    weights.write_bytes(weights.read_bytes() + b" ")
    (zoo / "fashion_mnist/aw_net" / CARD).write_text("{")
    rows = {row.name: row for row in shelf.rows()}
    assert rows[NAME].fits is True
    assert rows[NAME].source == "trained from its recipe"
    assert rows[NAME].size == size_of(zoo / NAME) > 1000
    assert rows["fashion_mnist/standard"].fits is False
    assert "not those its card describes" in rows["fashion_mnist/standard"].problem
    assert "not a valid card" in rows["fashion_mnist/aw_net"].problem
    assert rows["fashion_mnist/aw_net"].title == "aw_net"


def test_titles_that_two_have_are_told_apart(zoo: Path) -> None:
    shutil.copytree(zoo / NAME, zoo / "fashion_mnist/copy")
    titles = shelf.title_of(shelf.rows())
    assert titles[NAME] == f"PGD-AT ({NAME})"
    assert titles["fashion_mnist/standard"] == "Standard"


def test_a_checkpoint_goes_and_comes_back(zoo: Path) -> None:
    before = tree(zoo)
    found = checkpoints.find(NAME)
    gone = shelf.delete(found)
    assert NAME not in {row.name for row in shelf.rows()}
    assert len(shelf.rows()) == 2
    with pytest.raises(UserError, match="not here any more"):
        shelf.delete(found)
    trash.restore(gone.root, gone.id)
    assert tree(zoo) == before
    checkpoints.load(checkpoints.find(NAME))


def test_the_last_one_and_a_broken_one_may_go_too(zoo: Path) -> None:
    (zoo / NAME / CARD).write_text("{")
    for row in shelf.rows():
        shelf.delete(row.found)
    assert shelf.rows() == []
    assert len(trash.look(zoo)) == 3


def test_a_finished_run_goes_from_the_runs_folder_and_one_in_the_making_stays(zoo: Path, tmp_path: Path) -> None:
    recipe = Recipe(title="R", data=DataPart(name="fashion_mnist_small"))
    run = Run.create(tmp_path / "runs/mine", recipe)
    for name in (CARD, WEIGHTS):
        shutil.copy(zoo / NAME / name, run.folder)
    found = next(row.found for row in shelf.rows() if row.name == "runs/mine")
    with run.held(), pytest.raises(UserError, match="still in the making"):
        shelf.delete(found)
    gone = shelf.delete(found)
    assert gone.root == Path(str(tmp_path / "runs"))
    assert not run.folder.exists()
    assert "runs/mine" not in {row.name for row in shelf.rows()}
    trash.restore(gone.root, gone.id)
    assert (run.folder / CARD).is_file()


def test_read_only_deletes_nothing(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUSTLENS_LIBRARY", "Read-Only ")
    with pytest.raises(UserError, match="ROBUSTLENS_LIBRARY=read-only"):
        shelf.delete(checkpoints.find(NAME))
    assert len(shelf.rows()) == 3


def test_words_for_sizes_and_times() -> None:
    assert [told_bytes(n) for n in (0, 999, 1000, 9_940, 31_000_000, 999_600, 4.56e9)] == [
        "0 B", "999 B", "1.0 kB", "9.9 kB", "31 MB", "1.0 MB", "4.6 GB",
    ]  # fmt: skip
    now = shelf.time.time()
    assert [shelf.ago(now - s) for s in (1, 300, 7300, 90_000, 900_000)] == [
        "just now", "5 min ago", "2 h ago", "1 day ago", "10 days ago",
    ]  # fmt: skip


def test_names_and_texts_of_visitors() -> None:
    assert [slug(text) for text in ("My pets!", "../..", "WRN 34/10", "été", "7 nets")] == [
        "my_pets", "n", "wrn_34_10", "t", "n_7_nets",
    ]  # fmt: skip
    assert plain("  ε = 8/255 ", "x") == "ε = 8/255"
    for text in ("", " ", "a<b", "a\nb", "a\u202eb", "x" * 81):
        with pytest.raises(UserError):
            plain(text, "x")


def test_a_card_without_a_licence_still_reads_and_one_with_it_keeps_it(zoo: Path) -> None:
    path = zoo / NAME / CARD
    card = json.loads(path.read_text())
    card.pop("licence", None)
    path.write_text(json.dumps(card))
    assert shelf._row(checkpoints.find(NAME), 0, look_inside=False).licence == ""
    path.write_text(json.dumps(card | {"licence": "MIT"}))
    assert shelf._row(checkpoints.find(NAME), 0, look_inside=False).licence == "MIT"


def test_a_full_library_takes_nothing_more_and_still_deletes(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = bundle.pack(checkpoints.find(NAME))
    monkeypatch.setenv("ROBUSTLENS_MAX_LIBRARY_MB", "0.01")
    with pytest.raises(UserError, match=r"of the 0 they may \(ROBUSTLENS_MAX_LIBRARY_MB\)"):
        bundle.unpack(packed, file="a.zip", name="again")
    with pytest.raises(UserError, match="empty the trash"):
        Downloads().start("cifar10")
    shelf.delete(checkpoints.find(NAME))
    monkeypatch.setenv("ROBUSTLENS_MAX_LIBRARY_MB", "1")
    bundle.unpack(packed, file="a.zip", name="again")
    monkeypatch.setenv("ROBUSTLENS_MAX_LIBRARY_MB", "much")
    with pytest.raises(UserError, match="must be a number; got 'much'"):
        bundle.unpack(packed, file="a.zip", name="more")


def test_what_a_killed_import_left_is_swept_away(zoo: Path) -> None:
    old, young = zoo / ".incoming/old", zoo / ".incoming/young"
    for folder in (old, young):
        (folder / "made").mkdir(parents=True)
    long_ago = time.time() - 2 * 86400
    os.utime(old, (long_ago, long_ago))
    bundle.unpack(bundle.pack(checkpoints.find(NAME)), file="a.zip", name="again")
    assert not old.exists()
    assert young.exists()
