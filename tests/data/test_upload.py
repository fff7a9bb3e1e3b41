"""What a visitor may upload: taken properly, or refused in one sentence."""

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from robust_core.data.picture import read_size
from robust_core.data.upload import MAX_BYTES, read_image
from robust_core.types import UserError

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")


def file(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def one(data: bytes, channels: int = 3, size: tuple[int, int] = (4, 4)) -> list:
    """The one colour of a picture that has one only."""
    pixels = read_image(data, size=size, channels=channels)
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (channels, *size)
    assert (pixels == pixels[:, :1, :1]).all()
    return pixels[:, 0, 0].tolist()


def png(width: int, height: int, *, bits: int = 8, kind: int = 0, rows: bytes = b"") -> bytes:
    """A PNG written by hand, so that its header can promise anything."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def refused(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        read_image(data, size=(32, 32), channels=3, name="cat.png")
    message = str(caught.value)
    assert message.startswith("cat.png: ")
    assert "\n" not in message
    assert ". " not in message


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_is_read(noise, format: str) -> None:
    image = noise(16, 16).resize((32, 32), Image.Resampling.BICUBIC)
    pixels = read_image(file(image, format), size=(32, 32), channels=3)
    expected = torch.from_numpy(np.array(Image.open(io.BytesIO(file(image, format))).convert("RGB"))).permute(2, 0, 1)
    assert torch.equal(pixels, expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_that_fits_keeps_its_pixels(noise, channels: int) -> None:
    image = noise(28, 20, "L" if channels == 1 else "RGB")
    pixels = read_image(file(image), size=(20, 28), channels=channels)
    assert torch.equal(pixels, torch.from_numpy(np.array(image)).view(20, 28, channels).permute(2, 0, 1))


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.7 ...", b"<svg></svg>", b"PK\3\4" + bytes(50)])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    refused(data, "not a picture")


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_picture_is_refused(noise, format: str) -> None:
    data = file(noise(64, 64), format)
    for length in (12, 30, len(data) // 2, len(data) - len(data) // 4):
        refused(data[:length], "cut short|whole copy|not a picture")


def test_a_decompression_bomb_is_refused_from_its_header() -> None:
    bomb = png(30_000, 30_000, kind=2, rows=bytes(10_000_000))
    tracemalloc.start()
    refused(bomb, "30000 × 30000 pixels .* at most 50 megapixels")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_bombs_in_other_formats_are_refused() -> None:
    bmp = bytearray(file(Image.new("RGB", (8, 8)), "BMP"))
    bmp[18:26] = struct.pack("<ii", 30_000, 30_000)
    gif = bytearray(file(Image.new("L", (8, 8)), "GIF"))
    gif[6:10] = struct.pack("<HH", 30_000, 30_000)
    ppm = b"P6 30000 30000 255\n" + bytes(30)
    webp = b"RIFF\x2a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (29_999).to_bytes(3, "little") * 2 + bytes(12)
    for data in (bytes(bmp), bytes(gif), ppm, webp):
        refused(data, "megapixels")


def test_pillow_says_nothing_on_the_side() -> None:
    """In a process of its own, where a warning would go to stderr as it does in the served app."""
    code = (
        "import sys; sys.path.insert(0, 'tests/data'); from test_upload import *\n"
        "exif = b'Exif\\0\\0II*\\0\\x08\\0\\0\\0\\x09\\0' + b'\\x12\\x01\\x03\\0\\xff\\xff\\xff\\x7f\\0\\0\\0\\0' * 2\n"
        "tiff = file(Image.new('RGB', (9, 9)), 'TIFF')\n"
        "cut = tiff[:4] + (len(tiff) - 20).to_bytes(4, 'little') + tiff[8:]\n"
        "big = file(Image.new('L', (10_000, 9_500)))\n"
        "odd = file(Image.new('RGB', (9, 9)), 'JPEG', exif=exif)\n"
        "for data in (png(12_000, 9_000), big, cut, odd, b'RIFF1234WEBPVP8 '):\n"
        "    try: print(read_image(data, size=(8, 8), channels=3).shape)\n"
        "    except UserError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 5


def test_too_many_bytes_are_refused_unread() -> None:
    refused(b"\xff\xd8\xff" + bytes(MAX_BYTES), "at most 20 MiB")


def test_print_colours_become_screen_colours() -> None:
    cyan = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    for format in ("JPEG", "TIFF"):
        red, green, blue = one(file(cyan, format))
        assert red < 30
        assert min(green, blue) > 180


@pytest.mark.parametrize(("value", "byte"), [(0, 0), (257, 1), (257 * 128, 128), (257 * 200 + 129, 201), (65535, 255)])
def test_16_bit_grey_is_scaled_not_clipped(value: int, byte: int) -> None:
    image = Image.fromarray(np.full((4, 4), value, dtype=np.uint16))
    for format in ("PNG", "TIFF"):
        assert one(file(image, format), channels=1) == [byte]
        assert one(file(image, format), channels=3) == [byte] * 3


def test_16_bit_colour_is_scaled() -> None:
    row = b"\0" + struct.pack(">HHH", 257 * 250, 257 * 20, 257 * 128) * 4
    assert one(png(4, 4, bits=16, kind=2, rows=row * 4)) == [250, 20, 128]


def test_values_without_a_white_are_refused() -> None:
    refused(file(Image.new("F", (4, 4), 0.5), "TIFF"), "floating-point")
    refused(file(Image.new("I", (4, 4), 1_000_000), "TIFF"), "32-bit")


@pytest.mark.parametrize("mode", ["P", "1", "LA", "RGBA"])
def test_transparent_parts_become_white_or_for_one_channel_black(mode: str) -> None:
    """Fully transparent pictures show the ground; opaque ones of the same mode show themselves."""
    if mode == "P":
        image = Image.new("P", (4, 4), 1)
        image.putpalette([0, 0, 0, 90, 90, 90])
        clear, opaque = file(image, transparency=1), file(image)
    elif mode == "1":
        image = Image.new("1", (4, 4), 1)
        assert one(file(image)) == [255] * 3
        assert one(file(image), channels=1) == [255]
        return
    else:
        grey = (90,) * (len(mode) - 1)
        clear, opaque = file(Image.new(mode, (4, 4), (*grey, 0))), file(Image.new(mode, (4, 4), (*grey, 255)))
    assert one(clear, channels=3) == [255] * 3
    assert one(clear, channels=1) == [0]
    assert one(opaque, channels=3) == [90] * 3
    assert one(opaque, channels=1) == [90]


def test_half_transparent_colour_is_mixed_with_the_ground() -> None:
    red, green, blue = one(file(Image.new("RGBA", (4, 4), (255, 0, 0, 128))))
    assert red == 255
    assert {green, blue} <= {127, 128}


def test_colour_under_transparent_pixels_does_not_bleed_when_scaled() -> None:
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 32, 64))
    pixels = read_image(file(image), size=(8, 8), channels=3).int()
    assert (pixels[1] <= pixels[2] + 1).all()  # green never beyond what white brings


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "lime")]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if format == "WEBP" else {}
        data = file(frames[0], format, save_all=True, append_images=frames[1:], **options)
        assert one(data) == [255, 0, 0], format


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(noise, orientation: int) -> None:
    """A camera stores what it saw turned; the test turns with numpy."""
    upright = np.array(noise(6, 4))
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert read_size(data) == (4, 6)
    pixels = read_image(data, size=(4, 6), channels=3)
    assert torch.equal(pixels, torch.from_numpy(upright).permute(2, 0, 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_one_pixel_fills_the_picture(channels: int) -> None:
    assert one(file(Image.new("L", (1, 1), 77)), channels, size=(28, 28)) == [77] * channels


@pytest.mark.parametrize(("channels", "ground"), [(1, 0), (3, 255)])
def test_the_aspect_ratio_is_kept_and_the_rest_is_ground(channels: int, ground: int) -> None:
    pixels = read_image(file(Image.new("L", (40, 20), 100)), size=(32, 32), channels=channels)
    assert (pixels[:, 8:24] == 100).all()
    assert (pixels[:, :8] == ground).all()
    assert (pixels[:, 24:] == ground).all()
    tall = read_image(file(Image.new("L", (1, 5000), 100)), size=(32, 32), channels=channels)
    assert int((tall == 100).sum()) == 32 * channels


def test_shrinking_averages_instead_of_picking() -> None:
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    for format in ("PNG", "JPEG"):
        pixels = read_image(file(Image.fromarray(board), format), size=(8, 8), channels=1).int()
        assert (pixels - 127).abs().max() <= 2


def test_a_large_photo_is_shrunk_like_any_other() -> None:
    """The quick way for large JPEGs gives what the plain way gives."""
    ramp = Image.linear_gradient("L").resize((3000, 2000))
    quick = read_image(file(ramp, "JPEG", quality=95), size=(32, 48), channels=1)
    plain = read_image(file(ramp), size=(32, 48), channels=1)
    assert (quick.int() - plain.int()).abs().max() <= 3


def test_impossible_channels_are_refused() -> None:
    with pytest.raises(UserError, match="1 or 3 channels, 4"):
        read_image(file(Image.new("L", (4, 4))), size=(4, 4), channels=4)


KINDS = {"JPEG": "RGB", "PNG": "RGBA", "GIF": "P", "BMP": "RGB", "WEBP": "RGB", "TIFF": "L"}
SEEDS = [file(Image.linear_gradient("L").resize((24, 24)).convert(mode), format) for format, mode in KINDS.items()]


@settings(max_examples=300, deadline=None)
@given(seed=st.sampled_from(SEEDS), changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6))
def test_damaged_bytes_give_a_picture_or_a_sentence(seed: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(seed)
    for place, value in changes:
        data[place % len(data)] = value
    try:
        shape = read_image(bytes(data), size=(8, 8), channels=3).shape
    except UserError:
        return
    assert shape == (3, 8, 8)
