"""Claims judged on the images that both networks were asked, and what a spared router may claim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robust_core.cards import Evaluation, Tally
from robust_core.evaluation.scores import Listed
from robust_core.library.claims import Unspared, verdict
from tests.evaluation.claims import card, evaluation, tally
from tests.library.test_claims import ROUTED, W, answered, figures, listed

LABELS = np.arange(2000) % 4
CLEAN = tally(*(200,) * 4, each=250)


def judged(n: int, share: float) -> Evaluation:
    draw = np.random.default_rng(0).random(len(LABELS))[:n]
    clean, robust = (Tally.counted(draw < up_to, LABELS[:n], 4) for up_to in (0.9, share))
    return evaluation(clean, robust)


def routed(tmp_path: Path, *made: Evaluation, robust: int, rival: Evaluation, rival_robust: int) -> list[Listed]:
    """AW-Net and its static twin, with a PGD figure each."""
    return [
        listed(tmp_path / "a", card("A", architecture="aw_net", evaluations=made, **figures(robust))),
        listed(tmp_path / "b", card("T", evaluations=(rival,), **figures(rival_robust))),
    ]


@pytest.mark.parametrize("more", [(2000, 1000), (1000, 2000)])
def test_an_evaluation_on_more_images_does_not_hide_the_stronger_attack(tmp_path: Path, more: tuple[int, int]) -> None:
    """PGD says it holds; the papers' attacks, on 1,000 images of the one and 2,000 of the other, deny it."""
    every = [
        listed(tmp_path / method, card(method, method=method, evaluations=(judged(n, share),), **figures(weak)))
        for method, n, share, weak in (("b_mtard", more[0], 0.3, 150), ("mtard", more[1], 0.6, 100))
    ]
    found = answered(verdict(W, every))
    assert (found.by.yardstick.id, found.by.n, found.by.paired, found.answer) == (
        "group:table", 1000, True, "does not hold",
    )  # fmt: skip
    same = [
        listed(tmp_path / "same" / method, card(method, method=method, evaluations=(judged(1000, share),)))
        for method, share in (("b_mtard", 0.3), ("mtard", 0.6))
    ]
    equal = answered(verdict(W, same)).by
    assert (found.by.gain, found.by.low, found.by.high) == (equal.gain, equal.low, equal.high)


@pytest.mark.parametrize(("ours", "theirs", "answer"), [(150, 100, "undecided"), (100, 150, "does not hold")])
def test_a_spared_router_may_lose_but_not_win(tmp_path: Path, ours: int, theirs: int, answer: str) -> None:
    left = {count: tally(*(count,) * 4, each=250) for count in (ours, theirs)}
    spared, rival = (evaluation(CLEAN, left[count]) for count in (ours, theirs))
    found = answered(verdict(ROUTED, routed(tmp_path, spared, robust=ours, rival=rival, rival_robust=theirs)))
    assert (found.by.side != 0, found.by.spared, found.unspared, found.answer) == (True, True, None, answer)


def test_what_the_attacks_on_the_router_leave_is_told_where_they_are_not_compared(tmp_path: Path) -> None:
    spared = evaluation(CLEAN, tally(*(150,) * 4, each=250))
    whole = evaluation(CLEAN, tally(*(90,) * 4, each=250), plan=("table", "adaptive"))
    table = tally(*(140,) * 4, each=250)
    results = (whole.results[0].model_copy(update=table.model_dump()), *whole.results[1:])
    whole = whole.model_copy(update={"groups": whole.groups | {"table": table}, "results": results})
    rival = evaluation(CLEAN, tally(*(100,) * 4, each=250))
    found = answered(verdict(ROUTED, routed(tmp_path, spared, whole, robust=150, rival=rival, rival_robust=100)))
    assert (found.by.yardstick.id, found.answer) == ("group:table", "undecided")
    assert found.unspared == Unspared(n=1000, robust=0.36, without=0.56)


def test_where_autoattack_met_both_the_attacks_on_the_router_decide(tmp_path: Path) -> None:
    """Spared it would win; a whole evaluation, on fewer images, is judged by, and it loses."""
    plan = ("table", "autoattack")
    many = evaluation(tally(*(400,) * 4, each=500), tally(*(390,) * 4, each=500), plan=plan)
    whole = evaluation(CLEAN, tally(*(50,) * 4, each=250), plan=(*plan, "adaptive"))
    rival = evaluation(CLEAN, tally(*(150,) * 4, each=250), plan=plan)
    found = answered(verdict(ROUTED, routed(tmp_path, whole, many, robust=150, rival=rival, rival_robust=100)))
    assert (found.by.yardstick.id, found.by.spared, found.unspared) == ("worst:table+autoattack", False, None)
    assert (found.by.n, found.answer) == (1000, "does not hold")


def test_a_spared_router_that_wins_contradicts_nobody(tmp_path: Path) -> None:
    lost, won = (evaluation(CLEAN, tally(*(count,) * 4, each=250)) for count in (100, 190))
    every = routed(tmp_path, lost, robust=100, rival=evaluation(CLEAN, tally(*(150,) * 4, each=250)), rival_robust=150)
    more = card("A, too", architecture="aw_net", evaluations=(won,), **figures(190))
    found = answered(verdict(ROUTED, [*every, listed(tmp_path / "c", more)]))
    assert (found.pairs, found.against, found.answer) == (2, (), "does not hold")
