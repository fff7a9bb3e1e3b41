"""Which figures stand in one table, what is missing, what is marked: nothing is compared that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from robust_core.attacks import AttackSettings
from robust_core.cards import Card, Tally
from robust_core.checkpoints import WEIGHTS
from robust_core.evaluation.leaderboard import row
from robust_core.evaluation.scores import Board, Listed, boards, scores, yardsticks
from tests.evaluation.claims import PGD, PRINT, card, doubts, evaluation, measure, put, tally

CLEAN, ROBUST = measure(24, 24, 20, 20), measure(20, 15, 10, 5, attack=PGD)
PGD_ID = "pgd:20:uniform:1:True"


def listed(folder: Path, one: Card, weights: bytes = b"weights") -> Listed:
    checkpoint = put(folder, one, weights)
    assert checkpoint.card
    return Listed.of(checkpoint, checkpoint.card)


def board_of(*cards: Listed) -> Board:
    return boards(cards)[0]


def words(found: object) -> set[str]:
    return {mark.word for mark in found.marks}  # type: ignore[attr-defined]


def test_a_row_has_the_figures_of_the_card(tmp_path: Path) -> None:
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, ROBUST), doubts=(doubts(True, False, None),)))
    board = board_of(one)
    assert (board.data_name, board.fingerprint, board.norm, board.eps) == ("shapes", PRINT, "linf", 0.1)
    (stick,) = yardsticks(board, [one])
    assert stick.title == "PGD-20, step 0.0125, 1 restart"
    found = row(one, board, stick.id)
    assert found.ranked
    assert found.clean is not None
    assert found.robust is not None
    assert found.clean.accuracy == 0.88
    assert found.robust.accuracy == 0.5
    assert found.w_robust == pytest.approx(0.69)
    assert (found.worst_class, found.worst_name) == (0.2, "dog")
    # Classes 0.8, 0.6, 0.4, 0.2: mean 0.5, population variance 0.05
    assert found.nsd == pytest.approx(0.05**0.5 / 0.5)
    assert found.doubts is not None
    assert [check.name for check in found.doubts.raised] == ["check1"]
    assert not found.marks


def test_what_was_not_measured_is_none_and_not_ranked(tmp_path: Path) -> None:
    known = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, ROBUST)))
    bare = listed(tmp_path / "shapes" / "b", card("Bare"))
    found = row(bare, board_of(known, bare), PGD_ID)
    assert not found.ranked
    assert [found.value(key) for key in ("clean", "robust", "w_robust", "worst_class", "nsd", "doubts", "ms")] == [
        None
    ] * 7


def test_where_nothing_was_measured_there_is_a_board_all_the_same(tmp_path: Path) -> None:
    bare = listed(tmp_path / "shapes" / "b", card("Bare"))
    (board,) = boards([bare])
    assert (board.data_name, board.fingerprint, board.eps) == ("shapes", "", 0.1)
    assert yardsticks(board, [bare]) == []
    assert row(bare, board, "").score is None


def test_no_board_mixes_sets_budgets_or_norms(tmp_path: Path) -> None:
    other = measure(9, 9, 9, 9, attack=PGD, data="others", print_="e" * 64)
    wide = measure(1, 1, 1, 1, attack=PGD.replace(eps=0.3))
    round_ = measure(2, 2, 2, 2, attack=AttackSettings(name="pgd", norm="l2", eps=0.1, steps=20))
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, ROBUST, other, wide, round_)))
    two = listed(tmp_path / "shapes" / "b", card("Second", measures=(CLEAN, ROBUST)))
    found = boards([one, two])
    assert found[0].id == "shapes:linf:0.1"  # of the most cards
    assert {b.id for b in found} == {"shapes:linf:0.1", "shapes:linf:0.3", "shapes:l2:0.1", "others:linf:0.1"}
    shares = {b.id: row(one, b, PGD_ID).robust.accuracy for b in found}  # type: ignore[union-attr]
    assert shares == {"shapes:linf:0.1": 0.5, "shapes:linf:0.3": 0.04, "shapes:l2:0.1": 0.08, "others:linf:0.1": 0.36}
    away = next(b for b in found if b.id == "others:linf:0.1")
    assert row(two, away, PGD_ID).score is None
    assert row(one, away, PGD_ID).clean is None  # never another set's
    assert words(row(one, away, PGD_ID)) == {"trained on shapes"}


def test_two_sets_of_one_name_are_two_boards(tmp_path: Path) -> None:
    other = measure(9, 9, 9, 9, attack=PGD, print_="e" * 64)
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, ROBUST, other)))
    assert len({b.id for b in boards([one])}) == 2
    close = [measure(9, 9, 9, 9, attack=PGD.replace(eps=eps)) for eps in (0.031372549, 0.03137)]
    two = listed(tmp_path / "shapes" / "b", card(measures=tuple(close)))
    assert [board.eps for board in boards([two])] == [0.03137, 0.031372549]


def test_weaker_and_stronger_attacks_are_not_one_yardstick(tmp_path: Path) -> None:
    short = measure(22, 22, 20, 20, attack=PGD.replace(steps=5))
    seeded = measure(19, 15, 10, 5, attack=PGD.replace(seed=7))
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, ROBUST, short)))
    two = listed(tmp_path / "shapes" / "b", card("Other seed", measures=(CLEAN, seeded)))
    board = board_of(one, two)
    sticks = yardsticks(board, [one, two])
    assert [stick.id for stick in sticks] == [PGD_ID, "pgd:5:uniform:1:True"]  # a seed is no other attack
    second = row(two, board, PGD_ID).score
    assert second is not None
    assert second.seed == 7


def test_an_evaluation_gives_its_worst_case_and_the_attacks_that_met_every_image() -> None:
    e = evaluation(tally(24, 24, 20, 20), tally(10, 10, 10, 4), plan=("table", "autoattack"))
    found = {s.yardstick.id: s for s in scores(card(evaluations=(e,)))}
    assert set(found) == {"pgd:20:0.025:uniform:1:True", "group:table", "group:autoattack", "worst:table+autoattack"}
    worst = found["worst:table+autoattack"]
    assert worst.robust.accuracy == 0.34
    assert worst.told == "per image the worst of PGD-20, APGD-CE-100"
    assert worst.figures["nsd"].low <= worst.figures["nsd"].value
    assert max(found.values(), key=lambda s: s.yardstick.strength) is worst


def test_attacks_on_the_router_do_not_part_static_and_routed_nets_but_their_absence_is_told() -> None:
    static = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9), notes=("left out: this network is static",))
    routed = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9), plan=("table", "adaptive"))
    lazy = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9))
    asked = (("residual", static), ("residual", lazy), ("resnet18", lazy), ("aw_net", routed), ("aw_net", lazy))
    last = [scores(card(architecture=name, evaluations=(e,)))[-1] for name, e in (*asked, ("moe", lazy))]
    assert {s.yardstick.id for s in last} == {"worst:table"}
    assert [bool(s.flatters) for s in last] == [False, False, False, False, True, True]
    assert not any(s.remarks for s in last)


def test_broken_logits_are_told() -> None:
    sound = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9))
    for broken in (0, 3):
        (*_, last) = scores(card(evaluations=(sound.model_copy(update={"broken": broken}),)))
        assert [word for word, _ in last.remarks] == (["broken logits"] if broken else [])


def test_figures_of_other_weights_are_left_out_and_marked(tmp_path: Path) -> None:
    old = evaluation(tally(24, 24, 20, 20), tally(20, 20, 20, 20), sha="b" * 64)
    new = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9))
    fresh = listed(tmp_path / "shapes" / "a", card(evaluations=(old, new), doubts=(doubts(True, sha="b" * 64),)))
    stale = listed(tmp_path / "shapes" / "b", card("Stale", evaluations=(old,)))
    board = board_of(fresh, stale)
    kept = row(fresh, board, "worst:table")
    assert kept.robust is not None
    assert kept.robust.accuracy == 0.36
    assert kept.doubts is None
    assert words(row(stale, board, "worst:table")) == {"earlier weights"}
    assert not row(stale, board, "worst:table").ranked


def test_a_card_of_other_weights_is_stale_and_not_ranked(tmp_path: Path) -> None:
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, ROBUST)))
    board = board_of(one)
    assert row(one, board, PGD_ID).ranked
    (one.checkpoint.folder / WEIGHTS).write_bytes(b"other weights")
    assert words(row(one, board, PGD_ID)) == {"stale card"}
    assert not row(one, board, PGD_ID).ranked
    (one.checkpoint.folder / WEIGHTS).unlink()
    assert words(row(one, board, PGD_ID)) == {"no weights"}


def test_doubts_count_only_at_the_board_s_budget(tmp_path: Path) -> None:
    wide = doubts(False, eps=0.3)
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, ROBUST), doubts=(wide,)))
    assert row(one, board_of(one), PGD_ID).doubts is None
    both = (doubts(True), doubts(False, print_="e" * 64), wide)
    two = listed(tmp_path / "shapes" / "b", card("B", measures=(CLEAN, ROBUST), doubts=both))
    found = row(two, board_of(two), PGD_ID).doubts
    assert found is not None
    assert not found.raised  # the board's own images first


def test_imported_two_n_and_absent_classes_are_marked(tmp_path: Path) -> None:
    few = Tally(n=30, correct=12, class_n=(10, 10, 10, 0), class_correct=(5, 4, 3, 0))
    robust = ROBUST.model_copy(update=few.model_dump())
    one = listed(tmp_path / "shapes" / "a", card(method="imported", measures=(CLEAN, robust)))
    found = row(one, board_of(one), PGD_ID)
    assert words(found) == {"imported", "two n", "1 of 4 classes absent"}
    assert found.worst_name == "cat"


def test_ties_for_the_worst_class_name_nobody(tmp_path: Path) -> None:
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, measure(0, 0, 0, 0, attack=PGD))))
    found = row(one, board_of(one), PGD_ID)
    assert found.worst_name == "4 classes alike"
    assert found.nsd is None
