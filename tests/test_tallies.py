"""Counts, and which images they are of: what goes in comes back, and what contradicts itself is refused."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from robust_core.tallies import MARKED, Tally, unpacked

IMAGES = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=70)


@given(IMAGES)
def test_the_images_come_back_class_by_class_in_their_order(images: list[tuple[int, bool]]) -> None:
    labels, right = np.array([label for label, _ in images]), np.array([hit for _, hit in images])
    tally = Tally.counted(right, labels, 4)
    back = Tally.model_validate_json(tally.model_dump_json())
    assert back.marks
    assert unpacked(back.marks, back.n).tolist() == [hit for k in range(4) for hit in right[labels == k].tolist()]
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
    ("marks", "said"),
    [
        (bits("1100011111"), "as many of each class"),  # one more of the second class
        (bits("1110011100"), "as many of each class"),  # as many in all
        (bits("11000111"), "one bit for each of 10 images; got 1 bytes"),
        (bits("11000111100000001"), "got 3 bytes"),
        (bits("1100011110000001"), "beyond the 10 images"),
        ("", "got 0 bytes"),
        ("§", "ASCII"),
        ("AAA", "padding"),
        ("A A==", "base64"),
    ],
)
def test_marks_that_cannot_be_are_refused(marks: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Tally(**counted() | {"marks": marks})


def test_of_very_many_images_the_counts_alone_are_kept() -> None:
    for n, kept in ((MARKED, True), (MARKED + 1, False)):
        tally = Tally.counted(np.arange(n) % 3 > 0, np.arange(n) % 2, 2)
        assert (tally.marks is not None) == kept
        assert Tally.model_validate_json(tally.model_dump_json()) == tally
    assert Tally(**counted() | {"marks": None}).worst_class == 0.4


@given(IMAGES, st.data())
def test_of_the_first_images_and_of_the_rest_it_is_what_counting_these_alone_would_have_been(
    images: list[tuple[int, bool]], drawn: st.DataObject
) -> None:
    labels, right = np.array([label for label, _ in images]), np.array([hit for _, hit in images])
    n = drawn.draw(st.integers(1, len(images)))
    short, whole = (Tally.counted(right[:k], labels[:k], 4) for k in (n, len(images)))
    assert whole.of_first(short.class_n) == short
    rest = whole.after_first(short.class_n)
    assert rest == (Tally.counted(right[n:], labels[n:], 4) if n < len(images) else None)


def test_what_is_no_part_of_it_or_not_known_image_by_image_is_not_cut() -> None:
    whole = Tally(**counted())
    assert whole.of_first((5, 5)) is whole
    assert whole.after_first((5, 5)) is None
    for cut in (Tally.of_first, Tally.after_first):
        assert cut(whole, (6, 4)) is None
        assert cut(whole.model_copy(update={"marks": None}), (1, 1)) is None
