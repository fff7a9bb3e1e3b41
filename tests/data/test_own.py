"""Image sets of the user's own, kept under a name that everything else then knows."""

import io
import json
from pathlib import Path

import pytest
import torch

from robust_core import data
from robust_core.data import own
from robust_core.types import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROBUSTLENS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pets(pack, animals):
    splits = data.read_zip(io.BytesIO(pack(animals).read_bytes()), name="pets.zip").splits
    own.keep(splits, name="pets", title="My pets", source="the garden", licence="CC0")
    return splits


def test_a_kept_set_is_known_by_name_with_the_same_pixels(pets, cache: Path) -> None:
    assert "pets" in data.DATASETS.names()
    assert data.available()["pets"]
    known = data.DATASETS["pets"]
    assert (known.title, known.licence, known.source, known.own) == ("My pets", "CC0", "the garden", True)
    assert (known.train, known.test, known.shape, known.class_names) == (16, 4, (3, 6, 8), ("cat", "dog"))
    splits = data.load("pets")
    assert splits.train.fingerprint == pets.train.fingerprint == known.fingerprints[0]
    assert splits.test.fingerprint == pets.test.fingerprint == known.fingerprints[1]
    assert (splits.test.name, splits.test.licence, splits.test.origin) == ("pets", "CC0", "the garden")
    images, labels = own.first_images("pets", 3)
    assert torch.equal(images, splits.test.images[:3])
    assert torch.equal(labels, splits.test.labels[:3])


def test_gone_from_the_disk_it_is_not_known(pets, cache: Path) -> None:
    (cache / "own/pets").rename(cache / "elsewhere")
    assert data.DATASETS.names() == ["cifar10", "fashion_mnist", "fashion_mnist_small"]
    with pytest.raises(UserError, match="unknown data set 'pets'"):
        data.DATASETS["pets"]
    with pytest.raises(UserError):
        own.load("pets")


@pytest.mark.parametrize("name", ["", "Pets", "../x", "a b", "1st", "x" * 41, ".x", "a/b", "a\n"])
def test_a_name_that_is_none_keeps_nothing(pets, cache: Path, name: str) -> None:
    with pytest.raises(UserError, match="no name for a data set"):
        own.keep(pets, name=name, title="t", source="", licence="")
    assert [p.name for p in (cache / "own").iterdir()] == ["pets"]


def test_a_name_in_use_is_not_overwritten(pets) -> None:
    with pytest.raises(UserError, match="there is a data set 'pets' already"):
        own.keep(pets, name="pets", title="t", source="", licence="")
    assert data.DATASETS["pets"].title == "My pets"


def test_damage_is_a_sentence_and_leaves_the_others(pets, cache: Path) -> None:
    own.keep(pets, name="other", title="Other", source="", licence="")
    facts, pixels = cache / "own/pets/set.json", cache / "own/pets/images.safetensors"
    whole = facts.read_text()
    facts.write_text(whole.replace(pets.train.fingerprint, "0" * 64))
    with pytest.raises(UserError, match=r"not what set\.json describes"):
        data.load("pets")
    facts.write_text(whole)
    pixels.write_bytes(pixels.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be read"):
        data.load("pets")
    for text in ("{", json.dumps({**json.loads(whole), "train": 0}), whole.replace('"pets"', '"other"')):
        facts.write_text(text)
        assert "pets" not in data.DATASETS.names()
        assert "other" in data.DATASETS.names()
        [broken] = [found for found in own.find_all() if found.problem]
        assert "'pets'" in broken.problem
    pixels.unlink()
    facts.write_text(whole)
    [broken] = [found for found in own.find_all() if found.problem]
    assert "images.safetensors is missing" in broken.problem
