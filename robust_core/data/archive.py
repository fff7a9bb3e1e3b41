"""A zip of images that nobody vouches for: listed with suspicion, read in bounded pieces, never unpacked to disk."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from robust_core.data.picture import EXTENSIONS
from robust_core.types import UserError

ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"))
_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others cannot be unpacked in bounded pieces
_ENCRYPTED = 0x1


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a zip may cost. A ratio (unpacked / packed) counts from `ratio_from` unpacked bytes on."""

    files: int = 500_000
    file_bytes: int = 64 * 2**20
    total_bytes: int = 8 * 2**30
    ratio: int = 100
    ratio_from: int = 2**20
    directory_bytes: int = 128 * 2**20


class ZipSource:
    """The image files of a zip.

    names: their paths, "/" between parts, in the zip's order. skipped: what was left out, each with its reason.
    Raises UserError where it is no zip, or one beyond the limits.
    """

    def __init__(self, file: str | Path | BinaryIO, *, name: str, limits: Limits | None = None) -> None:
        self.name, self.limits = name, limits or Limits()
        try:
            size = self._check_directory(file)
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{name}: not a zip that can be read ({error}); make it anew") from error
        self.skipped: list[str] = []
        self._files: dict[str, zipfile.ZipInfo] = {}
        try:
            infos = self._zip.infolist()
            self._check_bombs(infos, size)
            for info in infos:
                self._take(info)
        except BaseException:
            self._zip.close()
            raise

    @property
    def names(self) -> Sequence[str]:
        return list(self._files)

    def read(self, path: str) -> bytes:
        """The unpacked bytes of one file. Raises UserError where they are damaged or beyond the limit."""
        info, limit = self._files[path], self.limits.file_bytes
        try:
            with self._zip.open(info) as stream:
                # One byte more than promised: enough to notice a lie, and all that is ever unpacked.
                data = stream.read(min(limit, info.file_size) + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
            raise UserError(f"{path}: damaged in the zip") from error
        if len(data) > limit:
            raise UserError(f"{path}: unpacks to more than {limit // 2**20} MiB")
        return data

    def close(self) -> None:
        self._zip.close()

    def _check_directory(self, file: str | Path | BinaryIO) -> int:
        """The zip's size in bytes, after a look at how long the list of its files is: it is read whole later."""
        if isinstance(file, (str, Path)):
            with Path(file).open("rb") as stream:
                return self._check_directory(stream)
        size = file.seek(0, 2)
        file.seek(max(0, size - 2**16 - 100))
        tail = file.read()
        file.seek(0)
        end = len(tail) - 22 if tail[-22:-18] == b"PK\5\6" else tail.rfind(b"PK\5\6")
        if end < 0 or end + 22 > len(tail):
            raise UserError(f"{self.name}: not a zip file; pack the folder as .zip")
        length = int.from_bytes(tail[end + 12 : end + 16], "little")
        if tail[max(0, end - 20) : end].startswith(b"PK\6\7"):
            length = int.from_bytes(tail[max(0, end - 36) : max(0, end - 28)], "little")
        if length > self.limits.directory_bytes:
            raise UserError(f"{self.name}: lists too many files; at most {self.limits.files} are taken")
        return size

    def _check_bombs(self, infos: list[zipfile.ZipInfo], size: int) -> None:
        limits = self.limits
        if len(infos) > limits.files:
            raise UserError(f"{self.name}: {len(infos)} files are too many, at most {limits.files} are taken")
        for info in infos:
            if info.file_size > limits.file_bytes and _suffix(info.filename) in EXTENSIONS:
                raise UserError(
                    f"{self.name}: {info.filename[:200]} unpacks to {info.file_size / 2**20:.0f} MiB, at most "
                    f"{limits.file_bytes // 2**20} MiB a picture are taken"
                )
            if info.file_size > max(limits.ratio_from, limits.ratio * info.compress_size):
                raise UserError(
                    f"{self.name}: {info.filename[:200]} unpacks to {info.file_size // max(1, info.compress_size)} "
                    f"times its size, as no picture does; at most {limits.ratio} times are taken"
                )
        total = sum(info.file_size for info in infos)
        # The zip's own size cannot lie: overlapping entries are caught here.
        if total > limits.total_bytes or total > max(limits.ratio_from, limits.ratio * size):
            raise UserError(
                f"{self.name}: unpacks to {total / 2**20:.0f} MiB from {size / 2**20:.2f} MiB; at most "
                f"{limits.total_bytes // 2**20} MiB and {limits.ratio} times the size are taken"
            )

    def _take(self, info: zipfile.ZipInfo) -> None:
        path = info.filename.replace("\\", "/")
        parts = PurePosixPath(path).parts
        # Not info.is_dir(): that fails at an entry without a name.
        if path.endswith("/") or not parts or is_junk(parts):
            return
        reason = _refusal(info, path, parts)
        clean = "/".join(parts)
        if reason is None and clean in self._files:
            reason = "is there twice; the first is taken"
        if reason is None:
            self._files[clean] = info
        else:
            self.skipped.append(f"{path[:200]}: {reason}")


def _refusal(info: zipfile.ZipInfo, path: str, parts: tuple[str, ...]) -> str | None:
    """Why the entry is not read, or None."""
    if path.startswith("/") or ":" in parts[0]:
        return "an absolute name"
    if ".." in parts:
        return "a name that leaves the zip"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "a link or a special file"
    if info.flag_bits & _ENCRYPTED:
        return "locked with a password"
    if info.compress_type not in _METHODS:
        return "packed by an unusual method; use plain zip compression"
    return not_a_picture(path)


def not_a_picture(path: str) -> str | None:
    """Why a file of this name is not read as a picture, or None."""
    suffix = _suffix(path)
    if suffix in EXTENSIONS:
        return None
    return "an archive inside; unpack it first" if suffix in ARCHIVES else "not a picture's file name"


def is_junk(parts: Sequence[str]) -> bool:
    """Whether a path is what systems leave behind beside the user's files."""
    return any((part.startswith(".") and part != "..") or part in _JUNK for part in parts)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
