import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from robust_core.data.cifar10 import ARCHIVE, TEST_FILES, TRAIN_FILES, cached, load_cifar10
from robust_core.data.download import Remote
from robust_core.types import UserError


def records(seed: int, n: int = 3) -> np.ndarray:
    made = np.random.default_rng(seed).integers(0, 256, (n, 3073), dtype=np.uint8)
    made[:, 0] = made[:, 0] % 10
    return made


BATCHES = {name: records(seed) for seed, name in enumerate((*TRAIN_FILES, *TEST_FILES))}


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def whole() -> dict[str, bytes]:
    files = {f"cifar-10-batches-bin/{name}": batch.tobytes() for name, batch in BATCHES.items()}
    return {"cifar-10-batches-bin/batches.meta.txt": b"airplane\n", **files}


def remote(content: bytes, address: str = "http://127.0.0.1:9") -> Remote:
    name = ARCHIVE.name
    return Remote(name=name, urls=(f"{address}/{name}",), md5=hashlib.md5(content).hexdigest(), size=len(content))


def lay(tmp_path: Path, content: bytes) -> Remote:
    (tmp_path / ARCHIVE.name).write_bytes(content)
    return remote(content)


def test_download_gives_the_records_in_order(server, tmp_path: Path) -> None:
    content = archive(whole())
    server.files[f"/{ARCHIVE.name}"] = content
    seen: list[tuple[int, int]] = []
    splits = load_cifar10(
        lambda *figures: seen.append(figures), cache=tmp_path, archive=remote(content, server.address)
    )
    train = np.concatenate([BATCHES[name] for name in TRAIN_FILES])
    assert splits.train.labels.tolist() == train[:, 0].tolist()
    assert splits.train.shape == (3, 32, 32)
    assert splits.train.images.numpy().tobytes() == train[:, 1:].tobytes()
    assert splits.test.images.numpy().tobytes() == BATCHES["test_batch.bin"][:, 1:].tobytes()
    assert splits.train.class_names[3] == "cat"
    assert seen[-1] == (len(content), len(content))
    load_cifar10(cache=tmp_path, archive=remote(content, server.address))
    assert len(server.asked) == 1


def test_planes_are_red_green_blue(tmp_path: Path) -> None:
    files = whole()
    files["cifar-10-batches-bin/test_batch.bin"] = bytes([7]) + b"\xff" * 1024 + b"\x80" * 1024 + b"\0" * 1024
    splits = load_cifar10(cache=tmp_path, archive=lay(tmp_path, archive(files)))
    assert splits.test.images[0, :, 5, 9].tolist() == [255, 128, 0]
    assert splits.test.labels.tolist() == [7]


def test_an_archive_in_the_cache_folder_itself_is_taken(tmp_path: Path) -> None:
    assert not cached(tmp_path)
    file = lay(tmp_path, archive(whole()))
    assert cached(tmp_path)
    assert len(load_cifar10(cache=tmp_path, archive=file).train) == 15


def test_member_names_never_become_paths(tmp_path: Path) -> None:
    files = {f"../../{name}": batch.tobytes() for name, batch in BATCHES.items()}
    cache = tmp_path / "a" / "b"
    cache.mkdir(parents=True)
    load_cifar10(cache=cache, archive=lay(cache, archive(files)))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [ARCHIVE.name]


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    files = whole()
    cut = archive(files)[:-3000]
    odd = archive({**files, "cifar-10-batches-bin/data_batch_2.bin": b"\0" * 3072})
    lacking = archive({name: content for name, content in files.items() if "batch_3" not in name})
    for content, words in (
        (cut, "damaged"),
        (odd, "data_batch_2.bin .* no whole records"),
        (lacking, "lacks data_batch_3"),
    ):
        with pytest.raises(UserError, match=words):
            load_cifar10(cache=tmp_path, archive=lay(tmp_path, content))


def test_a_wrong_archive_without_network_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / ARCHIVE.name).write_bytes(archive(whole()))
    with pytest.raises(UserError, match="CIFAR-10: cannot download"):
        load_cifar10(cache=tmp_path, archive=remote(b"the published one"))
