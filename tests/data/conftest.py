"""What the tests of image sets share: made pictures, a web server that misbehaves on request, the real data."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the full sets, for tests that need real data."""
    return Path(os.environ.get("ROBUSTLENS_TEST_DATA") or ROOT.parent / "shared" / "data")


@dataclass
class Server:
    """files: path → content. dropped: paths of which half is sent. asked: paths in the order of requests."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.path in state.dropped else content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.address = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def noise() -> Callable[..., Image.Image]:
    """noise(width, height, mode="RGB", seed=0): a picture of random pixels."""

    def make(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
        bands = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, bands), dtype=np.uint8)
        return Image.merge(mode, [Image.fromarray(pixels[:, :, i].copy()) for i in range(bands)])

    return make


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """encode(image, format="PNG", **options): the file's bytes."""

    def make(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, format, **options)
        return buffer.getvalue()

    return make


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Path]:
    """pack({path: bytes}, name="set.zip"): a zip of these; a path may be a ZipInfo."""

    def make(files: dict[str | zipfile.ZipInfo, bytes], name: str = "set.zip") -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for each, content in files.items():
                archive.writestr(each, content)
        return path

    return make


@pytest.fixture
def animals(noise: Callable[..., Image.Image], encode: Callable[..., bytes]) -> dict[str, bytes]:
    """Ten colour PNGs of 8×6 pixels in each of two classes, as path → bytes."""
    return {
        f"{kind}/{i}.png": encode(noise(8, 6, seed=100 * k + i))
        for k, kind in enumerate(("dog", "cat"))
        for i in range(10)
    }
