import errno
import json
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.library import trash
from robust_core.types import UserError
from tests.library.conftest import tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a/one/card.json", "a/one/weights", "a/two/card.json", "b/three/card.json"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "root"


def test_what_is_deleted_comes_back_as_it_was(root: Path) -> None:
    before = {name: (root / name).read_bytes() for name in tree(root)}
    gone = trash.discard(root, ["a/one"], kind="checkpoint", title="One")
    assert not (root / "a/one").exists()
    assert (root / "a/two/card.json").exists()
    [listed] = trash.look(root)
    assert (listed.title, listed.kind, listed.paths) == ("One", "checkpoint", ("a/one",))
    assert listed.size == len("a/one/card.json") + len("a/one/weights")
    trash.restore(root, gone.id)
    assert {name: (root / name).read_bytes() for name in tree(root)} == before
    assert trash.look(root) == []


def test_a_folder_that_is_left_empty_goes_and_comes_back(root: Path) -> None:
    gone = trash.discard(root, ["b/three"], kind="k", title="t")
    assert not (root / "b").exists()
    trash.restore(root, gone.id)
    assert (root / "b/three/card.json").exists()


def test_several_files_go_and_come_back_together(root: Path) -> None:
    gone = trash.discard(root, ["a/one/card.json", "a/one/weights", "a/one/never"], kind="k", title="t")
    assert gone.paths == ("a/one/card.json", "a/one/weights")
    assert not (root / "a/one").exists()
    trash.restore(root, gone.id)
    assert tree(root / "a/one") == {"card.json", "weights"}


def test_nothing_takes_the_place_of_what_is_there_again(root: Path) -> None:
    gone = trash.discard(root, ["a/one"], kind="k", title="One")
    (root / "a/one").mkdir()
    (root / "a/one/card.json").write_text("another")
    with pytest.raises(UserError, match="a/one is there again"):
        trash.restore(root, gone.id)
    assert (root / "a/one/card.json").read_text() == "another"
    assert len(trash.look(root)) == 1


def test_what_somebody_else_deleted_or_took_back_is_a_sentence(root: Path) -> None:
    gone = trash.discard(root, ["a/one"], kind="k", title="One")
    with pytest.raises(UserError, match="One is not here any more"):
        trash.discard(root, ["a/one"], kind="k", title="One")
    assert len(trash.look(root)) == 1
    trash.restore(root, gone.id)
    for act in (trash.restore, trash.empty):
        with pytest.raises(UserError, match="not in the trash any more"):
            act(root, gone.id)


def test_emptying_frees_the_disk_for_good(root: Path) -> None:
    one = trash.discard(root, ["a/one"], kind="k", title="One")
    trash.discard(root, ["a/two"], kind="k", title="Two")
    assert trash.empty(root, one.id) == one.size > 0
    assert [each.title for each in trash.look(root)] == ["Two"]
    trash.empty(root)
    assert trash.look(root) == []
    assert tree(root / ".trash") == set()


def test_old_things_go_when_something_is_deleted(root: Path) -> None:
    old = trash.discard(root, ["a/one"], kind="k", title="Old")
    young = trash.discard(root, ["a/two"], kind="k", title="Young")
    for each, days in ((old, 31), (young, 29)):
        path = root / ".trash" / each.id / "trashed.json"
        note = json.loads(path.read_text())
        path.write_text(json.dumps(note | {"when": time.time() - days * 86400}))
    trash.discard(root, ["b/three"], kind="k", title="New")
    assert [each.title for each in trash.look(root)] == ["New", "Young"]
    assert not (root / ".trash" / old.id).exists()


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "../root", "a/../../x", "/etc/passwd", "a//one", "a/one/", ".trash", "a/.hidden", "a\\one", "a\n"],
)
def test_hostile_paths_move_nothing(root: Path, path: str) -> None:
    before = tree(root)
    with pytest.raises(UserError, match="nothing was moved"):
        trash.discard(root, [path], kind="k", title="t")
    assert tree(root) == before


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30))
def test_no_text_leaves_the_root(text: str) -> None:
    try:
        trash._refuse_hostile(text)
    except UserError:
        return
    parts = text.split("/")
    assert ".." not in parts
    assert not text.startswith(("/", "."))
    assert "\0" not in text


@pytest.mark.parametrize("id_", ["..", "../..", "x", "20260101T000000-0000000g", ""])
def test_hostile_ids_are_not_looked_for(root: Path, id_: str) -> None:
    with pytest.raises(UserError, match="not in the trash any more"):
        trash.restore(root, id_)


def test_a_tampered_note_restores_nothing_outside(root: Path) -> None:
    gone = trash.discard(root, ["a/one"], kind="k", title="One")
    path = root / ".trash" / gone.id / "trashed.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"paths": ["../../../a/two"]}))
    assert trash.look(root) == []
    with pytest.raises(UserError):
        trash.restore(root, gone.id)
    assert (root / "a/two/card.json").exists()


def test_a_link_is_moved_and_what_it_points_to_stays(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("kept")
    (root / "a/link").symlink_to(tmp_path / "outside")
    gone = trash.discard(root, ["a/link"], kind="k", title="Link")
    trash.empty(root, gone.id)
    assert (tmp_path / "outside/file").read_text() == "kept"


def test_of_many_who_delete_at_once_one_does(root: Path) -> None:
    told: list[str] = []

    def work() -> None:
        try:
            trash.discard(root, ["a/one"], kind="k", title="One")
            told.append("done")
        except UserError as error:
            told.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.count("done") == 1
    assert sum("not here any more" in each for each in told) == 7
    assert len(trash.look(root)) == 1


def test_a_folder_that_may_not_be_written_is_a_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))  # as root, a mode would refuse nothing

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match="may not be written"):
        trash.discard(root, ["a/one"], kind="k", title="One")
    assert (root / "a/one").exists()
