"""Two attacks on the same images: by chance, or not."""

from __future__ import annotations

import pytest
import torch

from robust_core.evaluation.paired import chance


def answers(both: int, first: int, second: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Right after both attacks, after the first alone, after the second alone; and 10 images after neither."""
    one = [True] * (both + first) + [False] * (second + 10)
    two = [True] * both + [False] * first + [True] * second + [False] * 10
    return torch.tensor(one), torch.tensor(two)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(0, 0, 1.0), (1, 0, 0.5), (2, 0, 0.25), (2, 1, 0.5), (5, 0, 1 / 32), (0, 5, 1.0), (9, 1, 11 / 1024)],
)
def test_tails_of_the_binomial_by_hand(first: int, second: int, expected: float) -> None:
    for both in (0, 40):
        assert chance(*answers(both, first, second)) == pytest.approx(expected)


def test_a_thousand_images_are_no_overflow() -> None:
    assert 0 < chance(*answers(0, 1000, 0)) < 1e-300 or chance(*answers(0, 1000, 0)) == 0.5**1000
    assert chance(*answers(0, 500, 500)) == pytest.approx(0.5126, abs=1e-3)
