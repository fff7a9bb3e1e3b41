"""Image sets by name: bundled, downloaded, or the user's own folder or zip."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from robust_core.data import cifar10, fashion_mnist
from robust_core.data.augment import Augmentation, flip, pad_crop
from robust_core.data.download import Progress, cache_folder
from robust_core.data.folder import Loaded, read_folder, read_zip
from robust_core.data.split import holdout
from robust_core.data.upload import read_image
from robust_core.registry import Registry
from robust_core.types import Splits, UserError

__all__ = [
    "DATASETS",
    "Augmentation",
    "Dataset",
    "Loaded",
    "Progress",
    "available",
    "cache_folder",
    "flip",
    "holdout",
    "load",
    "pad_crop",
    "read_folder",
    "read_image",
    "read_zip",
]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set known by name. shape: (C, H, W) of an image. ready: whether it can be loaded without network now.

    download: bytes, if not.
    """

    title: str
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    load: Callable[[Progress | None], Splits]
    ready: Callable[[], bool]
    download: int


DATASETS: Registry[Dataset] = Registry("data set")
DATASETS.register("fashion_mnist_small")(
    Dataset(
        title="Fashion-MNIST, bundled subset",
        shape=fashion_mnist.SHAPE,
        class_names=fashion_mnist.CLASS_NAMES,
        load=fashion_mnist.load_small,
        ready=lambda: True,
        download=0,
    )
)
DATASETS.register("fashion_mnist")(
    Dataset(
        title="Fashion-MNIST",
        shape=fashion_mnist.SHAPE,
        class_names=fashion_mnist.CLASS_NAMES,
        load=fashion_mnist.load_full,
        ready=fashion_mnist.cached,
        download=sum(file.remote.size for file in fashion_mnist.FILES),
    )
)
DATASETS.register("cifar10")(
    Dataset(
        title="CIFAR-10",
        shape=cifar10.SHAPE,
        class_names=cifar10.CLASS_NAMES,
        load=cifar10.load_cifar10,
        ready=cifar10.cached,
        download=cifar10.ARCHIVE.size,
    )
)


def load(name: str | Path, *, progress: Progress | None = None) -> Splits:
    """The data set of a known name, else the user's own: an existing folder, or a .zip.

    progress counts bytes of a download, or images of a folder or zip. What `read_folder` and `read_zip` skipped is
    not told here. Raises UserError where nothing of that name is found or it cannot be had.
    """
    text = str(name)
    if text in DATASETS.names():
        return DATASETS[text].load(progress)
    path = Path(text).expanduser()
    if path.is_dir():
        return read_folder(path, progress=progress).splits
    if path.suffix.lower() == ".zip" or path.is_file():
        return read_zip(path, progress=progress).splits
    if os.sep in text:
        raise UserError(f"no folder or zip at {text}; known data sets: {', '.join(DATASETS.names())}")
    return DATASETS[text].load(progress)


def available() -> dict[str, bool]:
    """Each known name, and whether it can be loaded without network now."""
    return {name: DATASETS[name].ready() for name in DATASETS.names()}
