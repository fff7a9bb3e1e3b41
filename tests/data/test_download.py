import hashlib
import socket
from pathlib import Path

import pytest

from robust_core.data.download import Remote, cache_folder, fetch
from robust_core.types import UserError

CONTENT = bytes(range(256)) * 4000  # about 1 MB: several chunks


def remote(*addresses: str, content: bytes = CONTENT, name: str = "file.bin") -> Remote:
    urls = tuple(f"{address}/{name}" for address in addresses)
    return Remote(name=name, urls=urls, md5=hashlib.md5(content).hexdigest(), size=len(content))


@pytest.fixture
def nowhere() -> str:
    """An address where nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_file_arrives_whole_with_progress(server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    seen: list[tuple[int, int]] = []
    [path] = fetch(
        [remote(server.address)], tmp_path, what="X", progress=lambda done, total: seen.append((done, total))
    )
    assert path == tmp_path / "file.bin"
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]
    assert {total for _, total in seen} == {len(CONTENT)}
    done = [done for done, _ in seen]
    assert done == sorted(done)
    assert 0 < done[0] < len(CONTENT) == done[-1]


def test_progress_runs_on_over_several_files(server, tmp_path: Path) -> None:
    server.files |= {"/a": b"a" * 300_000, "/b": b"b" * 700_000}
    files = [remote(server.address, content=server.files[f"/{name}"], name=name) for name in "ab"]
    seen: list[int] = []
    fetch(files, tmp_path, what="X", progress=lambda done, total: seen.append(done))
    assert seen == sorted(seen)
    assert 300_000 in seen
    assert any(300_000 < done < 1_000_000 for done in seen)
    assert seen[-1] == 1_000_000


def test_a_right_file_is_not_asked_for_again_and_a_wrong_one_is_replaced(server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin").write_bytes(b"damaged")
    fetch([remote(server.address)], tmp_path, what="X")
    fetch([remote(server.address)], tmp_path, what="X")
    assert server.asked == ["/file.bin"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_dropped_connection_leaves_nothing_and_can_be_repeated(server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    server.dropped.add("/file.bin")
    with pytest.raises(UserError, match="interrupted"):
        fetch([remote(server.address)], tmp_path, what="X")
    assert list(tmp_path.iterdir()) == []
    server.dropped.clear()
    [path] = fetch([remote(server.address)], tmp_path, what="X")
    assert path.read_bytes() == CONTENT


def test_a_wrong_hash_leaves_nothing(server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT[:-1] + b"x"
    with pytest.raises(UserError, match="wrong MD5"):
        fetch([remote(server.address)], tmp_path, what="X")
    assert list(tmp_path.iterdir()) == []


def test_the_next_mirror_serves_when_the_first_has_a_wrong_file_or_none(server, tmp_path: Path) -> None:
    server.files |= {"/bad/file.bin": b"other", "/good/file.bin": CONTENT}
    file = remote(f"{server.address}/gone", f"{server.address}/bad", f"{server.address}/good")
    [path] = fetch([file], tmp_path, what="X")
    assert path.read_bytes() == CONTENT
    assert server.asked == ["/gone/file.bin", "/bad/file.bin", "/good/file.bin"]


def test_without_network_one_message_says_what_to_do(nowhere: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(UserError) as caught:
        fetch([remote(nowhere)], tmp_path, what="Toys")
    message = str(caught.value)
    for words in ("Toys", "file.bin", nowhere, "no connection", str(tmp_path), "fashion_mnist_small"):
        assert words in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_an_exception_from_progress_stops_the_download(server, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise StopError

    server.files["/file.bin"] = CONTENT
    with pytest.raises(StopError):
        fetch([remote(server.address)], tmp_path, what="X", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_folder_is_the_variables_else_the_platforms(monkeypatch) -> None:
    monkeypatch.setenv("ROBUSTLENS_CACHE", "~/somewhere")
    assert cache_folder() == Path.home() / "somewhere"
    for change in (lambda: monkeypatch.setenv("ROBUSTLENS_CACHE", ""), lambda: monkeypatch.delenv("ROBUSTLENS_CACHE")):
        change()
        assert "robustlens" in str(cache_folder())
        assert cache_folder().is_absolute()
