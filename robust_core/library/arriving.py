"""What arrives is made in a folder that nobody lists, and stands on the shelf by one rename: whole, or not at all."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from robust_core import checkpoints
from robust_core.library.limits import slug
from robust_core.library.storage import refuse_when_full
from robust_core.types import UserError

INCOMING = ".incoming"
LEFT_BEHIND = 86400.0  # seconds after which nobody is still making it


@contextmanager
def room(root: Path) -> Iterator[Path]:
    """An empty folder on the same file system; what is left in it is deleted in the end.

    What is made in it lies one folder deeper, where nobody looks for checkpoints. Raises UserError where nothing can be
    written.
    """
    refuse_when_full()
    folder = root / INCOMING / uuid.uuid4().hex
    _sweep(root / INCOMING)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{root} may not be written to here: {error.strerror}") from error
    try:
        yield folder
    except OSError as error:
        raise UserError(f"{root}: {error.strerror or error}; nothing was imported") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(incoming: Path) -> None:
    """What a process that was killed left behind."""
    for left in incoming.glob("*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_BEHIND:
                shutil.rmtree(left, ignore_errors=True)


def place_of(data_name: str, name: str) -> str:
    """ "<data>/<name>" for a checkpoint to be, where it is free. Raises UserError where it is taken."""
    found = f"{slug(data_name)}/{slug(name)}"
    if os.path.lexists(checkpoints.zoo_folder() / found):
        raise UserError(f"there is a checkpoint {found} already; give this one another name, or delete that one")
    return found


def settle(made: Path, place: str) -> None:
    """Puts a finished folder in its place among the checkpoints. Raises UserError where that was taken meanwhile."""
    target = checkpoints.zoo_folder() / place
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(made, target)
    except OSError as error:
        raise UserError(f"there is a checkpoint {place} already; give this one another name") from error
