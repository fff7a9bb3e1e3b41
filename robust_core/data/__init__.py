"""Image sets by name: bundled, downloaded, or the user's own folder or zip."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from robust_core.data import cifar10, fashion_mnist, own
from robust_core.data.augment import Augmentation, flip, pad_crop
from robust_core.data.download import Progress, cache_folder
from robust_core.data.folder import Loaded, read_folder, read_zip
from robust_core.data.split import holdout
from robust_core.data.upload import read_image
from robust_core.registry import Registry, unknown
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

    download: bytes, if not. train, test: how many images. fingerprints: of the two halves, where they are known
    without loading. files: where it lies on the disk now. own: whether a user brought it.
    """

    title: str
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    load: Callable[[Progress | None], Splits]
    ready: Callable[[], bool]
    download: int
    train: int = 0
    test: int = 0
    source: str = ""
    licence: str = ""
    fingerprints: tuple[str, str] | None = None
    files: Callable[[], list[Path]] = list
    own: bool = False


class Datasets(Registry[Dataset]):
    """The data sets that the program knows, and those of the user's own that lie in the cache folder now."""

    def __getitem__(self, name: str) -> Dataset:
        if name in self._entries:
            return self._entries[name]
        known = own.facts(name)
        if known is None:
            raise unknown(self.kind, name, self.names())
        return _own(known)

    def names(self) -> list[str]:
        return sorted({*self._entries, *(each.name for each in own.find_all() if each.facts is not None)})

    def shipped(self) -> list[str]:
        """The names that the program itself knows."""
        return sorted(self._entries)


def _own(known: own.OwnSet) -> Dataset:
    folder = cache_folder() / own.FOLDER / known.name
    return Dataset(
        title=known.title,
        shape=known.shape,
        class_names=known.class_names,
        load=lambda progress: own.load(known.name),
        ready=lambda: True,
        download=0,
        train=known.train,
        test=known.test,
        source=known.source,
        licence=known.licence,
        fingerprints=known.fingerprints,
        files=lambda: [folder],
        own=True,
    )


DATASETS = Datasets("data set")
DATASETS.register("fashion_mnist_small")(
    Dataset(
        title="Fashion-MNIST, bundled subset",
        shape=fashion_mnist.SHAPE,
        class_names=fashion_mnist.CLASS_NAMES,
        load=fashion_mnist.load_small,
        ready=lambda: True,
        download=0,
        train=10_000,
        test=2_000,
        source="comes with RobustLens; of https://github.com/zalandoresearch/fashion-mnist",
        licence=fashion_mnist.LICENCE,
        fingerprints=(
            "e02dcc90a27a56a2822812f828299376502d265871f95e056f18cbfe4844135c",
            "f3f6070536cf951b4c1330b7315ac2025825ab3e216df58fcbf2b9a61bdbfb2d",
        ),
        files=lambda: [fashion_mnist.BUNDLED],
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
        train=60_000,
        test=10_000,
        source="https://github.com/zalandoresearch/fashion-mnist",
        licence=fashion_mnist.LICENCE,
        fingerprints=(
            "1915d3dba39ae2cde56bccec834b7d15cc2b99e111d7ecd80f474e871a0f7068",
            "1bb0bb309d12f1cad58c37b1ac72e810e003b99b458b9e180ec1bbf9b421c11e",
        ),
        files=fashion_mnist.here,
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
        train=50_000,
        test=10_000,
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence="none stated; its author asks to be cited: Krizhevsky 2009",
        files=cifar10.here,
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
