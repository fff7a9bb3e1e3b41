"""CIFAR-10 from its binary archive: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

The archive is read member by member as a stream: nothing is extracted, and no pickle is opened.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from robust_core.data.download import Progress, Remote, cache_folder, fetch
from robust_core.types import ImageSet, Splits, UserError

SHAPE = (3, 32, 32)
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar10"
ARCHIVE = Remote(
    name="cifar-10-binary.tar.gz",
    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    size=170_052_171,
)
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILES = ("test_batch.bin",)
_RECORD = 1 + 3 * 32 * 32  # label, then the red, green and blue planes
_MAX_MEMBER = 10_000 * _RECORD


def load_cifar10(progress: Progress | None = None, *, cache: Path | None = None, archive: Remote = ARCHIVE) -> Splits:
    """50,000 training and 10,000 test images, from the cache folder where the archive lies there, else by download.

    Raises UserError where it cannot be had or is not the published one.
    """
    cache = cache or cache_folder()
    path = cache / archive.name
    if not (path.is_file() and _md5(path) == archive.md5):
        [path] = fetch([archive], cache / FOLDER, what="CIFAR-10", progress=progress)
    members = _members(path)
    origin = "CIFAR-10 binary version, https://www.cs.toronto.edu/~kriz/cifar.html"

    def image_set(names: tuple[str, ...]) -> ImageSet:
        records = torch.cat([members[name] for name in names])
        return ImageSet(
            images=records[:, 1:].reshape(-1, 3, 32, 32).contiguous(),
            labels=records[:, 0].to(torch.int64),
            class_names=CLASS_NAMES,
            name="cifar10",
            origin=origin,
        )

    return Splits(train=image_set(TRAIN_FILES), test=image_set(TEST_FILES))


def cached(cache: Path | None = None) -> bool:
    """Whether an archive of this name is in the cache folder; its content is looked at on loading."""
    return bool(here(cache))


def here(cache: Path | None = None) -> list[Path]:
    """The archives of this name in the cache folder."""
    cache = cache or cache_folder()
    return [path for place in (cache, cache / FOLDER) if (path := place / ARCHIVE.name).is_file()]


def _members(path: Path) -> dict[str, Tensor]:
    """The six batches by file name, each uint8 (records, 3073)."""
    wanted, found = {*TRAIN_FILES, *TEST_FILES}, {}
    try:
        with tarfile.open(path, "r|gz") as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                stream = tar.extractfile(member) if name in wanted and member.isreg() else None
                if stream is None:
                    continue
                content = bytearray(stream.read(_MAX_MEMBER + 1))
                if not content or len(content) > _MAX_MEMBER or len(content) % _RECORD:
                    raise UserError(f"CIFAR-10: {name} in {path.name} has {len(content)} bytes, no whole records")
                found[name] = torch.frombuffer(content, dtype=torch.uint8).view(-1, _RECORD)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"CIFAR-10: {path} is damaged ({error}); delete it and load again") from error
    if missing := wanted - found.keys():
        raise UserError(f"CIFAR-10: {path.name} lacks {', '.join(sorted(missing))}; delete it and load again")
    return found


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
