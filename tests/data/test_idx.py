import gzip

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robust_core.data.idx import gunzip, pack_idx, parse_idx
from robust_core.types import UserError


@given(shape=st.lists(st.integers(0, 4), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_round_trip(shape: list[int], seed: int) -> None:
    values = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    back = parse_idx(pack_idx(values))
    assert back.dtype == torch.uint8
    assert torch.equal(back, values)


def test_known_bytes() -> None:
    content = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255])
    assert parse_idx(content).tolist() == [[1, 2, 3], [4, 5, 255]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG and more", "not an IDX file"),
        (bytes([0, 0, 13, 1, 0, 0, 0, 1, 9]), "unsigned bytes"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 1]), "unsigned bytes"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2]), "promises 3 values"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3, 4]), "promises 3 values"),
    ],
)
def test_what_is_no_idx_file_is_refused_by_name(content: bytes, words: str) -> None:
    with pytest.raises(UserError, match=f"labels: .*{words}"):
        parse_idx(content, name="labels")


def test_only_bytes_are_packed() -> None:
    with pytest.raises(UserError, match="uint8"):
        pack_idx(torch.zeros(3))


def test_gunzip_takes_the_limit_and_no_byte_more() -> None:
    packed = gzip.compress(b"x" * 1000)
    assert gunzip(packed, limit=1000) == b"x" * 1000
    with pytest.raises(UserError, match="more than the 999 bytes"):
        gunzip(packed, limit=999)


def test_gunzip_refuses_damage() -> None:
    packed = gzip.compress(bytes(range(256)) * 9)
    flipped = packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:]
    for data in (packed[:-9], flipped, b"plain text", packed[:12] + b"\xff" * 40):
        with pytest.raises(UserError, match="damaged gzip"):
            gunzip(data, limit=10_000)
