"""How much room things take on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from robust_core import checkpoints
from robust_core.data import cache_folder
from robust_core.types import UserError

VARIABLE, USUAL_MB = "ROBUSTLENS_MAX_LIBRARY_MB", 20_000.0


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 where there is nothing. Links count as themselves."""
    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
    except OSError:
        return 0
    total = 0
    for parent, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:  # removed since it was listed
                continue
    return total


def told_bytes(count: float) -> str:
    """For people: 512 B, 1.2 kB, 31 MB, 4.5 GB, in powers of a thousand."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 9.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def refuse_when_full() -> None:
    """Raises UserError where checkpoints and data sets, with their trash, take all the room they may."""
    text = os.environ.get(VARIABLE, "")
    try:
        allowed = float(text) if text else USUAL_MB
    except ValueError:
        raise UserError(f"{VARIABLE} must be a number; got {text!r}; unset it for {USUAL_MB:g}") from None
    used = (size_of(checkpoints.zoo_folder()) + size_of(cache_folder())) / 1e6
    if used >= allowed:
        raise UserError(
            f"checkpoints and data sets take {used:,.0f} MB of the {allowed:,.0f} they may ({VARIABLE}); "
            "delete some and empty the trash"
        )
