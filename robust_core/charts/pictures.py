"""Small images made large, and arrays made visible: floats in, uint8 pixels out.

Enlargement is by whole factors and nearest neighbour: what is seen are the pixels the network sees.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from robust_core.types import UserError

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating]

Colour = tuple[float, float, float]

# Blue = negative, vermilion = positive. On white, more is darker; on grey, negative is darker and positive lighter, so
# that both scales are read without any colour vision too. Stops at -1, -0.6, 0, 0.6, 1.
_ON_WHITE: tuple[Colour, ...] = (
    (0.0, 0.20, 0.42),
    (0.0, 0.447, 0.698),
    (0.97,) * 3,
    (0.835, 0.369, 0.0),
    (0.45, 0.13, 0.0),
)
_ON_GREY: tuple[Colour, ...] = (
    (0.0, 0.26, 0.52),
    (0.2, 0.356, 0.512),
    (0.5,) * 3,
    (0.8, 0.554, 0.314),
    (1.0, 0.59, 0.19),
)
_NOT_FINITE = (0.8, 0.47, 0.65)  # Okabe & Ito's purple: on neither side of the scale


def picture(image: Floats, scale: int = 8) -> Pixels:
    """An image (C, H, W) in [0, 1], C 1 or 3, as pixels (H·scale, W·scale, 3). Rounds to the nearest byte."""
    channels = _channels(image)
    bytes_ = np.rint(np.clip(np.nan_to_num(channels), 0, 1) * 255).astype(np.uint8)
    return _enlarged(np.broadcast_to(bytes_.transpose(1, 2, 0), (*bytes_.shape[1:], 3)), scale)


def magnification(bound: float) -> int:
    """The whole factor M ≥ 1 with which a perturbation of at most ±bound about fills the range from black to white."""
    return max(1, math.floor(0.5 / bound + 1e-6)) if bound > 0 and math.isfinite(bound) else 1


def delta_picture(delta: Floats, magnify: float, scale: int = 8) -> Pixels:
    """A perturbation (C, H, W) times `magnify`, as pixels (H·scale, W·scale, 3); mid-grey = 0.

    One channel: blue = darker, vermilion = brighter, full colour at |magnify·δ| ≥ ½. Three channels: each colour as
    it is, around grey.
    """
    channels = _channels(delta)
    if len(channels) == 3:
        return picture(0.5 + magnify * np.nan_to_num(channels), scale)
    return _enlarged(_coloured(2 * magnify * channels[0], _ON_GREY), scale)


def attribution_image(
    values: Floats, scale: int = 8, *, vmax: float | None = None, over: Floats | None = None
) -> Pixels:
    """A map (H, W), or (C, H, W) summed over channels, as pixels (H·scale, W·scale, 3): white = 0, vermilion = for
    the class, blue = against it, full colour at ±vmax (by default the map's own `reach`). Not finite = purple.

    over: the image (C, H, W) in [0, 1] the map explains, laid faintly underneath.
    """
    flat = values.sum(axis=0) if values.ndim == 3 else values
    top = reach(flat) if vmax is None else vmax
    pixels = _coloured(flat / top if top > 0 else flat * 0, _ON_WHITE)
    if over is not None:
        grey = np.rint(255 * np.clip(_channels(over).mean(axis=0), 0, 1))[..., None]
        # Dark strokes on light paper, so that the map's white zero stays white where the image is black.
        pixels = np.rint(pixels * (1 - 0.30 * grey / 255)).astype(np.uint8)
    return _enlarged(pixels, scale)


def reach(*maps: Floats, quantile: float = 0.995) -> float:
    """One scale for maps shown side by side: the quantile of |values| over all of them; 0 where all are zero."""
    values = np.concatenate([np.abs(m).ravel() for m in maps]) if maps else np.zeros(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0
    return float(np.quantile(values, quantile)) or float(values.max())


def _channels(image: Floats) -> Floats:
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise UserError(f"an image to show must be (1 or 3, H, W), got {tuple(image.shape)}")
    return image


def _coloured(values: Floats, scale: tuple[Colour, ...]) -> Pixels:
    """values (H, W), full colour at ±1, as pixels (H, W, 3)."""
    stops = np.array([-1.0, -0.6, 0.0, 0.6, 1.0])
    colours = np.array(scale)
    finite = np.isfinite(values)
    place = np.clip(np.where(finite, values, 0), -1, 1)
    rgb = np.stack([np.interp(place, stops, colours[:, c]) for c in range(3)], axis=-1)
    rgb[~finite] = _NOT_FINITE
    pixels: Pixels = np.rint(rgb * 255).astype(np.uint8)
    return pixels


def _enlarged(pixels: Pixels, scale: int) -> Pixels:
    if scale < 1:
        raise UserError(f"scale must be a whole number ≥ 1, got {scale}")
    large: Pixels = np.ascontiguousarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1))
    return large
