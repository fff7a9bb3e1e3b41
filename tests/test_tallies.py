"""Counts, and which images they are of: what goes in comes back, and what contradicts itself is refused."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from robust_core.tallies import Tally

IMAGES = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=70)


@given(IMAGES)
def test_the_images_come_back_class_by_class_in_their_order(images: list[tuple[int, bool]]) -> None:
    labels, right = np.array([label for label, _ in images]), np.array([hit for _, hit in images])
    tally = Tally.counted(right, labels, 4)
    back = Tally.model_validate_json(tally.model_dump_json())
    assert [hits.tolist() for hits in back.by_class()] == [right[labels == k].tolist() for k in range(4)]
    assert (back.n, back.correct) == (len(images), sum(hit for _, hit in images))
    assert back.class_n == tuple(int((labels == k).sum()) for k in range(4))
    assert back == tally


def counted() -> dict[str, object]:
    labels, right = np.repeat([0, 1], 5), np.array([True, True, False, False, False, True, True, True, True, False])
    return Tally.counted(right, labels, 2).model_dump()


def bits(text: str) -> str:
    ones = [int(letter) for letter in text]
    return base64.b64encode(np.packbits(ones).tobytes()).decode()


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (bits("1100011111"), "as many images of each class"),  # one more of the second class
        (bits("1110011100"), "as many images of each class"),  # as many in all
        (bits("11000111"), "one bit for each of 10 images; got 1 bytes"),
        (bits("11000111100000001"), "got 3 bytes"),
        (bits("1100011110000001"), "marks more than 10 images"),
        ("§", "ASCII"),
        ("AAA", "padding"),
        ("A A==", "base64"),
    ],
)
def test_marks_that_cannot_be_are_refused(right: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Tally(**counted() | {"right": right})


def test_counts_alone_are_a_tally_too() -> None:
    tally = Tally(**counted() | {"right": ""})
    assert (tally.correct, tally.worst_class) == (6, 0.4)
    with pytest.raises(ValueError, match="one bit for each"):
        tally.by_class()
