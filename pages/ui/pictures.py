"""Pixels on their way to the browser."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png(pixels: NDArray[np.uint8], *, level: int = 1) -> bytes:
    """uint8 (H, W, 3) or (H, W) as a PNG file. level: of compression, 0 to 9."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


def data_url(pixels: NDArray[np.uint8], *, level: int = 1) -> str:
    """The same inside a URL."""
    return "data:image/png;base64," + base64.b64encode(png(pixels, level=level)).decode()
