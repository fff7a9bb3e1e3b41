"""Deleting that can be undone: what is deleted moves into a folder beside it, and back again.

<root>/.trash/<id>/trashed.json says what it was, <id>/kept/… holds it under the path it had below the root. A move is
one rename on one file system; the note is written before it, so after a kill at any moment everything is in one place.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from robust_core.folders import locked, write_whole
from robust_core.library.limits import refuse_when_read_only
from robust_core.library.storage import size_of
from robust_core.types import UserError

TRASH, NOTE, KEPT, LOCK = ".trash", "trashed.json", "kept", ".lock"
DAYS = 30  # after which something is gone for good, the next time anything is deleted
_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
_PART = re.compile(r"\w[\w.,+=@~() -]{0,99}")
_WAIT = 5.0  # seconds; the lock is held for milliseconds


@dataclass(frozen=True, kw_only=True)
class Trashed:
    """Something deleted. paths: below the root, where it came from. when: seconds since 1970. size: bytes."""

    id: str
    root: Path
    kind: str
    title: str
    paths: tuple[str, ...]
    when: float
    size: int

    @property
    def days_left(self) -> float:
        return max(0.0, DAYS - (time.time() - self.when) / 86400)


def discard(root: Path, paths: Sequence[str], *, kind: str, title: str) -> Trashed:
    """Moves what lies at these paths below the root into its trash, and empties that of what is older than DAYS.

    kind and title say to people what it was. Raises UserError for a path that leaves the root or is hidden, where
    nothing is there (any more), and where it cannot be moved.
    """
    refuse_when_read_only()
    for path in paths:
        _refuse_hostile(path)
    with _held(root):
        there = [path for path in paths if os.path.lexists(root / path)]
        if not there:
            raise UserError(f"{title} is not here any more; somebody else may have deleted it")
        id_ = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"
        entry = root / TRASH / id_
        (entry / KEPT).mkdir(parents=True)
        note = {"kind": kind, "title": title, "paths": there, "when": time.time()}
        write_whole(entry / NOTE, json.dumps(note).encode())
        for path in there:
            _move(root / path, entry / KEPT / path, title)
            with suppress(OSError):  # not empty, or the root itself
                if (root / path).parent != root:
                    (root / path).parent.rmdir()
        found = _read(root, id_)
    if found is None:
        raise UserError(f"{title} is not here any more; somebody else may have deleted it")
    _empty_old(root)
    return found


def restore(root: Path, id_: str) -> Trashed:
    """Puts it back where it was. Raises UserError where it is gone, or its place is taken again."""
    refuse_when_read_only()
    with _held(root):
        found = _known(root, id_)
        kept = root / TRASH / id_ / KEPT
        there = [path for path in found.paths if os.path.lexists(kept / path)]
        for path in there:
            if os.path.lexists(root / path):
                raise UserError(f"{path} is there again; delete that one first, and then take {found.title} back")
        for path in there:
            _move(kept / path, root / path, found.title)
        shutil.rmtree(root / TRASH / id_, ignore_errors=True)
    return found


def look(root: Path) -> list[Trashed]:
    """What lies in the trash, the last deleted first."""
    try:
        ids = [entry.name for entry in os.scandir(root / TRASH)]
    except OSError:
        return []
    found = [_read(root, id_) for id_ in ids if _ID.fullmatch(id_)]
    return sorted((each for each in found if each is not None), key=lambda each: each.when, reverse=True)


def empty(root: Path, id_: str | None = None) -> int:
    """Deletes one thing, or everything in the trash, for good; returns the bytes. Raises UserError where it is gone."""
    refuse_when_read_only()
    freed = 0
    for each in look(root) if id_ is None else [_known(root, id_)]:
        with _held(root):
            entry = root / TRASH / each.id
            going = entry.with_name(entry.name + ".gone")  # from here on nobody takes it for something to restore
            with suppress(FileNotFoundError):
                entry.rename(going)
        shutil.rmtree(going, ignore_errors=True)
        freed += each.size
    return freed


def _empty_old(root: Path) -> None:
    for each in look(root):
        if each.days_left == 0:
            with suppress(UserError):
                empty(root, each.id)
    for left in (root / TRASH).glob("*.gone"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)


def _known(root: Path, id_: str) -> Trashed:
    found = _read(root, id_) if _ID.fullmatch(id_) else None
    if found is None:
        raise UserError("that is not in the trash any more; it was restored or deleted for good")
    return found


def _read(root: Path, id_: str) -> Trashed | None:
    """None where there is nothing of that name, or nothing in it."""
    entry = root / TRASH / id_
    try:
        note = json.loads((entry / NOTE).read_bytes())
        paths = tuple(str(path) for path in note["paths"])
        for path in paths:
            _refuse_hostile(path)
        if not any(os.path.lexists(entry / KEPT / path) for path in paths):
            return None
        return Trashed(
            id=id_,
            root=root,
            kind=str(note["kind"]),
            title=str(note["title"]),
            paths=paths,
            when=float(note["when"]),
            size=size_of(entry / KEPT),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refuse_hostile(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not parts or "/".join(parts) != path or not all(_PART.fullmatch(part) for part in parts):
        raise UserError(f"{path!r} is not a name that something here can have; nothing was moved")


def _move(source: Path, target: Path, title: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source, target)
    except FileNotFoundError as error:
        raise UserError(f"{title} is not here any more; somebody else may have deleted it") from error
    except OSError as error:
        raise UserError(f"{title} cannot be moved: {error.strerror}; delete or move {source} by hand") from error


@contextmanager
def _held(root: Path) -> Iterator[None]:
    try:
        (root / TRASH).mkdir(parents=True, exist_ok=True)
        with locked(root / TRASH / LOCK, wait=_WAIT):
            yield
    except TimeoutError as error:
        raise UserError(f"the trash of {root} is busy; try again in a moment") from error
    except PermissionError as error:
        raise UserError(f"{error.filename or root} may not be written to here: {error.strerror}") from error
