"""Data sets by name: `load` and `available`."""

from pathlib import Path

import pytest

from robust_core.data import DATASETS, available, load
from robust_core.types import UserError


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("ROBUSTLENS_CACHE", str(cache))
    return cache


def test_the_known_names() -> None:
    assert DATASETS.names() == ["cifar10", "fashion_mnist", "fashion_mnist_small"]
    for name in DATASETS.names():
        assert DATASETS[name].title
        assert (DATASETS[name].download == 0) == (name == "fashion_mnist_small")


def test_what_is_available_follows_the_cache_folder(empty_cache: Path) -> None:
    assert available() == {"cifar10": False, "fashion_mnist": False, "fashion_mnist_small": True}
    (empty_cache / "cifar-10-binary.tar.gz").touch()
    assert available()["cifar10"]


def test_the_bundled_set_loads_without_anything() -> None:
    halves = load("fashion_mnist_small")
    assert len(halves.train) == 10_000
    told = DATASETS["fashion_mnist_small"]
    assert (halves.test.shape, halves.test.class_names) == (told.shape, told.class_names)


def test_a_path_is_read_as_the_users_own_images(pack, animals, tmp_path: Path) -> None:
    for path, content in animals.items():
        target = tmp_path / "pets" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    seen: list[tuple[int, int]] = []
    zipped = load(str(pack(animals)), progress=lambda *figures: seen.append(figures))
    spread = load(tmp_path / "pets")
    assert zipped.train.fingerprint == spread.train.fingerprint
    assert spread.train.name == "pets"
    assert seen == [(20, 20)]


def test_a_wrong_name_lists_the_known_ones_and_a_wrong_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'fashion_mnist'"):
        load("fashion_mnits")
    with pytest.raises(UserError, match=r"no folder or zip at .*nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no zip at missing\.zip"):
        load("missing.zip")
    (tmp_path / "notes.txt").write_text("no zip")
    with pytest.raises(UserError, match="not a zip"):
        load(tmp_path / "notes.txt")


def test_the_full_set_loads_from_copied_files(real_data: Path, empty_cache: Path) -> None:
    files = sorted(real_data.glob("*-ubyte.gz"))
    if len(files) != 4:
        pytest.skip(f"the full Fashion-MNIST files are not in {real_data}")
    for file in files:
        (empty_cache / file.name).symlink_to(file)
    assert available()["fashion_mnist"]
    assert len(load("fashion_mnist").train) == 60_000
