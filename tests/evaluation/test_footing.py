"""Networks on the images that all were asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robust_core import checkpoints
from robust_core.cards import Evaluation, Measure, Tally
from robust_core.evaluation import scores
from robust_core.evaluation.footing import common, on_one_footing
from robust_core.evaluation.leaderboard import Row, ranks, row
from robust_core.evaluation.scores import Listed, boards, usual, yardsticks
from tests.evaluation.claims import PGD, card, evaluation, measure, tally
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


def board_rows(folder: Path, **made: tuple[Evaluation, ...]) -> list[Row]:
    every = [listed(folder / "shapes" / name, card(name, evaluations=each)) for name, each in made.items()]
    return on_one_footing([row(one, board_of(*every), TABLE) for one in every])


def kinds(rows: list[Row]) -> list[tuple[int, list[str]]]:
    return [(one.robust.n, [mark.word for mark in one.marks]) for one in rows if one.robust]


@pytest.fixture
def enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "ENOUGH", 100)


@pytest.mark.usefixtures("enough")
def test_a_row_of_more_images_is_cut_to_those_that_most_were_asked(tmp_path: Path) -> None:
    rows = board_rows(tmp_path, a=(judged(400, 1),), b=(judged(150, 2),), c=(judged(150, 3),), d=(judged(40, 4),))
    assert kinds(rows) == [(150, ["first 150 of 400"]), (150, []), (150, []), (40, ["n = 40, others 150"])]
    short = judged(150, 1)
    assert (rows[0].robust, rows[0].clean) == (short.worst, short.clean)
    assert rows[0].intervals["worst_class"].value == pytest.approx(short.worst.worst_class)
    assert ranks(rows, "robust").keys() == {"shapes/a", "shapes/b", "shapes/c"}
    assert "measured on 400 images; shown are the first 150" in rows[0].marks[0].told


@pytest.mark.usefixtures("enough")
def test_too_few_images_are_nobody_s_measure_however_many_were_asked_so(tmp_path: Path) -> None:
    rows = board_rows(tmp_path, a=(judged(400, 1),), b=(judged(60, 2),), c=(judged(60, 3),))
    assert kinds(rows) == [(400, []), (60, ["n = 60, others 400"]), (60, ["n = 60, others 400"])]
    pair_alone = board_rows(tmp_path / "2", b=(judged(60, 2),), c=(judged(80, 3),))
    assert kinds(pair_alone) == [(60, ["n = 60, others 80"]), (80, [])]


@pytest.mark.usefixtures("enough")
def test_of_as_many_rows_each_the_more_images_count(tmp_path: Path) -> None:
    assert kinds(board_rows(tmp_path, a=(judged(400, 1),), b=(judged(150, 2),))) == [
        (400, []), (150, ["n = 150, others 400"]),
    ]  # fmt: skip


@pytest.mark.usefixtures("enough")
def test_where_one_cannot_be_cut_all_are_asked_as_many(tmp_path: Path) -> None:
    whole, short = judged(400, 1, marked=False), (judged(150, 2),)
    few = ["n = 150, others 400"]
    assert kinds(board_rows(tmp_path, a=(whole,), b=short, c=short)) == [(400, []), (150, few), (150, few)]
    # One that could be cut stays whole beside it.
    rows = board_rows(tmp_path / "2", a=(whole,), b=short, c=short, d=(judged(400, 4),), e=short)
    assert kinds(rows) == [(400, []), (150, few), (150, few), (400, []), (150, few)]


@pytest.mark.usefixtures("enough")
def test_one_without_an_untouched_figure_is_cut_like_the_others(tmp_path: Path) -> None:
    labels = LABELS[:150]
    made = {"a": LABELS, "b": labels, "c": labels}
    every = []
    for name, of in made.items():
        found = Tally.counted(np.arange(len(of)) % 3 > 0, of, 4)
        alone = measure(1, 1, 1, 1, attack=PGD).model_copy(update=found.model_dump())
        every.append(listed(tmp_path / "shapes" / name, card(name, measures=(alone,))))
    board = board_of(*every)
    rows = on_one_footing([row(one, board, yardsticks(board, every)[0].id) for one in every])
    assert [(one.robust.n, one.clean) for one in rows if one.robust] == [(150, None)] * 3
    assert len({(one.robust.class_correct, one.robust.marks) for one in rows if one.robust}) == 1


@pytest.mark.usefixtures("enough")
def test_what_a_cut_row_is_marked_with_is_of_what_it_shows(tmp_path: Path) -> None:
    """Untouched it was asked 400, attacked 300: cut to 150, there are no two numbers any more."""
    longer, attacked = judged(400, 1), judged(300, 1)
    alone = measure(1, 1, 1, 1, attack=PGD).model_copy(update=attacked.worst.model_dump())
    untouched = measure(1, 1, 1, 1).model_copy(update=longer.clean.model_dump())
    short = tuple(
        measure(1, 1, 1, 1, attack=attack).model_copy(update=found.model_dump())
        for attack, found in ((PGD, judged(150, 2).worst), (None, judged(150, 2).clean))
    )
    cards = {"a": (untouched, alone), "b": short, "c": short}
    every = [listed(tmp_path / "shapes" / name, card(name, measures=made)) for name, made in cards.items()]
    board = board_of(*every)
    stick = yardsticks(board, every)[0].id
    assert {mark.word for mark in row(every[0], board, stick).marks} == {"two n"}
    rows = on_one_footing([row(one, board, stick) for one in every])
    assert [[mark.word for mark in one.marks] for one in rows] == [["first 150 of 300"], [], []]


@pytest.mark.usefixtures("enough")
def test_a_claimed_figure_of_more_images_neither_counts_nor_is_cut(tmp_path: Path) -> None:
    def pgd(n: int, seed: int, **more: object) -> Measure:
        return measure(1, 1, 1, 1, attack=PGD).model_copy(update=judged(n, seed).worst.model_dump() | more)

    made = {"a": pgd(400, 1, claimed=True), "b": pgd(150, 2), "c": pgd(150, 3), "d": pgd(400, 4)}
    every = [listed(tmp_path / "shapes" / name, card(name, measures=(one,))) for name, one in made.items()]
    board = board_of(*every)
    rows = on_one_footing([row(one, board, yardsticks(board, every)[0].id) for one in every])
    assert [one.robust.n for one in rows if one.robust] == [400, 150, 150, 150]
    assert [one.ranked for one in rows] == [False, True, True, True]


@pytest.mark.usefixtures("enough")
def test_a_board_opens_with_the_yardstick_that_ranks_the_most_as_it_ranks(tmp_path: Path) -> None:
    """The worst case is known of all, on 150 images and once on 400: it ranks four, and is the stronger one."""
    every = [
        listed(tmp_path / "shapes" / name, card(name, measures=(measure(9, 9, 9, 9, attack=PGD),), evaluations=(made,)))
        for name, made in zip("abcd", [judged(400, 1), *(judged(150, seed) for seed in (2, 3, 4))], strict=True)
    ]
    board = board_of(*every)
    stick = yardsticks(board, every)[0].id
    assert stick == TABLE
    assert all(one.ranked for one in on_one_footing([row(one, board, stick) for one in every]))


def test_the_shipped_boards_open_with_the_worst_case_of_all_attacks_and_rank_all() -> None:
    every = [Listed.of(found, found.card) for found in checkpoints.find_all() if found.card]
    for data in ("fashion_mnist", "cifar10"):
        ours = [one for one in every if one.name.startswith(f"{data}/")]
        board = boards(ours)[0]
        stick = yardsticks(board, ours)[0].id
        assert stick == "worst:table+autoattack"
        assert all(one.ranked for one in on_one_footing([row(one, board, stick) for one in ours]))


def test_how_many_images_are_usual() -> None:
    assert (usual([]), usual([40, 100]), usual([60, 60, 400])) == (0, 100, 400)
    assert (usual([1000, 1000, 3000]), usual([1000, 3000]), usual([1000, 10_000, 10_000])) == (1000, 3000, 10_000)


def test_without_rows_that_count_nothing_is_marked(tmp_path: Path) -> None:
    assert on_one_footing([]) == []
    assert [one.marks for one in board_rows(tmp_path, a=())] == [()]
