"""Who stands where on a board, and who does not count: ranks, claims of imported cards, names, yardsticks."""

from __future__ import annotations

from pathlib import Path

import pytest

from robust_core import data
from robust_core.checkpoints import WEIGHTS
from robust_core.evaluation.footing import on_one_footing
from robust_core.evaluation.leaderboard import JUDGES, SORTS, ordered, ranks, row
from robust_core.evaluation.measures import wilson
from robust_core.evaluation.report import all_passed, verdict
from robust_core.evaluation.scores import boards, groups_for, scores, yardsticks
from tests.evaluation.claims import PGD, card, doubts, evaluation, measure, tally
from tests.evaluation.test_leaderboard import CLEAN, PGD_ID, ROBUST, board_of, listed, words

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
    "multiply_adds": ("yxzb", []),  # counted from the card; of an unknown architecture nobody knows
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
    assert (found[0].fingerprint, found[0].data_name) == (print_, "fashion_mnist_small")
    assert found[0].id == "fashion_mnist_small:linf:0.1"
    assert found[1].id != found[0].id
    # Of images nobody here knows, a card that was made here has the say.
    brought = card("B", measures=(measure(1, 1, 1, 1, attack=PGD, data="brought"),), notes="Imported from x.zip. ")
    made = card("M", measures=(measure(1, 1, 1, 1, attack=PGD, data="shapes"),))
    assert boards([listed(tmp_path / "b" / "b", brought), listed(tmp_path / "b" / "m", made)])[0].data_name == "shapes"


def test_the_yardstick_that_ranks_the_most_comes_first(tmp_path: Path) -> None:
    """The worst case is the stronger yardstick; but of too few images it ranks one alone, once one card has more."""
    few = evaluation(tally(24, 24, 20, 20), tally(9, 9, 9, 9))
    many = evaluation(tally(48, 48, 40, 40, each=50), tally(18, 18, 18, 18, each=50))
    for last, first in ((few, 1), (many, 0)):
        every = [
            listed(tmp_path / str(first) / name, card(name, measures=(CLEAN, measure(9, 9, 9, 9, attack=PGD)),
                                                      evaluations=(made,)))
            for name, made in (("a", few), ("b", few), ("c", last))
        ]  # fmt: skip
        assert yardsticks(board_of(*every), every)[0].strength == first


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
    assert titles["worst:table"].endswith("(and on a router)")
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


def test_a_row_of_fewer_images_is_marked_and_not_ranked(tmp_path: Path) -> None:
    few = measure(5, 5, 5, 5, attack=PGD).model_copy(update=tally(9, 9, 9, 9, each=10).model_dump())
    said = measure(25, 25, 25, 25, attack=PGD).model_copy(
        update=tally(99, 99, 99, 99, each=100).model_dump() | {"claimed": True}
    )
    cards = {"a": (CLEAN, ROBUST), "b": (CLEAN, few), "c": (CLEAN, said)}
    every = [listed(tmp_path / "shapes" / name, card(name, measures=m)) for name, m in cards.items()]
    rows = on_one_footing([row(one, board_of(*every), PGD_ID) for one in every])
    # The 400 that an imported card claims make nobody's 100 few.
    assert [[mark.word for mark in one.marks if mark.kind == "fewer"] for one in rows] == [
        [],
        ["n = 40, others 100"],
        [],
    ]
    for key, order in (("robust", "acb"), ("nsd", "abc")):  # 0.9 and even classes would lead
        assert "".join(one.title for one in ordered(rows, key)) == order
        assert ranks(rows, key) == {"shapes/a": 1}
    (alone,) = on_one_footing([row(every[1], board_of(*every), PGD_ID)])
    assert ranks([alone], "robust") == {"shapes/b": 1}
    assert words(alone) == {"two n"}


@pytest.mark.parametrize("key", ["robust", "nsd", "name"])
def test_backwards_those_without_a_rank_or_a_figure_stay_last(tmp_path: Path, key: str) -> None:
    figures = {"a": (9, 8, 8, 8), "b": (20, 20, 19, 19), "c": (20, 20, 19, 19)}
    cards = {name: card(name.upper(), measures=(CLEAN, measure(*right, attack=PGD))) for name, right in figures.items()}
    cards |= {"bare": card("0"), "stale": card("1", measures=(CLEAN, measure(25, 25, 25, 25, attack=PGD)))}
    every = [listed(tmp_path / "shapes" / name, one) for name, one in cards.items()]
    (every[-1].checkpoint.folder / WEIGHTS).write_bytes(b"others")
    rows = [row(one, board_of(*every), PGD_ID) for one in every]
    there, back = ("".join(one.title for one in ordered(rows, key, backwards=way)) for way in (False, True))
    assert (there, back) == (("ABC01", "CBA10") if key == "name" else ("BCA10", "ABC10"))
    assert ranks(ordered(rows, key, backwards=True), key) == ranks(rows, key)


def test_the_interval_of_w_robust_is_made_of_both(tmp_path: Path) -> None:
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, ROBUST)))
    found = row(one, board_of(one), PGD_ID)
    (low, high), (lowest, highest) = wilson(88, 100), wilson(50, 100)
    width = found.w_interval
    assert width is not None
    assert (width.value, width.low, width.high) == (found.w_robust, (low + lowest) / 2, (high + highest) / 2)
    # Wide enough for any two shares of the same images: at least as wide as where those right under attack are all
    # among those right untouched, which is the most that they can have in common.
    spread = (0.5 + (0.88 - 0.5) / 4 - 0.69**2) ** 0.5 / 100**0.5
    assert 1.96 * spread < (width.high - width.low) / 2 < 1.3 * 1.96 * spread
    bare = listed(tmp_path / "shapes" / "b", card("Bare"))
    assert row(bare, board_of(one), PGD_ID).w_interval is None


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
        "no check decides", "1 of 2 passed, the others undecided", "2 of 2 passed", "1 of 2 caught",
    ]  # fmt: skip
