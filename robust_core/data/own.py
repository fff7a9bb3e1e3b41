"""Image sets that users brought, kept in the cache: a folder each, of pixels as they were read, and what is said of it.

<cache>/own/<name>/set.json  images.safetensors. A set appears whole, by one rename; from then on it is known by name.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from robust_core.data.download import cache_folder
from robust_core.folders import write_tensors, write_whole
from robust_core.types import ImageSet, Splits, UserError

FOLDER, FACTS, PIXELS = "own", "set.json", "images.safetensors"
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class OwnSet(BaseModel):
    """What is known of a set without its pixels. shape: (C, H, W). fingerprints: of the training and the test half."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    name: str = Field(pattern=f"^{NAME.pattern}$")
    title: str = Field(min_length=1, max_length=80)
    source: str = ""
    licence: str = ""
    shape: tuple[int, int, int]
    class_names: tuple[str, ...] = Field(min_length=2)
    train: int = Field(gt=0)
    test: int = Field(gt=0)
    fingerprints: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A folder that should hold a set. problem: one sentence on why it cannot be used, or None."""

    folder: Path
    name: str
    facts: OwnSet | None
    problem: str | None = None


def find_all(cache: Path | None = None) -> list[Found]:
    """Every set of the user's own, by name. Takes a fraction of a millisecond a set."""
    root = (cache or cache_folder()) / FOLDER
    try:
        names = sorted(entry.name for entry in os.scandir(root) if NAME.fullmatch(entry.name) and entry.is_dir())
    except OSError:
        return []
    return [_look(root / name) for name in names]


def facts(name: str, cache: Path | None = None) -> OwnSet | None:
    """What is known of the set of this name; None where there is none that can be used."""
    folder = (cache or cache_folder()) / FOLDER / name
    return _look(folder).facts if NAME.fullmatch(name) and folder.is_dir() else None


def keep(splits: Splits, *, name: str, title: str, source: str, licence: str, cache: Path | None = None) -> OwnSet:
    """Stores a set under a name. Raises UserError for a name that is none or is taken, and where the disk refuses."""
    if not NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no name for a data set; take small letters, digits and _, at most 40, a letter first"
        )
    folder = (cache or cache_folder()) / FOLDER / name
    if folder.exists():
        raise UserError(f"there is a data set {name!r} already; take another name, or delete that one")
    halves = {"train": splits.train, "test": splits.test}
    known = OwnSet(
        name=name,
        title=title,
        source=source,
        licence=licence,
        shape=splits.train.shape,
        class_names=splits.train.class_names,
        train=len(splits.train),
        test=len(splits.test),
        fingerprints=(splits.train.fingerprint, splits.test.fingerprint),
    )
    arriving = folder.with_name(f".{name}.{uuid.uuid4().hex[:8]}")
    try:
        arriving.mkdir(parents=True)
        tensors = {f"{half}_images": images.images for half, images in halves.items()}
        tensors |= {f"{half}_labels": images.labels for half, images in halves.items()}
        write_tensors(arriving / PIXELS, tensors)
        write_whole(arriving / FACTS, known.model_dump_json(indent=1).encode())
        os.rename(arriving, folder)
    except OSError as error:
        raise UserError(f"the data set {name!r} cannot be kept in {folder.parent}: {error.strerror}") from error
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return known


def load(name: str, cache: Path | None = None) -> Splits:
    """The set, as it was read. Raises UserError where it is gone, or is not what its set.json describes."""
    folder = (cache or cache_folder()) / FOLDER / name
    found = _look(folder)
    if found.facts is None:
        raise UserError(found.problem or f"data set {name!r} is not here")
    known = found.facts
    tensors = _tensors(folder / PIXELS, name)
    try:
        train, test = (
            ImageSet(
                images=tensors[f"{half}_images"],
                labels=tensors[f"{half}_labels"],
                class_names=known.class_names,
                name=name,
                origin=known.source,
                licence=known.licence,
            )
            for half in ("train", "test")
        )
    except KeyError as error:
        raise UserError(f"data set {name!r}: {PIXELS} lacks {error}; delete it and import it again") from error
    if (train.fingerprint, test.fingerprint) != known.fingerprints:
        raise UserError(f"data set {name!r}: {PIXELS} is not what {FACTS} describes; delete it and import it again")
    return Splits(train=train, test=test)


def first_images(name: str, count: int, cache: Path | None = None) -> tuple[Tensor, Tensor]:
    """Pixels and labels of the first test images, read without the rest. Raises UserError as `load` does."""
    path = (cache or cache_folder()) / FOLDER / name / PIXELS
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_slice("test_images")[:count], file.get_slice("test_labels")[:count]
    except (SafetensorError, OSError) as error:
        raise UserError(f"data set {name!r}: {PIXELS} cannot be read; delete it and import it again") from error


def _tensors(path: Path, name: str) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  it is no dict
    except (SafetensorError, OSError) as error:
        raise UserError(f"data set {name!r}: {PIXELS} cannot be read; delete it and import it again") from error


def _look(folder: Path) -> Found:
    name, path = folder.name, folder / FACTS
    try:
        stat = path.stat()
        known = _parsed(str(path), stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        return Found(folder=folder, name=name, facts=None, problem=f"data set {name!r}: {FACTS}: {error.strerror}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        said = f"data set {name!r}: {FACTS} is not valid: {where}: {first['msg']}"
        return Found(folder=folder, name=name, facts=None, problem=said)
    if known.name != name:
        return Found(folder=folder, name=name, facts=None, problem=f"data set {name!r}: {FACTS} is of {known.name!r}")
    if not (folder / PIXELS).is_file():
        return Found(folder=folder, name=name, facts=None, problem=f"data set {name!r}: {PIXELS} is missing")
    return Found(folder=folder, name=name, facts=known)


@lru_cache(maxsize=256)
def _parsed(path: str, _mtime_ns: int, _size: int) -> OwnSet:
    return OwnSet.model_validate_json(Path(path).read_bytes())
