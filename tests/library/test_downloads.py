"""Data sets fetched in the background, from a server of this machine."""

import hashlib
import time
from pathlib import Path

import pytest

from robust_core import data
from robust_core.data import cache_folder
from robust_core.data.download import Remote, fetch
from robust_core.library.downloads import Downloads
from robust_core.types import UserError

CONTENT = bytes(range(256)) * 8000


@pytest.fixture
def toys(zoo: Path, server, monkeypatch):
    """A data set of one file on a server; gate: what its progress waits for, when it is set."""
    server.files["/toys.bin"] = CONTENT
    file = Remote(
        name="toys.bin",
        urls=(f"{server.address}/toys.bin",),
        md5=hashlib.md5(CONTENT).hexdigest(),
        size=len(CONTENT),
    )
    server.slow = 0.0

    def load(progress):
        def tell(done: int, total: int) -> None:
            time.sleep(server.slow)
            progress(done, total)

        fetch([file], cache_folder() / "toys", what="Toys", progress=tell)

    known = data.Dataset(
        title="Toys",
        shape=(1, 2, 2),
        class_names=("a", "b"),
        load=load,
        ready=lambda: (cache_folder() / "toys/toys.bin").is_file(),
        download=len(CONTENT),
    )
    monkeypatch.setitem(data.DATASETS._entries, "toys", known)
    return server


def until_ended(downloads: Downloads, seconds: float = 10.0):
    end = time.monotonic() + seconds
    while (seen := downloads.look("toys")).phase == "running":
        assert time.monotonic() < end
        time.sleep(0.01)
    return seen


def test_it_comes_in_the_background_with_progress(toys) -> None:
    downloads, toys.slow = Downloads(), 0.02
    assert downloads.look("toys") is None
    downloads.start("toys")
    with pytest.raises(UserError, match="being downloaded already"):
        downloads.start("toys")
    seen = until_ended(downloads)
    assert (seen.phase, seen.done, seen.total, seen.told) == ("done", len(CONTENT), len(CONTENT), "")
    assert seen.rate > 0
    assert data.available()["toys"]
    with pytest.raises(UserError, match="here already"):
        downloads.start("toys")


def test_stopped_it_leaves_nothing_and_begins_again(toys) -> None:
    downloads, toys.slow = Downloads(), 0.1
    downloads.start("toys")
    downloads.stop("toys")
    assert until_ended(downloads).phase == "stopped"
    assert not data.available()["toys"]
    assert list((cache_folder() / "toys").iterdir()) == []
    with pytest.raises(UserError, match="not being downloaded any more"):
        downloads.stop("toys")
    toys.slow = 0.0
    downloads.start("toys")
    assert until_ended(downloads).phase == "done"


def test_a_failure_is_one_sentence_and_can_be_forgotten(toys) -> None:
    toys.files.clear()
    downloads = Downloads()
    downloads.start("toys")
    seen = until_ended(downloads)
    assert seen.phase == "failed"
    assert "the server answered 404" in seen.told
    assert "\n" not in seen.told
    downloads.forget("toys")
    assert downloads.look("toys") is None


def test_what_needs_none_and_read_only_are_refused(toys, monkeypatch) -> None:
    with pytest.raises(UserError, match="needs no download"):
        Downloads().start("fashion_mnist_small")
    monkeypatch.setenv("ROBUSTLENS_LIBRARY", "read-only")
    with pytest.raises(UserError, match="read-only"):
        Downloads().start("toys")
