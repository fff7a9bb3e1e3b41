"""One picture file, from bytes nobody vouches for to pixels of a wanted size."""

from __future__ import annotations

import io
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from robust_core.types import UserError

# Pillow remarks on odd metadata; what matters here ends in an error or in right pixels. Only its own modules are meant.
warnings.filterwarnings("ignore", module=r"PIL\.")

MAX_PIXELS = 50_000_000  # of one picture, before it is made small
FORMATS = "PNG, JPEG, GIF, BMP, WebP, TIFF or PPM"
EXTENSIONS = frozenset(
    (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)
_READERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"GIF8", GifImageFile),
    (b"BM", BmpImageFile),
    (b"RIFF", WebPImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    *((b"P%d" % kind, PpmImageFile) for kind in range(1, 7)),
)
_ORIENTATION = 0x0112
_TURNS = {  # EXIF orientation → what puts the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_pixels(
    data: bytes, *, size: tuple[int, int], channels: int | None = None, background: int = 255, name: str = "picture"
) -> UInt8[np.ndarray, "h w c"]:
    """The picture upright, whole, centred in (height, width), as bytes (height, width, C).

    Aspect ratio is kept; what stays free, and what is transparent, gets `background` (0 black, 255 white). Scaling is
    antialiased; a picture that fits already keeps its pixels. Of an animation the first frame is taken. 16-bit values
    v become v/257, rounded. channels: 1 takes the luminance, 3 repeats a grey picture, None leaves it at what it is.
    Raises UserError, in one sentence that starts with `name`, for anything that is no whole picture of at most
    50 megapixels.
    """
    picture = _open(data, name)
    try:
        # A JPEG much too large is decoded at 1/2, 1/4 or 1/8: far faster, and still 4 times finer than needed.
        picture.draft(None, (4 * max(size), 4 * max(size)))
        picture.load()
        image = _upright(_plain(picture, name), picture)
        pixels = np.asarray(_fit(image, size, background, channels))
    except UserError:
        raise
    except Exception as error:  # decoders fed with hostile bytes raise a dozen types; all mean the same here
        raise UserError(f"{name}: broken or cut short, the picture cannot be decoded; take a whole copy") from error
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def read_size(data: bytes, *, name: str = "picture") -> tuple[int, int]:
    """(height, width) of the picture held upright, from its header alone. Raises UserError as `read_pixels` does."""
    picture = _open(data, name)
    width, height = picture.size
    return (width, height) if _orientation(picture) >= 5 else (height, width)


def _open(data: bytes, name: str) -> ImageFile.ImageFile:
    """The picture with its header read and its size in bounds, nothing decoded yet."""
    # Format classes are used directly: Image.open tries formats not wanted here, and warns where this refuses.
    reader = next((reader for magic, reader in _READERS if data.startswith(magic)), None)
    if reader is None:
        raise UserError(f"{name}: not a picture that can be read here; take {FORMATS}")
    try:
        picture = reader(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise UserError(f"{name}: too large, at most {MAX_PIXELS // 10**6} megapixels are taken") from error
    except Exception as error:  # as above: hostile bytes
        raise UserError(f"{name}: its header is broken or cut short; take a whole copy") from error
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise UserError(
            f"{name}: {width} × {height} pixels are too many, at most {MAX_PIXELS // 10**6} megapixels are taken; "
            "make it smaller"
        )
    return picture


def _plain(image: Image.Image, name: str) -> Image.Image:
    """The same picture in mode L, LA, RGB or RGBA: 8 bits a channel, no palette, no print colours."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise UserError(f"{name}: 32-bit values have no fixed white; save it with 8 or 16 bits")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        raise UserError(f"{name}: floating-point values have no fixed white; save it with 8 or 16 bits")
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image
    if image.mode == "1":
        return image.convert("L")
    if "transparency" in image.info or image.mode in ("PA", "La", "RGBa"):
        return image.convert("RGBA")
    return image.convert("RGB")


def _orientation(picture: ImageFile.ImageFile) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken EXIF is common and no reason to refuse the picture
        return 1


def _upright(image: Image.Image, picture: ImageFile.ImageFile) -> Image.Image:
    turn = _TURNS.get(_orientation(picture))
    return image if turn is None else image.transpose(turn)


def _fit(image: Image.Image, size: tuple[int, int], background: int, channels: int | None) -> Image.Image:
    height, width = size
    scale = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if image.size != inner:
        image = image.resize(inner, Image.Resampling.BILINEAR, reducing_gap=3.0)  # weighs colours by their alpha
    if image.mode in ("LA", "RGBA"):
        mode = image.mode[:-1]
        ground = Image.new(mode, inner, _shade(mode, background))
        ground.paste(image.convert(mode), mask=image.getchannel("A"))
        image = ground
    if channels is not None:
        image = image.convert("L" if channels == 1 else "RGB")
    if inner == (width, height):
        return image
    framed = Image.new(image.mode, (width, height), _shade(image.mode, background))
    framed.paste(image, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return framed


def _shade(mode: str, value: int) -> int | tuple[int, ...]:
    return value if mode == "L" else (value,) * 3
