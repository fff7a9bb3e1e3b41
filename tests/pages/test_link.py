"""The values that follow a visitor: only what fits is taken, whatever the URL says."""

from __future__ import annotations

import pytest

from pages.ui import link


@pytest.mark.parametrize("text", ["", "nan", "inf", "-inf", "1e400", "0x10", "3,5", "-0.001", "0.3001", "ε"])
def test_numbers_out_of_range_are_not_taken(text):
    assert link.within(float, 0.0, 0.3)(text) is None


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("0.3", 0.3), ("1e-2", 0.01)])
def test_numbers_in_range_are(text, value):
    assert link.within(float, 0.0, 0.3)(text) == value


def test_whole_numbers_are_whole():
    assert link.within(int, 0, 9)("9") == 9
    assert link.within(int, 0, 9)("9.5") is None
    assert link.within(int, 0, 9)("10") is None


def test_names_and_titles_but_nothing_else():
    parse = link.one_of({"a/b": "PGD-AT"})
    assert parse("a/b") == "a/b"
    assert parse("PGD-AT") == "a/b"
    assert parse("pgd-at") is None
