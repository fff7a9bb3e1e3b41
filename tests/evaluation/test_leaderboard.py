"""Which figures stand in one table, what is missing, what is marked: nothing is compared that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from robust_core import data
from robust_core.attacks import AttackSettings
from robust_core.cards import Card, Tally
from robust_core.checkpoints import WEIGHTS
from robust_core.evaluation.leaderboard import JUDGES, SORTS, ordered, ranks, row, with_fewer_marked
from robust_core.evaluation.report import all_passed, verdict
from robust_core.evaluation.scores import Board, Listed, boards, groups_for, scores, yardsticks
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
    assert "pgd20, apgd" in worst.told
    assert worst.figures["nsd"].low <= worst.figures["nsd"].value
    assert max(found.values(), key=lambda s: s.yardstick.strength) is worst


def test_attacks_on_the_router_do_not_part_static_and_routed_nets_but_their_absence_is_told() -> None:
    static = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9), notes=("left out: this network is static",))
    routed = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9), plan=("table", "adaptive"))
    lazy = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9))
    asked = (("residual", static), ("residual", lazy), ("resnet18", lazy), ("aw_net", routed), ("aw_net", lazy))
    last = [scores(card(architecture=name, evaluations=(e,)))[-1] for name, e in (*asked, ("moe", lazy))]
    assert {s.yardstick.id for s in last} == {"worst:table"}
    assert [bool(s.remarks) for s in last] == [False, False, False, False, True, True]


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


EXPECTED = {  # of the four below: names in order, and their ranks
    "w_robust": ("zxyb", [1, 2, 2]),
    "robust": ("zxyb", [1, 2, 2]),
    "clean": ("zxyb", [1, 1, 1]),
    "worst_class": ("zyxb", [1, 2, 3]),
    "nsd": ("zyxb", [1, 2, 3]),
    "name": ("zxyb", []),
    "method": ("zxyb", []),
    "architecture": ("zxyb", []),
    "doubts": ("zybx", []),
    "parameters": ("xyzb", []),
    "multiply_adds": ("bzxy", []),
    "ms": ("bzxy", []),
}


@pytest.mark.parametrize("key", SORTS)
def test_order_and_ranks_by_every_key(tmp_path: Path, key: str) -> None:
    every = {
        "z": card("Good", measures=(CLEAN, measure(20, 20, 19, 19, attack=PGD)), doubts=(doubts(True),), method="ard",
                  architecture="aw_net", parameters=300),
        "y": card("Worse", measures=(CLEAN, measure(15, 15, 10, 10, attack=PGD)), doubts=(doubts(False),),
                  method="trades", architecture="residual", parameters=200),
        "x": card("Uneven", measures=(CLEAN, measure(25, 15, 5, 5, attack=PGD)), doubts=(doubts(None),), method="rslad",
                  architecture="moe", parameters=100),
        "b": card("Bare", parameters=10**6, method="zzz", architecture="zzz"),
    }  # fmt: skip
    found = [listed(tmp_path / "shapes" / name, one) for name, one in every.items()]
    rows = ordered([row(one, board_of(*found), PGD_ID) for one in found], key)
    order, placed = EXPECTED[key]
    names = [one.name[-1] for one in rows]
    assert "".join(names) == order
    given = ranks(rows, key)
    assert [given[one.name] for one in rows if one.name in given] == placed
    assert given == ranks(list(reversed(rows)), key)  # whatever order they stand in
    assert bool(given) == (key in JUDGES)


def test_those_not_to_be_ranked_stand_behind_and_have_no_rank(tmp_path: Path) -> None:
    best = measure(25, 25, 25, 25, attack=PGD)
    stale = listed(tmp_path / "shapes" / "s", card("Stale", measures=(CLEAN, best)))
    (stale.checkpoint.folder / WEIGHTS).write_bytes(b"others")
    said = [m.model_copy(update={"claimed": True}) for m in (CLEAN, best)]
    claimed = listed(tmp_path / "shapes" / "c", card("Claimed", measures=tuple(said), notes="Imported from a.zip. "))
    half = listed(tmp_path / "shapes" / "h", card("Half", measures=(measure(2, 1, 1, 1, attack=PGD),)))
    honest = listed(tmp_path / "shapes" / "a", card("Honest", measures=(CLEAN, ROBUST)))
    every = [stale, claimed, half, honest]
    rows = ordered([row(one, board_of(*every), PGD_ID) for one in every], "w_robust")
    assert [one.title for one in rows] == ["Honest", "Claimed", "Stale", "Half"]
    assert ranks(rows, "w_robust") == {"shapes/a": 1}
    assert ranks(rows, "robust") == {"shapes/a": 1, "shapes/h": 2}


def test_an_imported_card_s_figures_are_claims_until_they_are_measured_here(tmp_path: Path) -> None:
    best = measure(25, 25, 25, 25, attack=PGD)
    said = tuple(m.model_copy(update={"claimed": True}) for m in (measure(25, 25, 25, 25), best))
    praise, blame = (doubts(verdict).model_copy(update={"claimed": True}) for verdict in (True, False))
    brought = card("Brought", measures=said, notes="Imported from a.zip (SHA-256 0). ", doubts=(praise,))
    one = listed(tmp_path / "shapes" / "c", brought)
    found = row(one, board_of(one), PGD_ID)
    assert not found.ranked
    assert words(found) == {"figures as its card claims"}
    assert [mark.kind for mark in found.marks] == ["foreign"]
    assert found.doubts is None  # nobody here has checked
    against = listed(tmp_path / "shapes" / "d", brought.model_copy(update={"doubts": (blame,)}))
    assert row(against, board_of(one), PGD_ID).doubts is not None
    fewer = measure(5, 5, 5, 5, attack=PGD).model_copy(update=tally(2, 2, 2, 2, each=10).model_dump())
    own = listed(tmp_path / "shapes" / "e", brought.with_measures([fewer]))
    found = row(own, board_of(own), PGD_ID)
    assert found.ranked
    assert found.robust is not None
    assert found.robust.n == 40
    assert found.clean is None  # the clean one is still a claim
    assert words(found) == {"imported"}


def test_a_board_is_called_as_its_images_are_whatever_a_card_says(tmp_path: Path) -> None:
    print_ = data.DATASETS["fashion_mnist_small"].fingerprints[1]  # type: ignore[index]
    fake = card("Fake", measures=(measure(1, 1, 1, 1, attack=PGD, data="mine", print_=print_),))
    true = card("True", measures=(measure(1, 1, 1, 1, attack=PGD, data="fashion_mnist_small", print_=print_),))
    other = card("Else", measures=(measure(1, 1, 1, 1, attack=PGD, data="fashion_mnist_small"),))
    every = [listed(tmp_path / "shapes" / name, one) for name, one in (("a", fake), ("b", other), ("c", true))]
    found = boards(every)
    assert [(one.fingerprint, one.data_name) for one in found][0] == (print_, "fashion_mnist_small")
    assert found[0].id == "fashion_mnist_small:linf:0.1"
    assert found[1].id != found[0].id
    # Of images nobody here knows, a card that was made here has the say.
    brought = card("B", measures=(measure(1, 1, 1, 1, attack=PGD, data="brought"),), notes="Imported from x.zip. ")
    made = card("M", measures=(measure(1, 1, 1, 1, attack=PGD, data="shapes"),))
    assert boards([listed(tmp_path / "b" / "b", brought), listed(tmp_path / "b" / "m", made)])[0].data_name == "shapes"


def test_one_quantity_has_one_yardstick(tmp_path: Path) -> None:
    clean, worst = tally(24, 24, 20, 20), tally(9, 9, 9, 9)
    alone = evaluation(clean, worst, notes=("FAB was left out: the package is not installed",))
    whole = evaluation(clean, worst, plan=("table", "autoattack"), notes=("FAB was left out: it is not installed",))
    routed = evaluation(clean, worst, plan=("table", "adaptive"))
    one, two, three = (
        listed(tmp_path / "shapes" / name, card(name, architecture=architecture, evaluations=(e,)))
        for name, architecture, e in (("a", "residual", alone), ("b", "residual", whole), ("c", "aw_net", routed))
    )
    board = board_of(one, two)
    sticks = {stick.id: stick.title for stick in yardsticks(board, [one, two])}
    assert set(sticks) == {"pgd:20:0.025:uniform:1:True", "group:table", "group:autoattack", "worst:table+autoattack"}
    assert [row(each, board, "group:table").ranked for each in (one, two)] == [True, True]
    assert not any("router" in title for title in sticks.values())
    assert groups_for(yardsticks(board, [two])[0], board, [two]) == ("table", "autoattack", "adaptive")
    titles = {stick.id: stick.title for stick in yardsticks(board, [one, two, three])}
    assert titles["worst:table"].endswith("(and of those on a router)")
    assert all(row(each, board, "worst:table").ranked for each in (one, three))
    told = {s.yardstick.id: [word for word, _ in s.remarks] for s in two.scores}
    assert told["group:autoattack"] == told["worst:table+autoattack"] == ["attacks left out"]
    assert told["group:table"] == []


def test_a_group_tells_of_its_own_broken_logits() -> None:
    e = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9), plan=("table", "autoattack"))
    results = (e.results[0], e.results[1].model_copy(update={"broken": 2}))
    found = {s.yardstick.id: s for s in scores(card(evaluations=(e.model_copy(update={"results": results}),)))}
    assert [word for word, _ in found["group:autoattack"].remarks] == ["broken logits"]
    assert not found["group:table"].remarks


def test_a_row_of_fewer_images_is_marked(tmp_path: Path) -> None:
    few = measure(5, 5, 5, 5, attack=PGD).model_copy(update=tally(9, 9, 9, 9, each=10).model_dump())
    said = measure(25, 25, 25, 25, attack=PGD).model_copy(
        update=tally(99, 99, 99, 99, each=100).model_dump() | {"claimed": True}
    )
    cards = {"a": (CLEAN, ROBUST), "b": (CLEAN, few), "c": (CLEAN, said)}
    every = [listed(tmp_path / "shapes" / name, card(name, measures=m)) for name, m in cards.items()]
    rows = with_fewer_marked([row(one, board_of(*every), PGD_ID) for one in every])
    assert [{mark.word for mark in one.marks} & {"n = 40", "n = 100"} for one in rows] == [set(), {"n = 40"}, set()]


def test_checks_that_could_not_be_made_are_no_pass(tmp_path: Path) -> None:
    verdicts = {"a": (None, None), "b": (True, None), "c": (True, True), "d": (False, None)}
    every = [
        listed(tmp_path / "shapes" / name, card(name, measures=(CLEAN, ROBUST), doubts=(doubts(*passed),)))
        for name, passed in verdicts.items()
    ]
    rows = [row(one, board_of(*every), PGD_ID) for one in every]
    assert [one.value("doubts") for one in rows] == [None, 0.0, 0.0, 1.0]
    assert [all_passed(one) for one in rows] == [False, False, True, False]
    assert [verdict(one) for one in rows] == [
        "no check could be made", "1 of 2 passed, the others could not be made", "2 of 2 passed", "1 of 2 caught",
    ]  # fmt: skip
