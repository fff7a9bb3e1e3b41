"""Files from the network into the cache folder: hash checked, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch

from robust_core.types import UserError

Progress = Callable[[int, int], None]
"""Called as progress(done, total), in bytes or in images; an exception it raises stops the work and leaves nothing."""

CACHE_VARIABLE = "ROBUSTLENS_CACHE"
_CHUNK = 1 << 17
_PATIENCE = 30  # seconds without an answer


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file somebody publishes. size is in bytes and only serves the progress over several files."""

    name: str
    urls: tuple[str, ...]  # tried in this order
    md5: str
    size: int


def cache_folder() -> Path:
    """Where downloads are kept: the folder ROBUSTLENS_CACHE names, else the platform's cache folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("robustlens")).expanduser()


def fetch(files: Sequence[Remote], folder: Path, *, what: str, progress: Progress | None = None) -> list[Path]:
    """The files in `folder`, downloaded where they are missing or have another MD5.

    what names the data set in messages. progress gets bytes over all files. Each file appears under its name only
    when it is whole and right. Raises UserError where none of a file's addresses gives the right one.
    """
    total = sum(file.size for file in files)
    done, paths = 0, []
    for file in files:
        meter = _Meter(progress, done, total)
        paths.append(_fetch_one(file, folder, what, meter))
        done += file.size
        meter.show(done)
    return paths


def _fetch_one(file: Remote, folder: Path, what: str, meter: _Meter) -> Path:
    failures = []
    for url in file.urls:
        downloader = pooch.HTTPDownloader(progressbar=meter, chunk_size=_CHUNK, timeout=_PATIENCE)
        try:
            path = pooch.retrieve(url, f"md5:{file.md5}", fname=file.name, path=folder, downloader=downloader)
            return Path(path)
        except UserError:
            raise
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong hash is a ValueError
            failures.append(f"{url}: {_reason(error)}")
    raise UserError(
        f"{what}: cannot download {file.name} ({'; '.join(failures)}). Connect to the network and try again, or put "
        f"the file into {folder} yourself, or use 'fashion_mnist_small', which needs no download"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError) and "hash" in str(error):
        return "the file there is not the published one (wrong MD5)"
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code}"
    return "no connection" if type(error).__name__ == "ConnectionError" else f"interrupted ({type(error).__name__})"


class _Meter:
    """pooch's progress bar: passes bytes on to a Progress, shifted by what earlier files took."""

    def __init__(self, progress: Progress | None, start: int, total_of_all: int) -> None:
        self.progress, self.start, self.total_of_all = progress, start, total_of_all
        self.total = 0  # set by pooch, from the server's answer
        self.count = 0

    def update(self, chunk: int) -> None:
        self.count = min(self.count + chunk, self.total) if self.total else self.count + chunk
        self.show(self.start + self.count)

    def reset(self) -> None:
        self.count = 0

    def close(self) -> None:
        pass

    def show(self, done: int) -> None:
        if self.progress is not None:
            self.progress(min(done, self.total_of_all), self.total_of_all)
