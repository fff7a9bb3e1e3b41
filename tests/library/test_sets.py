import zipfile
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from robust_core import data
from robust_core.__main__ import app
from robust_core.data import cache_folder, fashion_mnist
from robust_core.library import sets, trash
from robust_core.types import UserError
from tests.library.conftest import tree


def test_the_table_says_what_is_here_and_loads_nothing(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "gunzip", None)  # whoever reads images fails
    rows = {row.name: row for row in sets.rows()}
    small, full, cifar = rows["fashion_mnist_small"], rows["fashion_mnist"], rows["cifar10"]
    assert (small.here, full.here, cifar.here) == (True, False, False)
    assert (small.train, full.train, cifar.test) == (10_000, 60_000, 10_000)
    assert small.size > 4e6
    assert full.size == 0
    assert "MIT" in small.licence
    assert not small.deletable
    assert next(iter(rows)) == "fashion_mnist_small"


def test_the_numbers_that_are_told_without_loading_are_right() -> None:
    known, splits = data.DATASETS["fashion_mnist_small"], data.load("fashion_mnist_small")
    assert (known.train, known.test) == (len(splits.train), len(splits.test))
    assert known.fingerprints == (splits.train.fingerprint, splits.test.fingerprint)


def test_a_zip_becomes_a_set_and_goes_and_comes_back(zoo: Path, pack, animals) -> None:
    content = pack({**animals, "cat/notes.txt": b"x"}).read_bytes()
    made, skipped = sets.bring(content, file="set.zip", title="My pets!", licence="CC0")
    assert (made.name, made.train, made.test, made.source) == ("my_pets", 16, 4, "imported from set.zip")
    assert any("notes.txt" in each for each in skipped)
    row = next(row for row in sets.rows() if row.own)
    assert row.deletable
    assert row.size > 20 * 8 * 6 * 3
    gone = sets.delete("my_pets")
    assert "my_pets" not in data.DATASETS.names()
    with pytest.raises(UserError, match="unknown data set"):
        sets.delete("my_pets")
    trash.restore(gone.root, gone.id)
    assert len(data.load("my_pets").train) == 16


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"title": ""}, "the title is empty"),
        ({"title": "<b>"}, "holds <, >"),
        ({"title": "fashion mnist"}, "there is a data set 'fashion_mnist' already"),
        ({"licence": "x" * 300}, "the licence has 300 characters"),
        ({"content": b"no zip"}, "not a zip"),
        ({"size": (0, 4)}, "height and width"),
    ],
)
def test_what_cannot_be_taken_leaves_nothing(zoo: Path, pack, animals, change: dict, told: str) -> None:
    given = {"content": pack(animals).read_bytes(), "file": "set.zip", "title": "Pets"} | change
    with pytest.raises(UserError, match=told):
        sets.bring(given.pop("content"), **given)
    assert tree(cache_folder()) == set()


def test_hostile_zips_get_one_sentence(zoo: Path, pack, animals) -> None:
    bomb = zipfile.ZipInfo("cat/bomb.png")
    evil = {f"<img src=x>/{i}.png": content for i, content in enumerate(animals.values())}
    for files, told in (
        ({bomb: bytes(40 * 2**20)}, "MiB"),
        ({"../../x.png": b"x"}, "no images found"),
        ({**animals, **evil}, "class's folder name"),
    ):
        with pytest.raises(UserError, match=told) as caught:
            sets.bring(pack(files).read_bytes(), file="set.zip", title="Pets")
        assert "\n" not in str(caught.value)
    assert tree(cache_folder()) == set()


def test_a_downloaded_set_s_own_files_go_and_others_stay(zoo: Path) -> None:
    folder = cache_folder() / "fashion_mnist"
    folder.mkdir()
    for file in fashion_mnist.FILES:
        (folder / file.remote.name).write_bytes(b"x")
    (folder / "mine.txt").write_text("kept")
    gone = sets.delete("fashion_mnist")
    assert {p.name for p in folder.iterdir()} == {"mine.txt"}
    assert not data.available()["fashion_mnist"]
    trash.restore(gone.root, gone.id)
    assert data.available()["fashion_mnist"]
    with pytest.raises(UserError, match="comes with the program"):
        sets.delete("fashion_mnist_small")


def test_samples_are_the_first_of_each_class(zoo: Path, pack, animals) -> None:
    shown = sets.sheet("fashion_mnist_small", each=3, classes=4)
    assert shown.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert shown.images.shape == (12, 1, 28, 28)
    test = data.load("fashion_mnist_small").test
    assert torch.equal(shown.images[3:6], test.images[(test.labels == 1).nonzero()[:3, 0]])
    assert shown.fingerprints == data.DATASETS["fashion_mnist_small"].fingerprints
    sets.bring(pack(animals).read_bytes(), file="set.zip", title="Pets")
    assert sets.sheet("pets", each=1).labels.tolist() == [0, 1]


def test_read_only_changes_nothing(zoo: Path, pack, animals, monkeypatch: pytest.MonkeyPatch) -> None:
    sets.bring(pack(animals).read_bytes(), file="set.zip", title="Pets")
    monkeypatch.setenv("ROBUSTLENS_LIBRARY", "read-only")
    for act in (
        lambda: sets.bring(pack(animals).read_bytes(), file="set.zip", title="More"),
        lambda: sets.delete("pets"),
    ):
        with pytest.raises(UserError, match="read-only"):
            act()
    assert "pets" in data.DATASETS.names()


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_the_command_line_brings_a_folder_or_a_zip(zoo: Path, tmp_path: Path, pack, animals, form: str) -> None:
    packed = pack({**animals, "cat/notes.txt": b"x"})
    if form == "folder":
        zipfile.ZipFile(packed).extractall(tmp_path / "my pets")
    path = tmp_path / "my pets" if form == "folder" else packed.rename(tmp_path / "my pets.zip")
    told = CliRunner().invoke(app, ["import-images", str(path), "--licence", "CC0"], catch_exceptions=False).output
    assert "my_pets: 16 training and 4 test images, 3 × 6 × 8" in told
    assert "notes.txt" in told
    assert str(tmp_path) not in data.DATASETS["my_pets"].source  # a path is nobody else's business
    assert len(data.load("my_pets").test) == 4
    with pytest.raises(UserError, match="there is a data set 'my_pets' already"):
        CliRunner().invoke(app, ["import-images", str(path)], catch_exceptions=False)


def test_the_command_line_says_that_nothing_is_there(zoo: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no zip at"):
        CliRunner().invoke(app, ["import-images", str(tmp_path / "none.zip")], catch_exceptions=False)
