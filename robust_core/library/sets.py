"""The image sets as a table, the import of a user's own, and deleting them: with undo, as everything here."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from robust_core import data
from robust_core.data import Progress, cache_folder, own
from robust_core.data.archive import Limits
from robust_core.library import trash
from robust_core.library.limits import plain, refuse_when_read_only, slug
from robust_core.library.storage import refuse_when_full, size_of
from robust_core.library.trash import Trashed
from robust_core.types import UserError

KIND = "data set"
LIMITS = Limits(files=100_000, file_bytes=32 * 2**20, total_bytes=2 * 2**30)
CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class Row:
    """A data set in the table. here: can it be loaded without network now? size: bytes on the disk."""

    name: str
    title: str
    here: bool
    own: bool
    train: int
    test: int
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    size: int
    download: int
    source: str
    licence: str
    fingerprints: tuple[str, str] | None
    deletable: bool


def rows() -> list[Row]:
    """Every data set known by name, those that are here first. Nothing is loaded."""
    found = [row for name in data.DATASETS.names() if (row := _row(name)) is not None]
    return sorted(found, key=lambda row: (not row.here, row.own, row.title))


def _row(name: str) -> Row | None:
    try:
        known = data.DATASETS[name]
    except UserError:  # deleted since it was listed
        return None
    here, files = known.ready(), known.files()
    return Row(
        name=name,
        title=known.title,
        here=here,
        own=known.own,
        train=known.train,
        test=known.test,
        shape=known.shape,
        class_names=known.class_names,
        size=sum(size_of(path) for path in files),
        download=known.download,
        source=known.source,
        licence=known.licence,
        fingerprints=known.fingerprints,
        deletable=bool(files) and cache_folder() in files[0].parents,
    )


def problems() -> list[own.Found]:
    """The folders of own sets that cannot be used."""
    return [found for found in own.find_all() if found.problem is not None]


def bring(
    content: bytes | Path,
    *,
    file: str,
    title: str,
    licence: str = "",
    source: str = "",
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> tuple[own.OwnSet, tuple[str, ...]]:
    """Keeps the images of a zip as a data set of the user's own; returns it, and each file left out with its reason.

    content: the zip's bytes, or the path of a zip or folder; file: its name, as told where it is refused. title: as
    people call it; the set's name is made from that. licence and source: as the user says. size: (height, width), None
    as `read_zip` does. Raises UserError, and leaves nothing, for what cannot be taken, and a name in use.
    """
    refuse_when_read_only()
    refuse_when_full()
    title, name = plain(title, "the title"), slug(title)
    if name in data.DATASETS.names() or any(found.name == name for found in own.find_all()):
        raise UserError(f"there is a data set {name!r} already; take another title, or delete that one")
    source = (
        plain(source, "the source", most=200)
        if source.strip()
        else f"imported from {plain(file, 'the file', most=200)}"
    )
    licence = plain(licence, "the licence", most=200) if licence.strip() else ""
    loaded = _read(content, file, size, progress)
    classes = loaded.splits.train.class_names
    if len(classes) > CLASSES:
        raise UserError(f"{file}: {len(classes)} classes are too many, at most {CLASSES} are taken")
    for each in classes:
        plain(each, f"{file}: a class's folder name")
    return own.keep(loaded.splits, name=name, title=title, source=source, licence=licence), loaded.skipped


def _read(content: bytes | Path, file: str, size: tuple[int, int] | None, progress: Progress | None) -> data.Loaded:
    if isinstance(content, Path) and content.is_dir():
        return data.read_folder(content, size=size, name=file, progress=progress)
    packed = content if isinstance(content, Path) else io.BytesIO(content)
    return data.read_zip(packed, size=size, name=file, progress=progress, limits=LIMITS)


def delete(name: str) -> Trashed:
    """Moves a data set's files into the trash. Raises UserError where it is gone, or comes with the program."""
    refuse_when_read_only()
    cache = cache_folder()
    broken = next((found.folder for found in problems() if found.name == name), None)
    files = [broken] if broken is not None else data.DATASETS[name].files()
    title = name if broken is not None else data.DATASETS[name].title
    if any(cache not in path.parents for path in files):
        raise UserError(f"{title} comes with the program and is not deleted here")
    if not files:
        raise UserError(f"{title} is not here any more; somebody else may have deleted it")
    return trash.discard(cache, [path.relative_to(cache).as_posix() for path in files], kind=KIND, title=title)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """Samples of a data set. fingerprints: of its two halves."""

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    fingerprints: tuple[str, str] | None


def sheet(name: str, each: int = 6, classes: int = 12) -> Sheet:
    """The first test images of each class, `each` of them or as many as there are, of the first classes.

    Loads the whole set, except one of the user's own, of which 4,000 images are looked at.
    """
    known = data.DATASETS[name]
    prints = known.fingerprints
    if known.own:
        images, labels = own.first_images(name, 4000)
    else:
        splits = data.load(name)
        images, labels = splits.test.images, splits.test.labels
        prints = prints or (splits.train.fingerprint, splits.test.fingerprint)
    chosen = [(labels == k).nonzero()[:each, 0] for k in range(min(classes, len(known.class_names)))]
    index = torch.cat(chosen)
    return Sheet(images=images[index], labels=labels[index], fingerprints=prints)
