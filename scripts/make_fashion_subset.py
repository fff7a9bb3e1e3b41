"""Makes the bundled Fashion-MNIST subset: python scripts/make_fashion_subset.py FOLDER_WITH_THE_FOUR_IDX_GZ_FILES

Takes the first 1,000 training and the first 200 test images of each class, in the order of the full set, and writes
four gzip-compressed IDX files of the published names. The same full set gives the same bytes.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

from robust_core.data.fashion_mnist import BUNDLED, FILES, cached, load_full
from robust_core.data.idx import pack_idx
from robust_core.types import ImageSet, UserError

PER_CLASS = {"train": 1000, "test": 200}


def first_of_each_class(images: ImageSet, count: int) -> ImageSet:
    """The first `count` images of each class, in their old order."""
    index = [torch.nonzero(images.labels == k)[:count, 0] for k in range(len(images.class_names))]
    return images.subset(torch.cat(index).sort().values)


def main(source: Path, target: Path = BUNDLED) -> int:
    """Writes the subset of the full set in `source` into `target`; returns its size in bytes."""
    if not cached(source):
        raise UserError(f"the four files {', '.join(file.remote.name for file in FILES)} are not in {source}")
    full = load_full(cache=source)
    tensors = []
    for images, count in ((full.train, PER_CLASS["train"]), (full.test, PER_CLASS["test"])):
        chosen = first_of_each_class(images, count)
        tensors += [chosen.images[:, 0], chosen.labels.to(torch.uint8)]
    target.mkdir(parents=True, exist_ok=True)
    size = 0
    for file, values in zip(FILES, tensors, strict=True):
        # mtime=0: the date would make each run's bytes differ.
        size += (target / file.remote.name).write_bytes(gzip.compress(pack_idx(values), compresslevel=9, mtime=0))
    return size


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    try:
        print(f"{main(Path(sys.argv[1]))} bytes in {BUNDLED}")
    except UserError as error:
        raise SystemExit(str(error)) from error
