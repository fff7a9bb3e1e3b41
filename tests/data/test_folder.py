import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robust_core.data import folder
from robust_core.data.cifar10 import CLASS_NAMES
from robust_core.data.folder import Loaded, read_folder, read_zip
from robust_core.types import UserError

ROOT = Path(__file__).resolve().parents[2]


def spread(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def contents(loaded: Loaded) -> set[tuple[bytes, str]]:
    """Every image with its class's name."""
    return {
        (image.numpy().tobytes(), half.class_names[label])
        for half in (loaded.splits.train, loaded.splits.test)
        for image, label in zip(half.images, half.labels.tolist(), strict=True)
    }


def planes(data: bytes) -> bytes:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1).tobytes()


def test_every_image_comes_back_under_its_class(pack, animals) -> None:
    loaded = read_zip(pack(animals))
    assert contents(loaded) == {(planes(content), path.split("/")[0]) for path, content in animals.items()}
    train, test = loaded.splits.train, loaded.splits.test
    assert train.class_names == ("cat", "dog")
    assert train.shape == (3, 6, 8)
    assert train.labels.bincount().tolist() == [8, 8]
    assert test.labels.bincount().tolist() == [2, 2]
    assert train.name == "set"
    assert loaded.skipped == ()


def test_a_folder_and_its_zip_give_the_same_sets(pack, animals, tmp_path: Path) -> None:
    files = {f"{half}/{path}": content for half in ("train", "test") for path, content in animals.items()}
    zipped = read_zip(pack(dict(reversed(files.items()))))
    spread_out = read_folder(spread(tmp_path / "set", files))
    assert zipped.splits.train.fingerprint == spread_out.splits.train.fingerprint
    assert zipped.splits.test.fingerprint == spread_out.splits.test.fingerprint
    assert len(zipped.splits.test) == 20


def test_an_open_file_is_read_like_a_path(pack, animals) -> None:
    path = pack(animals)
    with path.open("rb") as stream:
        opened = read_zip(stream)
    memory = read_zip(io.BytesIO(path.read_bytes()), name="mine")
    assert opened.splits.train.name == "set"
    assert memory.splits.train.name == "mine"
    assert opened.splits.train.fingerprint == memory.splits.train.fingerprint == read_zip(path).splits.train.fingerprint


def test_grey_images_have_one_channel_and_one_colour_image_makes_all_rgb(pack, noise, encode) -> None:
    grey = {f"{kind}/{i}.png": encode(noise(6, 6, "L", seed=i)) for kind in "ab" for i in range(5)}
    grey["a/rgb.png"] = encode(noise(6, 6, "L", seed=9).convert("RGB"))
    loaded = read_zip(pack(grey))
    assert loaded.splits.train.shape == (1, 6, 6)
    assert (planes(grey["a/0.png"])[:36], "a") in contents(loaded)
    mixed = read_zip(pack({**grey, "b/colour.png": encode(noise(6, 6))}))
    assert mixed.splits.train.shape == (3, 6, 6)
    assert (planes(grey["a/0.png"]), "a") in contents(mixed)


def test_the_size_is_the_one_most_images_have_else_32(pack, noise, encode) -> None:
    def sizes(*shapes: tuple[int, int]) -> dict[str, bytes]:
        return {f"{kind}/{i}.png": encode(noise(w, h)) for kind in "ab" for i, (h, w) in enumerate(shapes)}

    assert read_zip(pack(sizes((8, 10), (8, 10), (50, 20)))).splits.train.shape == (3, 8, 10)
    assert read_zip(pack(sizes((8, 10), (9, 10), (50, 20)))).splits.train.shape == (3, 32, 32)
    assert read_zip(pack(sizes((8, 10), (9, 10))), size=(5, 7)).splits.train.shape == (3, 5, 7)


def test_other_sizes_are_fitted_whole_on_white(pack, encode) -> None:
    files = {f"{kind}/{i}.png": encode(Image.new("RGB", (8, 8), "red")) for kind in "ab" for i in range(3)}
    files["a/wide.png"] = encode(Image.new("RGB", (16, 8), "blue"))
    wanted = torch.full((3, 8, 8), 255, dtype=torch.uint8)
    wanted[:2, 2:6] = 0
    assert (wanted.numpy().tobytes(), "a") in contents(read_zip(pack(files)))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_broken_files_are_skipped_and_listed(pack, animals, tmp_path: Path, kind: str) -> None:
    broken = {"cat/3.png": animals["cat/3.png"][:60], "dog/7.png": b"no picture"}
    files = {**animals, **broken}
    loaded = read_zip(pack(files)) if kind == "zip" else read_folder(spread(tmp_path / "set", files))
    assert contents(loaded) == {
        (planes(content), path.split("/")[0]) for path, content in animals.items() if path not in broken
    }
    assert sorted(reason.split(":")[0] for reason in loaded.skipped) == ["cat/3.png", "dog/7.png"]
    assert all(": " in reason for reason in loaded.skipped)


def test_more_than_half_broken_is_refused_half_is_not(pack, noise, encode) -> None:
    good = {f"{kind}/{i}.png": encode(noise(6, 6, seed=i)) for kind in "ab" for i in range(20)}
    half = {**good, **{f"{kind}/bad{i}.png": b"bad" for kind in "ab" for i in range(20)}}
    assert len(read_zip(pack(half)).skipped) == 40
    with pytest.raises(UserError, match="41 of 81 images are broken"):
        read_zip(pack({**half, "a/one_more.png": b"bad"}))


def test_a_class_without_a_readable_image_is_named(pack, animals) -> None:
    with pytest.raises(UserError, match="class 'owl' has no readable training image"):
        read_zip(pack({**animals, "owl/1.png": b"bad"}))


def test_without_any_test_image_the_cure_is_told(pack, animals) -> None:
    with pytest.raises(UserError, match="at least two images"):
        read_zip(pack({"cat/0.png": animals["cat/0.png"], "dog/0.png": animals["dog/0.png"]}))


def test_too_many_pixels_are_refused_before_they_are_allocated(pack, animals) -> None:
    with pytest.raises(UserError, match="smaller size"):
        read_zip(pack(animals), size=(8000, 8000))


@pytest.mark.parametrize("workers", [1, 3])
def test_progress_counts_images_and_threads_change_nothing(pack, noise, encode, monkeypatch, workers: int) -> None:
    files = {f"{kind}/{i}.png": encode(noise(6, 6, seed=i)) for kind in "ab" for i in range(300)}
    path = pack(files)
    plain = read_zip(path).splits.train.fingerprint
    monkeypatch.setattr(folder, "_LARGE", 1)
    monkeypatch.setattr(folder, "_WORKERS", workers)
    seen: list[tuple[int, int]] = []
    loaded = read_zip(path, progress=lambda *figures: seen.append(figures))
    assert loaded.splits.train.fingerprint == plain
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert len(seen) == 3
    assert seen[-1] == (600, 600)


def test_an_exception_from_progress_stops_the_reading(pack, animals) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_zip(pack(animals), progress=stop)


def test_links_in_a_folder_are_left_out(animals, tmp_path: Path) -> None:
    root = spread(tmp_path / "set", animals)
    outside = spread(tmp_path / "outside", {"secret.png": animals["cat/0.png"]})
    (root / "cat" / "link.png").symlink_to(outside / "secret.png")
    (root / "owl").symlink_to(outside)
    (root / "cat" / "loop").symlink_to(root)
    loaded = read_folder(root)
    assert len(contents(loaded)) == 20
    assert loaded.splits.train.class_names == ("cat", "dog")
    assert sorted(reason.split(":")[0] for reason in loaded.skipped) == ["cat/link.png", "cat/loop", "owl"]


def test_an_unreadable_folder_is_listed(animals, tmp_path: Path, monkeypatch) -> None:
    root = spread(tmp_path / "set", animals | {"owl/1.png": animals["cat/0.png"], "owl/2.png": animals["cat/0.png"]})
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("owl"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    loaded = read_folder(root)
    assert loaded.splits.train.class_names == ("cat", "dog")
    assert len(loaded.skipped) == 1
    assert "owl: cannot be read (Permission denied)" in loaded.skipped[0]


def test_hidden_folders_are_not_entered(animals, tmp_path: Path) -> None:
    loaded = read_folder(spread(tmp_path / "set", {**animals, ".git/owl/1.png": animals["cat/0.png"]}))
    assert loaded.splits.train.class_names == ("cat", "dog")
    assert loaded.skipped == ()


def test_an_impossible_size_is_refused(pack, animals) -> None:
    with pytest.raises(UserError, match=r"got \(0, 8\)"):
        read_zip(pack(animals), size=(0, 8))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder at .*nowhere"):
        read_folder(tmp_path / "nowhere")


MEASURE = """
import json, sys, time
from robust_core.data import read_zip
start = time.perf_counter(), time.process_time()
loaded = read_zip(sys.argv[1])
wall, seconds = time.perf_counter() - start[0], time.process_time() - start[1]
# VmHWM, not getrusage: the latter also counts what the parent process had at its peak.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
splits = loaded.splits
print(json.dumps({
    "wall": wall, "seconds": seconds, "kib": peak, "skipped": len(loaded.skipped), "names": splits.train.class_names,
    "train": splits.train.labels.bincount().tolist(), "test": splits.test.labels.bincount().tolist(),
    "shape": splits.train.shape, "mean": splits.test.images.double().mean().item() / 255,
}))
"""


@pytest.mark.slow
def test_sixty_thousand_jpegs_load_in_time_and_memory(real_data: Path) -> None:
    path = real_data / "cifar10-images.zip"
    if not path.is_file() or not Path("/proc/self/status").is_file():
        pytest.skip(f"no {path}")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    print(
        f"{found['wall']:.1f} s, {found['seconds']:.1f} s of them on a core, {found['kib'] / 2**20:.2f} GiB at the peak"
    )
    assert found["names"] == list(CLASS_NAMES)
    assert found["train"] == [5000] * 10
    assert found["test"] == [1000] * 10
    assert found["shape"] == [3, 32, 32]
    assert found["skipped"] == 0
    assert abs(found["mean"] - 0.477) < 0.005  # CIFAR-10's test images are this bright
    assert found["seconds"] < 40  # on a core: on an idle machine the two times are one, as one thread reads
    assert found["kib"] * 1024 < 10**9
