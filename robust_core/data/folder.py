"""The user's own images: a folder or a zip with one sub-folder a class, or train/ and test/ of such."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import torch
from jaxtyping import UInt8
from torch import Tensor

from robust_core.data.archive import Limits, ZipSource, is_junk, not_a_picture
from robust_core.data.classes import Layout, find_layout
from robust_core.data.download import Progress
from robust_core.data.picture import read_pixels, read_size
from robust_core.types import ImageSet, Splits, UserError

DEFAULT_SIZE = (32, 32)
MAX_BROKEN = 0.5
MAX_PIXEL_BYTES = 2 * 2**30
_SAMPLE = 1000  # headers looked at to find the common size
_CHUNK = 256
_LARGE = 128 * 128  # pixels from which decoding outweighs Python's part, so that threads gain more than they cost
_WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """skipped: every file that was left out, as "path: reason"."""

    splits: Splits
    skipped: tuple[str, ...]


class Source(Protocol):
    """Named bytes, wherever they lie."""

    skipped: list[str]

    @property
    def names(self) -> Sequence[str]: ...
    def read(self, path: str) -> bytes: ...


def read_folder(
    path: str | Path, *, size: tuple[int, int] | None = None, name: str | None = None, progress: Progress | None = None
) -> Loaded:
    """The images of a folder as uint8 image sets; classes are the sub-folders' names, sorted.

    Laid out as `class/image` or `train|test/class/image` (val counts as test where there is none), also inside folders
    that hold everything. Without halves, a fifth of each class becomes the test set, drawn with seed 0; the order
    within a half is random with the same seed. size: (height, width); None takes the size that more than half of the
    images have (of 1,000 looked at), else 32×32. Other sizes are fitted in whole, on white. One channel where every
    image is grey, else RGB. Links are not followed. progress counts images; broken ones are skipped and listed.
    Raises UserError for no images, one class only, more than half broken, or over 2 GiB of pixels.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"no folder at {folder}; give one with a sub-folder of images for each class")
    return _load(FolderSource(folder), name or folder.resolve().name, size, progress)


def read_zip(
    file: str | Path | BinaryIO,
    *,
    size: tuple[int, int] | None = None,
    name: str | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Loaded:
    """The images of a zip, laid out and treated as `read_folder` says; nothing is unpacked to disk.

    file: a path, or an open binary file. Unsafe names, links and archives inside are skipped and listed. Raises
    UserError as `read_folder` does, and for what is no zip or unpacks beyond `limits`.
    """
    if isinstance(file, (str, Path)) and not Path(file).is_file():
        raise UserError(f"no zip at {file}; give a .zip with a sub-folder of images for each class")
    path = file if isinstance(file, (str, Path)) else getattr(file, "name", None)
    name = name or (Path(path).stem if isinstance(path, (str, Path)) else "upload")
    source = ZipSource(file, name=name, limits=limits)
    try:
        return _load(source, name, size, progress)
    finally:
        source.close()


class FolderSource:
    """The image files under a folder; links are left out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.skipped: list[str] = []
        self.names: list[str] = []
        for parent, folders, files in os.walk(root, onerror=self._unreadable):
            place = Path(parent).relative_to(root)
            folders[:] = sorted(each for each in folders if not is_junk((each,)))  # walked in this order
            for link in [each for each in folders if Path(parent, each).is_symlink()]:
                self.skipped.append(f"{(place / link).as_posix()}: a link")
            for each in sorted(files):
                self._take(place / each)

    def _unreadable(self, error: OSError) -> None:
        self.skipped.append(f"{error.filename}: cannot be read ({error.strerror})")

    def _take(self, path: Path) -> None:
        if is_junk(path.parts):
            return
        full = self.root / path
        reason = "a link or a special file" if full.is_symlink() or not full.is_file() else not_a_picture(path.name)
        if reason is None:
            self.names.append(path.as_posix())
        else:
            self.skipped.append(f"{path.as_posix()}: {reason}")

    def read(self, path: str) -> bytes:
        """The bytes of one file. Raises UserError where it cannot be read or is too large."""
        limit = Limits().file_bytes
        try:
            with (self.root / path).open("rb") as stream:
                data = stream.read(limit + 1)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        if len(data) > limit:
            raise UserError(f"{path}: more than {limit // 2**20} MiB")
        return data


def _load(source: Source, name: str, size: tuple[int, int] | None, progress: Progress | None) -> Loaded:
    layout = find_layout(source.names, name=name)
    sizes = _survey(source, layout.paths)
    size = size or _common_size(sizes)
    if min(size) < 1:
        raise UserError(f"{name}: images need a height and width of at least 1, got {size}")
    large = sum(count for (height, width), count in sizes.items() if height * width >= _LARGE)
    workers = _WORKERS if 2 * large > sizes.total() else 1
    needed = len(layout.paths) * 3 * size[0] * size[1]
    if needed > MAX_PIXEL_BYTES:
        raise UserError(
            f"{name}: {len(layout.paths)} images of {size[0]}×{size[1]} need {needed / 2**30:.1f} GiB, at most "
            f"{MAX_PIXEL_BYTES / 2**30:.0f} GiB are taken; ask for a smaller size"
        )
    images, broken = _decode(source, layout, size, workers, progress)
    if len(broken) > MAX_BROKEN * len(layout.paths):
        raise UserError(
            f"{name}: {len(broken)} of {len(layout.paths)} images are broken, for one "
            f"{next(iter(broken.values()))}; make the folder or zip anew"
        )
    splits = _splits(images, layout, broken, name)
    return Loaded(splits=splits, skipped=(*source.skipped, *layout.skipped, *(broken[i] for i in sorted(broken))))


def _survey(source: Source, paths: Sequence[str]) -> Counter[tuple[int, int]]:
    """How often each (height, width) occurs; evenly spaced images stand for very many."""
    sizes: Counter[tuple[int, int]] = Counter()
    for path in paths[:: max(1, len(paths) // _SAMPLE)]:
        try:
            sizes[read_size(source.read(path), name=path)] += 1
        except UserError:
            continue  # counted and listed when it is decoded
    return sizes


def _common_size(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    """The size more than half of the images have, else 32×32."""
    size, count = sizes.most_common(1)[0] if sizes else (DEFAULT_SIZE, 0)
    return size if 2 * count > sizes.total() else DEFAULT_SIZE


def _decode(
    source: Source, layout: Layout, size: tuple[int, int], workers: int, progress: Progress | None
) -> tuple[UInt8[Tensor, "n c h w"], dict[int, str]]:
    """All images in one tensor, of one channel where all are grey, and why some rows hold nothing."""
    images = torch.empty((len(layout.paths), 3, *size), dtype=torch.uint8)
    rows = images.numpy()

    def work(start: int) -> tuple[int, bool, dict[int, str]]:
        broken = {}
        stop = min(start + _CHUNK, len(rows))
        for i in range(start, stop):
            path = layout.paths[i]
            try:
                rows[i] = read_pixels(source.read(path), size=size, name=path).transpose(2, 0, 1)
            except UserError as error:
                rows[i] = 0
                broken[i] = str(error)
        chunk = rows[start:stop]
        grey = bool((chunk[:, 0] == chunk[:, 1]).all() and (chunk[:, 1] == chunk[:, 2]).all())
        return stop - start, grey, broken

    done, all_grey, all_broken = 0, True, {}
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, start) for start in range(0, len(rows), _CHUNK)]
        try:
            for future in as_completed(futures):
                count, grey, broken = future.result()
                done, all_grey = done + count, all_grey and grey
                all_broken.update(broken)
                if progress is not None:
                    progress(done, len(rows))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # stopped from outside: the rest need not be read
            raise
    return (images[:, :1].contiguous() if all_grey else images), all_broken


def _splits(images: Tensor, layout: Layout, broken: dict[int, str], name: str) -> Splits:
    labels = torch.tensor(layout.labels)
    n_train = layout.n_train
    if broken:
        whole = torch.tensor([i not in broken for i in range(len(labels))])
        n_train = int(whole[:n_train].sum())
        images, labels = images[whole], labels[whole]
    counts = torch.bincount(labels[:n_train], minlength=len(layout.class_names))
    if int(counts.min()) == 0:
        raise UserError(f"{name}: class {layout.class_names[int(counts.argmin())]!r} has no readable training image")
    if n_train == len(labels):
        raise UserError(f"{name}: no test images; give each class at least two images, or a folder test/")

    def half(chosen: slice) -> ImageSet:
        return ImageSet(
            images=images[chosen],
            labels=labels[chosen],
            class_names=layout.class_names,
            name=name,
            origin=f"own images, read from {name!r}",
        )

    return Splits(train=half(slice(n_train)), test=half(slice(n_train, None)))
