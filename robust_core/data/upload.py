"""A visitor's single picture: taken properly, or refused in one sentence. Nothing of it touches the disk."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Tensor

from robust_core.data.picture import read_pixels
from robust_core.types import UserError

MAX_BYTES = 20 * 2**20
WHITE, BLACK = 255, 0


def read_image(data: bytes, *, size: tuple[int, int], channels: int, name: str = "picture") -> UInt8[Tensor, "c h w"]:
    """The picture as uint8 (channels, height, width), upright, whole and centred.

    size: (height, width). channels: 1 or 3. Free margins and transparent parts become white for 3 channels, black
    for 1, the ground that Fashion-MNIST has. At most 20 MiB and 50 megapixels, of which only the header is read before
    larger ones are refused. Raises UserError, one sentence that starts with `name`, for whatever is not taken.
    """
    if channels not in (1, 3):
        raise UserError(f"{name}: pictures have 1 or 3 channels, {channels} were asked for")
    if len(data) > MAX_BYTES:
        raise UserError(
            f"{name}: {len(data) / 2**20:.0f} MiB are too much, at most {MAX_BYTES // 2**20} MiB are taken; "
            "make it smaller"
        )
    background = BLACK if channels == 1 else WHITE
    pixels = read_pixels(data, size=size, channels=channels, background=background, name=name)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()
