"""A figure that flatters, for the attacks on a router were left out, counts against nobody's."""

from __future__ import annotations

from pathlib import Path

from robust_core.evaluation.footing import common, on_one_footing
from robust_core.evaluation.leaderboard import ordered, ranks, row
from robust_core.evaluation.scores import Listed, yardsticks
from tests.evaluation.claims import card, evaluation, tally
from tests.evaluation.test_leaderboard import board_of, listed, words

WORST = "worst:table"
CLEAN, MANY = tally(24, 24, 20, 20), tally(240, 240, 200, 200, each=250)
SPARED = evaluation(MANY, tally(200, 200, 200, 190, each=250))  # 79 % of 1,000
WHOLE = evaluation(CLEAN, tally(12, 12, 12, 12), plan=("table", "adaptive"))  # 48 % of 100
OTHERS = evaluation(CLEAN, tally(15, 15, 15, 15))  # 60 % of 100


def on_disk(folder: Path, **evaluations: tuple[object, ...]) -> list[Listed]:
    """Networks by name: those called aw… are routed."""
    return [
        listed(folder / "shapes" / name,
               card(name, architecture="aw_net" if name[:2] == "aw" else "residual", evaluations=made))
        for name, made in evaluations.items()
    ]  # fmt: skip


def test_it_is_marked_and_not_ranked(tmp_path: Path) -> None:
    every = on_disk(tmp_path, aw=(SPARED,), aw_whole=(WHOLE,), b=(OTHERS,))
    rows = on_one_footing([row(one, board_of(*every), WORST) for one in every])
    assert [one.flattering for one in rows] == [True, False, False]
    assert words(rows[0]) == {"router not attacked"}
    # Nor do its many images make the others few.
    assert ranks(rows, "robust") == {"shapes/b": 1, "shapes/aw_whole": 2}
    assert [one.title for one in ordered(rows, "w_robust")] == ["b", "aw_whole", "aw"]
    # Where nobody speaks of a router, nothing is missing.
    assert row(every[0], board_of(*every), "group:table").ranked


def test_a_whole_figure_is_shown_before_it_even_on_fewer_images(tmp_path: Path) -> None:
    for name, made in {"first": (SPARED, WHOLE), "last": (WHOLE, SPARED)}.items():
        (one,) = on_disk(tmp_path / name, aw=made)
        found = row(one, board_of(one), WORST)
        assert found.robust is not None
        assert (found.robust.n, found.ranked, found.marks) == (100, True, ())


def test_attacks_on_what_a_router_has_not_got_are_not_missing(tmp_path: Path) -> None:
    whole, stick = evaluation(CLEAN, tally(9, 9, 9, 9), plan=("table", "autoattack", "adaptive")), f"{WORST}+autoattack"
    for note, said in {
        "of the attacks on the router only router_signals were run: this router tells no types": set(),
        "FAB was left out: the package is not installed": {"attacks left out"},
    }.items():
        mixture = whole.model_copy(update={"notes": (note,)})
        both = on_disk(tmp_path / str(len(said)), aw=(mixture,), twin=(whole,))
        found = row(both[0], board_of(*both), stick)
        assert (found.ranked, words(found)) == (True, said)
        # Only a whole worst case is held against another's.
        assert (common(board_of(*both), stick, *both) is None) == bool(said)


def test_it_brings_no_yardstick_to_the_front(tmp_path: Path) -> None:
    spared = OTHERS
    every = on_disk(tmp_path / "a", aw=(spared,), aw_too=(spared,), aw_whole=(WHOLE,))
    # Under the papers' attacks three are ranked, with those on a router one alone.
    assert yardsticks(board_of(*every), every)[0].id == "group:table"
    wide = evaluation(CLEAN, tally(9, 9, 9, 9), plan=("table", "autoattack"))
    alone = on_disk(tmp_path / "b", aw=(wide,))
    assert yardsticks(board_of(*alone), alone)[-1].id == "worst:table+autoattack"  # it ranks nobody
