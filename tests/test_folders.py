"""Folders that others change while they are looked through, and disks without room."""

from __future__ import annotations

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from robust_core.folders import below, is_full, sweep, write_whole


def torn(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A write that breaks off just before its end, as after kill -9: nothing of ours runs any more."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", broken_off)
        with pytest.raises(KeyboardInterrupt):
            write_whole(path, b"half")


def broken_off(*_: object) -> None:
    raise KeyboardInterrupt


def test_folders_below_in_order_and_no_deeper(tmp_path: Path) -> None:
    for name in ("b/c/d", "a"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in below(tmp_path, 2)] == ["a", "b", "b/c"]
    assert list(below(tmp_path / "none", 2)) == []


def test_one_that_goes_meanwhile_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    real = os.scandir

    def scan(path: object) -> object:
        if isinstance(path, Path) and path.name == "a":
            shutil.rmtree(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert [path.name for path in below(tmp_path, 2)] == ["a", "c"]


def test_of_several_writers_each_file_is_one_of_theirs(tmp_path: Path) -> None:
    path, contents = tmp_path / "card.json", [bytes([letter]) * 20_000 for letter in b"ab"]
    write_whole(path, contents[0])
    torn: list[bytes] = []

    def write(content: bytes) -> None:
        for _ in range(60):
            write_whole(path, content)
            if (seen := path.read_bytes()) not in contents:
                torn.append(seen)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, contents))
    assert not torn
    assert [left.name for left in tmp_path.iterdir()] == ["card.json"]


def test_what_a_killed_writer_left_goes_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, other = tmp_path / "[a].json", tmp_path / "[a].json.notes.tmp"
    other.touch()
    torn(monkeypatch, path)
    torn(monkeypatch, tmp_path / "a.json")
    assert len(list(tmp_path.iterdir())) == 3
    sweep(path)
    assert [left.name.partition(".json")[0] for left in sorted(tmp_path.iterdir())] == ["[a]", "a"]
    assert other.exists()
    sweep(tmp_path / "none" / "a.json")


def test_a_full_disk_is_known() -> None:
    assert is_full(OSError(errno.ENOSPC, "x"))
    assert is_full(OSError(errno.EDQUOT, "x"))
    assert not is_full(OSError(errno.EACCES, "x"))
    assert not is_full(ValueError("x"))
