import gzip
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from robust_core.data.download import Remote
from robust_core.data.fashion_mnist import BUNDLED, FILES, IdxFile, cached, load_full, load_small
from robust_core.data.idx import pack_idx, sha256
from robust_core.types import Splits, UserError

ROOT = Path(__file__).resolve().parents[2]
needs_full = pytest.mark.usefixtures("full_set")


@pytest.fixture(scope="module")
def small() -> Splits:
    return load_small()


@pytest.fixture(scope="module")
def full_set(real_data: Path) -> Splits:
    if not cached(real_data):
        pytest.skip(f"the full Fashion-MNIST files are not in {real_data}")
    return load_full(cache=real_data)


@pytest.fixture
def made() -> dict[str, bytes]:
    """Four small IDX files, not compressed, under the published names."""
    generator = torch.Generator().manual_seed(0)
    contents = []
    for n in (20, 10):
        contents.append(pack_idx(torch.randint(0, 256, (n, 28, 28), generator=generator, dtype=torch.uint8)))
        contents.append(pack_idx((torch.arange(n) % 10).to(torch.uint8)))
    return {file.remote.name: content for file, content in zip(FILES, contents, strict=True)}


def published(made: dict[str, bytes], address: str) -> tuple[IdxFile, ...]:
    files = []
    for name, content in made.items():
        packed = gzip.compress(content, mtime=0)
        remote = Remote(name=name, urls=(f"{address}/{name}",), md5=hashlib.md5(packed).hexdigest(), size=len(packed))
        files.append(IdxFile(remote=remote, sha256=sha256(content), length=len(content)))
    return tuple(files)


def test_the_bundle_has_the_documented_counts_and_balance(small: Splits) -> None:
    assert small.train.images.shape == (10_000, 1, 28, 28)
    assert small.test.images.shape == (2_000, 1, 28, 28)
    assert small.train.labels.bincount().tolist() == [1000] * 10
    assert small.test.labels.bincount().tolist() == [200] * 10
    assert small.train.class_names[0] == "T-shirt/top"
    assert small.train.class_names[9] == "Ankle boot"
    assert small.train.name == small.test.name == "fashion_mnist_small"
    assert small.train.licence.startswith("MIT")


def test_the_bundles_labels_name_what_is_seen(small: Splits) -> None:
    """Bags fill more of the picture than trousers, and trousers more than sandals."""
    ink = {k: small.train.images[small.train.labels == k].float().mean().item() for k in (1, 5, 8)}
    assert ink[8] > 1.5 * ink[1] > ink[5]


def test_no_image_is_in_both_halves(small: Splits) -> None:
    halves = [{image.numpy().tobytes() for image in half.images} for half in (small.train, small.test)]
    assert not halves[0] & halves[1]


def test_the_bundle_is_small_quick_and_licensed() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 8_000_000
    start = time.process_time()  # what a busy machine does beside does not count
    load_small()
    assert time.process_time() - start < 1.0
    text = (BUNDLED / "LICENSE-fashion-mnist.txt").read_text()
    assert "Copyright (c) 2017 Zalando SE, https://tech.zalando.com" in text
    assert "THE SOFTWARE IS PROVIDED" in text


def test_bundled_images_are_images_of_the_full_set(small: Splits, full_set: Splits) -> None:
    for part, whole in ((small.train, full_set.train), (small.test, full_set.test)):
        known = {
            (label, image.numpy().tobytes()) for label, image in zip(whole.labels.tolist(), whole.images, strict=True)
        }
        for label, image in zip(part.labels.tolist(), part.images, strict=True):
            assert (label, image.numpy().tobytes()) in known


def test_the_full_set(full_set: Splits) -> None:
    assert full_set.train.labels.bincount().tolist() == [6000] * 10
    assert full_set.test.labels.bincount().tolist() == [1000] * 10
    assert full_set.train.labels[:5].tolist() == [9, 0, 0, 3, 0]


@pytest.mark.slow
@needs_full
def test_the_script_makes_the_bundle_again(real_data: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; sys.path.insert(0, 'scripts'); import make_fashion_subset as script; "
        f"script.main(pathlib.Path({str(real_data)!r}), pathlib.Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    for file in FILES:
        made, shipped = (gzip.decompress((place / file.remote.name).read_bytes()) for place in (tmp_path, BUNDLED))
        assert made == shipped


def test_the_script_says_what_it_needs(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "make_fashion_subset.py"), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "train-images-idx3-ubyte.gz" in done.stderr
    assert "Traceback" not in done.stderr


def test_download_then_cache(server, made: dict[str, bytes], tmp_path: Path) -> None:
    server.files |= {f"/{name}": gzip.compress(content, mtime=0) for name, content in made.items()}
    files = published(made, server.address)
    seen: list[tuple[int, int]] = []
    splits = load_full(lambda done, total: seen.append((done, total)), cache=tmp_path, files=files)
    assert len(splits.train) == 20
    assert splits.train.images.numpy().tobytes() == made["train-images-idx3-ubyte.gz"][16:]
    assert splits.test.labels.tolist() == list(range(10))
    assert seen[-1][0] == seen[-1][1] == sum(len(content) for content in server.files.values())
    again = load_full(cache=tmp_path, files=files)
    assert len(server.asked) == 4
    assert again.train.fingerprint == splits.train.fingerprint


@pytest.mark.parametrize("folder", ["", "fashion_mnist"])
def test_files_packed_differently_count_by_their_content(made, tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for name, content in made.items():
        (tmp_path / folder / name).write_bytes(gzip.compress(content, compresslevel=1, mtime=77))
    splits = load_full(cache=tmp_path, files=published(made, "http://127.0.0.1:9"))
    assert (len(splits.train), len(splits.test)) == (20, 10)
    assert cached(tmp_path)


def test_only_what_is_missing_or_wrong_is_downloaded(server, made: dict[str, bytes], tmp_path: Path) -> None:
    server.files |= {f"/{name}": gzip.compress(content, mtime=0) for name, content in made.items()}
    names = list(made)
    (tmp_path / names[0]).write_bytes(gzip.compress(made[names[0]], compresslevel=1))
    (tmp_path / names[1]).write_bytes(gzip.compress(made[names[1]][:-1] + b"\x07"))  # one label changed
    (tmp_path / names[2]).write_bytes(gzip.compress(made[names[2]])[:-30])  # cut short
    splits = load_full(cache=tmp_path, files=published(made, server.address))
    assert server.asked == [f"/{name}" for name in names[1:]]
    assert splits.train.labels.tolist() == [*range(10)] * 2


def test_wrong_content_without_network_is_refused(made: dict[str, bytes], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in made:
        (tmp_path / name).write_bytes(gzip.compress(b"something else"))
    with pytest.raises(UserError, match="cannot download train-images"):
        load_full(cache=tmp_path, files=published(made, "http://127.0.0.1:9"))


def test_cached_wants_all_four(made: dict[str, bytes], tmp_path: Path) -> None:
    for name in made:
        assert not cached(tmp_path)
        (tmp_path / name).touch()
    assert cached(tmp_path)
