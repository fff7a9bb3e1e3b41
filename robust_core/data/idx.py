"""The IDX format, in which the MNIST family is published: a big-endian header, then plain bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import zlib

import torch
from torch import Tensor

from robust_core.types import UserError

_UNSIGNED_BYTE = 0x08


def parse_idx(content: bytes, *, name: str = "IDX file") -> Tensor:
    """The uint8 tensor an IDX file holds, in the shape its header gives.

    content: the file, not compressed. Raises UserError where it is no IDX file of unsigned bytes, or its length does
    not fit its header. Source: "The IDX file format", Y. LeCun's MNIST page.
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        raise UserError(f"{name}: not an IDX file; take the file as it is published")
    kind, ndim = content[2], content[3]
    header = 4 + 4 * ndim
    if kind != _UNSIGNED_BYTE or ndim == 0 or len(content) < header:
        raise UserError(f"{name}: an IDX file of unsigned bytes is needed, this one has type 0x{kind:02x}, {ndim} axes")
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4)]
    if len(content) != header + math.prod(shape):
        raise UserError(
            f"{name}: its header promises {math.prod(shape)} values {tuple(shape)}, it holds {len(content) - header}; "
            "take a whole copy"
        )
    # frombuffer wants memory it may write to, and at least one value.
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8)[header:]
    return values.clone().view(shape) if math.prod(shape) else torch.empty(shape, dtype=torch.uint8)


def pack_idx(values: Tensor) -> bytes:
    """The IDX file of a uint8 tensor: the inverse of `parse_idx`."""
    if values.dtype != torch.uint8:
        raise UserError(f"IDX: uint8 values are written here, got {values.dtype}")
    header = bytes([0, 0, _UNSIGNED_BYTE, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return header + values.contiguous().numpy().tobytes()


def gunzip(data: bytes, *, limit: int, name: str = "file") -> bytes:
    """What gzip data unpacks to, at most `limit` bytes. Raises UserError where it is damaged or longer than that."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{name}: damaged gzip file ({error}); take a whole copy") from error
    if len(content) > limit:
        raise UserError(f"{name}: unpacks to more than the {limit} bytes it may have; take the published file")
    return content


def sha256(content: bytes) -> str:
    """SHA-256 as a hexadecimal string."""
    return hashlib.sha256(content).hexdigest()
