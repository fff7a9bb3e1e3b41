"""Two networks on the images that both were asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robust_core.cards import Evaluation, Tally
from robust_core.evaluation.footing import common
from robust_core.evaluation.scores import Listed
from tests.evaluation.claims import card, evaluation, tally
from tests.evaluation.test_leaderboard import board_of, listed

LABELS = np.random.default_rng(1).integers(0, 4, 400)
TABLE = "group:table"


def judged(n: int, seed: int, *, marked: bool = True) -> Evaluation:
    """The same network on the first n images: whoever is asked more of them says the same of the first ones."""
    draw = np.random.default_rng(seed).random(len(LABELS))
    clean, robust = (Tally.counted(draw[:n] < share, LABELS[:n], 4) for share in (0.9, 0.6))
    if not marked:
        clean, robust = (one.model_copy(update={"marks": None}) for one in (clean, robust))
    return evaluation(clean, robust)


def pair(folder: Path, ours: tuple[Evaluation, ...], theirs: tuple[Evaluation, ...]) -> list[Listed]:
    return [
        listed(folder / "shapes" / name, card(name, evaluations=made)) for name, made in (("a", ours), ("b", theirs))
    ]


@pytest.mark.parametrize("swapped", [False, True])
def test_the_longer_one_is_cut_to_the_first_images(tmp_path: Path, swapped: bool) -> None:
    every = pair(tmp_path, (judged(400, 1),), (judged(150, 2),))
    every = every[::-1] if swapped else every
    found = common(board_of(*every), TABLE, *every)
    assert found is not None
    ours, theirs = found[::-1] if swapped else found
    short = judged(150, 1)
    assert (ours.robust, ours.clean) == (short.worst, short.clean)
    assert theirs.robust == judged(150, 2).worst
    # The interval of the whole figure is not the cut one's.
    assert ours.intervals["worst_class"].value == pytest.approx(short.worst.worst_class)


def test_of_counts_alone_nothing_can_be_cut_but_what_both_have_is_found(tmp_path: Path) -> None:
    every = pair(tmp_path / "1", (judged(400, 1, marked=False),), (judged(150, 2),))
    assert common(board_of(*every), TABLE, *every) is None
    both = (judged(150, 1, marked=False), judged(400, 1, marked=False))
    every = pair(tmp_path / "2", both, (judged(150, 2),))
    found = common(board_of(*every), TABLE, *every)
    assert found is not None
    assert [one.robust.n for one in found if one.robust] == [150, 150]


def test_the_most_images_that_both_met(tmp_path: Path) -> None:
    every = pair(tmp_path, (judged(150, 1), judged(400, 1)), (judged(300, 2), judged(150, 2)))
    found = common(board_of(*every), TABLE, *every)
    assert found is not None
    assert [one.robust.n for one in found if one.robust] == [300, 300]


def test_other_images_than_the_first_are_not_common(tmp_path: Path) -> None:
    odd = evaluation(tally(30, 30, 30, 20, each=40), tally(9, 9, 9, 9, each=40))  # as many of each class: not LABELS
    every = pair(tmp_path, (judged(160, 1),), (odd,))
    assert common(board_of(*every), TABLE, *every) is None
