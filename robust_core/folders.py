"""Files that survive a kill: written whole or not at all, and locks that the system lets go of."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

PATIENCE = 0.5  # seconds: longer than anybody holds a lock only to look at it


def write_whole(path: Path, content: bytes) -> None:
    """Writes beside the file, then renames over it; of several writers one is the last. Raises OSError (a full disk)
    with the old file kept."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def sweep(path: Path) -> None:
    """Removes what writers of this file left beside it when they were killed. Only where nobody may write it now."""
    for torn in path.parent.glob(f"{glob.escape(path.name)}.[0-9]*.[0-9]*.tmp"):
        torn.unlink(missing_ok=True)


def is_held(path: Path) -> bool:
    """Does a process hold this lock? Only looks: whoever wants to hold it waits that long."""
    try:
        with open(path, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def below(root: Path, deep: int) -> Iterator[Path]:
    """The folders in root, down to so many levels, by name. One that is gone when it is looked into has none:
    `Path.glob` would raise."""
    try:
        with os.scandir(root) as entries:
            found = sorted(entry.path for entry in entries if entry.is_dir())
    except OSError:
        return
    for path in found:
        yield Path(path)
        if deep > 1:
            yield from below(Path(path), deep - 1)


def is_full(error: BaseException) -> bool:
    """Did the disk, or this user's share of it, have no room?"""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """A .safetensors file, whole. Tensors are stored contiguous, whatever memory format they were trained in."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(stored, metadata=dict(metadata) if metadata else None))


@contextlib.contextmanager
def locked(path: Path, *, wait: float = PATIENCE) -> Iterator[None]:
    """Holds the lock file; the system lets go of it even after kill -9. Raises TimeoutError where another holds it."""
    until = time.monotonic() + wait
    while True:
        with open(path, "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise TimeoutError(f"{path} is held by another process") from error
                time.sleep(0.02)
                continue
            if _still_there(lock.fileno(), path):
                yield
                return


def _still_there(opened: int, path: Path) -> bool:
    """Whoever held the lock before may have removed the file: a lock on what nobody else can open locks nothing."""
    try:
        return os.fstat(opened).st_ino == os.stat(path).st_ino
    except FileNotFoundError:
        return False
