"""Fashion-MNIST: the bundled subset, and the full set from the cache folder or the network.

Xiao, Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
arXiv 1708.07747. 28×28, grey, ten classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from robust_core.data.download import Progress, Remote, cache_folder, fetch
from robust_core.data.idx import gunzip, parse_idx, sha256
from robust_core.types import ImageSet, Splits, UserError

SHAPE = (1, 28, 28)
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
LICENCE = "MIT, Copyright (c) 2017 Zalando SE, https://tech.zalando.com"
BUNDLED = Path(__file__).parent / "bundled"
FOLDER = "fashion_mnist"
_MIRRORS = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)


@dataclass(frozen=True, kw_only=True)
class IdxFile:
    """One of the four files: as it is published, and what it unpacks to however it was packed."""

    remote: Remote
    sha256: str  # of the unpacked content
    length: int  # of the unpacked content, bytes


def _file(name: str, md5: str, size: int, content: str, length: int) -> IdxFile:
    urls = tuple(mirror + name for mirror in _MIRRORS)
    return IdxFile(remote=Remote(name=name, urls=urls, md5=md5, size=size), sha256=content, length=length)


FILES = (  # train images and labels, test images and labels
    _file(
        "train-images-idx3-ubyte.gz",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        26_421_880,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        47_040_016,
    ),
    _file(
        "train-labels-idx1-ubyte.gz",
        "25c81989df183df01b3e8a0aad5dffbe",
        29_515,
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        60_008,
    ),
    _file(
        "t10k-images-idx3-ubyte.gz",
        "bef4ecab320f06d8554ea6380940ec79",
        4_422_102,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        7_840_016,
    ),
    _file(
        "t10k-labels-idx1-ubyte.gz",
        "bb300cfdad3c16e7a12a480ee83cd310",
        5_148,
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        10_008,
    ),
)


def load_small(progress: Progress | None = None) -> Splits:
    """The bundled 10,000 training and 2,000 test images, equally many of each class. Needs no network."""
    contents = [
        gunzip((BUNDLED / file.remote.name).read_bytes(), limit=file.length, name=file.remote.name) for file in FILES
    ]
    origin = "Fashion-MNIST, the first images of each class: 1,000 of its training set, 200 of its test set"
    return _splits([parse_idx(content) for content in contents], "fashion_mnist_small", origin)


def load_full(
    progress: Progress | None = None, *, cache: Path | None = None, files: tuple[IdxFile, ...] = FILES
) -> Splits:
    """All 60,000 + 10,000 images, from the cache folder where they lie there, else by download (31 MB).

    Files in the cache folder, or its sub-folder `fashion_mnist`, count when their unpacked content is the published
    one; how they were compressed does not matter. Raises UserError where neither way gives all four.
    """
    cache = cache or cache_folder()
    contents = [_cached(file, cache) for file in files]
    missing = [file for file, content in zip(files, contents, strict=True) if content is None]
    if missing:
        fetch([file.remote for file in missing], cache / FOLDER, what="Fashion-MNIST", progress=progress)
    tensors = []
    for file, content in zip(files, contents, strict=True):
        content = content if content is not None else _cached(file, cache)
        if content is None:
            raise UserError(f"Fashion-MNIST: {file.remote.name} was downloaded but does not hold the published images")
        tensors.append(parse_idx(content, name=file.remote.name))
    return _splits(tensors, "fashion_mnist", "Fashion-MNIST, https://github.com/zalandoresearch/fashion-mnist")


def cached(cache: Path | None = None) -> bool:
    """Whether four files of these names are in the cache folder; their content is looked at on loading."""
    cache = cache or cache_folder()
    return all(any(path.is_file() for path in _places(file, cache)) for file in FILES)


def here(cache: Path | None = None) -> list[Path]:
    """The files of these names in the cache folder."""
    cache = cache or cache_folder()
    return [path for file in FILES for path in _places(file, cache) if path.is_file()]


def _places(file: IdxFile, cache: Path) -> tuple[Path, Path]:
    return cache / FOLDER / file.remote.name, cache / file.remote.name


def _cached(file: IdxFile, cache: Path) -> bytes | None:
    """The unpacked content of the first right copy in the cache folder; a damaged copy counts as none."""
    for path in _places(file, cache):
        if not path.is_file():
            continue
        try:
            content = gunzip(path.read_bytes(), limit=file.length, name=file.remote.name)
        except UserError:
            continue
        if sha256(content) == file.sha256:
            return content
    return None


def _splits(tensors: list[Tensor], name: str, origin: str) -> Splits:
    train_images, train_labels, test_images, test_labels = tensors

    def image_set(images: Tensor, labels: Tensor) -> ImageSet:
        return ImageSet(
            images=images[:, None],
            labels=labels.to(torch.int64),
            class_names=CLASS_NAMES,
            name=name,
            origin=origin,
            licence=LICENCE,
        )

    return Splits(train=image_set(train_images, train_labels), test=image_set(test_images, test_labels))
