"""A figure under a weak attack does not stand alone where the card itself knows a far lower one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robust_core.cards import Card, Measure, Tally
from robust_core.evaluation.leaderboard import Row, row
from robust_core.evaluation.marks import FALLS
from tests.evaluation.claims import DATA, PGD, PRINT, card, evaluation, tally
from tests.evaluation.test_leaderboard import board_of, listed

LABELS = np.repeat(np.arange(4), 50)


def marked(right: np.ndarray, labels: np.ndarray = LABELS) -> Tally:
    return Tally.counted(right, labels, 4)


def under_pgd(right: np.ndarray) -> Measure:
    return Measure(**marked(right).model_dump(), attack=PGD, data_name=DATA, data_fingerprint=PRINT, seconds=1.0)


def shown(folder: Path, made: Card) -> Row:
    one = listed(folder / "shapes" / made.title, made)
    return row(one, board_of(one), one.scores[0].yardstick.id)


def falls(one: Row) -> list[str]:
    return [mark.told for mark in one.marks if mark.kind == "falls"]


def test_a_far_lower_worst_case_is_told(tmp_path: Path) -> None:
    measures = (under_pgd(np.ones(200, dtype=bool)),)
    lower = evaluation(tally(25, 25, 25, 25), tally(20, 20, 20, 10), plan=("table", "adaptive"))
    one = shown(tmp_path, card("Fine", measures=measures, evaluations=(lower,)))
    (told,) = falls(one)
    assert "of the first 100 images 100.0 % stand here, and 70.0 % under PGD-20" in told
    assert "APGD-CE" in told
    assert one.ranked
    assert [mark.word for mark in one.marks if mark.kind == "falls"] == ["falls to 70.0 % of 100"]


def test_it_is_the_same_images_that_are_compared(tmp_path: Path) -> None:
    """80 % of all images, but 60 % of the first: there nothing falls."""
    held = evaluation(tally(25, 25, 25, 25), tally(15, 15, 15, 15))
    assert held.worst.accuracy == 0.6
    first = np.arange(50) < 25  # a tally keeps each class's first images as the first ones
    right = np.concatenate([np.where(first, np.arange(50) % 5 < 3, True) for _ in range(4)])
    one = shown(tmp_path, card(measures=(under_pgd(right),), evaluations=(held,)))
    assert one.robust is not None
    assert one.robust.accuracy == 0.8
    assert falls(one) == []


def test_a_little_less_is_what_a_stronger_attack_always_leaves(tmp_path: Path) -> None:
    for lost, expected in ((int(100 * FALLS), 0), (int(100 * FALLS) + 1, 1)):
        lower = evaluation(tally(25, 25, 25, 25), tally(25, 25, 25, 25 - lost))
        made = card(f"less {lost}", measures=(under_pgd(np.ones(200, dtype=bool)),), evaluations=(lower,))
        assert len(falls(shown(tmp_path, made))) == expected


def test_what_is_stale_or_of_another_budget_says_nothing(tmp_path: Path) -> None:
    measures = (under_pgd(np.ones(200, dtype=bool)),)
    clean, low = tally(25, 25, 25, 25), tally(5, 5, 5, 5)
    others = {
        "stale": evaluation(clean, low, sha="b" * 64),
        "wider": evaluation(clean, low, eps=0.2),
        "foreign": evaluation(clean, low).model_copy(update={"data_fingerprint": "e" * 64}),
        "claimed": evaluation(clean, low).model_copy(update={"claimed": True}),
    }
    for name, other in others.items():
        assert falls(shown(tmp_path, card(name, measures=measures, evaluations=(other,)))) == [], name


def test_of_many_the_lowest_is_told_and_the_worst_case_itself_falls_nowhere(tmp_path: Path) -> None:
    clean = tally(25, 25, 25, 25)
    low, lowest = (
        evaluation(clean, tally(20, 20, 20, 20)),
        evaluation(clean, tally(10, 10, 10, 10), plan=("table", "x")),
    )
    made = card(measures=(under_pgd(np.ones(200, dtype=bool)),), evaluations=(lowest, low))
    one = listed(tmp_path / "shapes" / "net", made)
    board = board_of(one)
    by_yardstick = {s.yardstick.id: falls(row(one, board, s.yardstick.id)) for s in one.scores}
    assert ["40.0 %" in told for told in by_yardstick[one.scores[0].yardstick.id]] == [True]
    assert by_yardstick["worst:table+x"] == []


def test_many_images_say_more_than_few(tmp_path: Path) -> None:
    every = under_pgd(np.ones(200, dtype=bool))
    clean, some = tally(50, 50, 50, 50, each=50), tally(40, 40, 40, 40, each=50)
    lower = evaluation(clean, some), evaluation(tally(25, 25, 25, 25), tally(5, 5, 5, 5), plan=("table", "x"))
    (told,) = falls(shown(tmp_path / "both", card(measures=(every,), evaluations=lower)))
    assert told.startswith("of the first 200 images 100.0 % stand here, and 80.0 %")
    few = evaluation(tally(6, 6, 6, 6, each=6), tally(1, 1, 1, 1, each=6))
    assert falls(shown(tmp_path / "few", card(measures=(every,), evaluations=(few,)))) == []


def test_where_the_first_images_are_easy_nothing_falls_upwards(tmp_path: Path) -> None:
    """48 % of all; of the first 100 all stand, and 80 in the worst case: more than of all."""
    first = np.arange(50) < 25
    right = np.concatenate([first for _ in range(4)])
    easy = evaluation(tally(25, 25, 25, 25), tally(20, 20, 20, 20))
    one = shown(tmp_path, card(measures=(under_pgd(right),), evaluations=(easy,)))
    assert one.robust is not None
    assert one.robust.accuracy == 0.5
    assert falls(one) == []
