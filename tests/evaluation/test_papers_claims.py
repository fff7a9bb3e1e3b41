"""The papers' claims as the cards answer them: by equal pairs, the strongest decisive yardstick, honest intervals."""

from __future__ import annotations

from pathlib import Path

import pytest

from robust_core.cards import Card
from robust_core.checkpoints import RECIPE
from robust_core.evaluation.claims import CLAIMS, Claim, Verdict, differences, verdict
from robust_core.evaluation.measures import wilson
from robust_core.evaluation.scores import Listed
from tests.evaluation.claims import PGD, card, evaluation, measure, put, tally

W = Claim(method="b_mtard", rival="mtard", what="w_robust")
NSD = Claim(method="absld", rival="rslad", what="nsd")
ROUTED = Claim(method="aw_net", rival="residual", what="w_robust", routed=True)
PLAIN = "seed = 0\n[schedule]\nepochs = 6\n[teachers]\nclean = ''\n"


def listed(folder: Path, one: Card, recipe: str | None = PLAIN) -> Listed:
    checkpoint = put(folder, one)
    if recipe is not None:
        (folder / RECIPE).write_text(recipe)
    assert checkpoint.card
    return Listed.of(checkpoint, checkpoint.card)


def figures(clean: tuple[int, ...], robust: tuple[int, ...]) -> dict[str, object]:
    return {"measures": (measure(*clean), measure(*robust, attack=PGD))}


def pair(tmp_path: Path, robust: int, rival: int, *, recipe: str | None = PLAIN) -> list[Listed]:
    """B-MTARD and MTARD, equally accurate untouched, so many of each 25 right under attack."""
    return [
        listed(tmp_path / "shapes" / "a", card("B", method="b_mtard", **figures((20,) * 4, (robust,) * 4)), recipe),
        listed(tmp_path / "shapes" / "b", card("M", method="mtard", **figures((20,) * 4, (rival,) * 4))),
    ]


def answered(found: Verdict | None) -> Verdict:
    assert found is not None
    return found


def test_the_gain_and_its_interval_by_hand(tmp_path: Path) -> None:
    found = answered(verdict(W, pair(tmp_path, 20, 5)))
    by = found.by
    assert (found.method.card.title, found.rival.card.title, by.n) == ("B", "M", 100)
    assert (by.method, by.rival) == (pytest.approx(0.8), pytest.approx(0.5))
    assert by.gain == pytest.approx(0.3)
    clean, high, low = wilson(80, 100), wilson(80, 100), wilson(20, 100)
    ours, theirs = (clean[0] + high[0]) / 2, (clean[1] + low[1]) / 2
    assert by.low == pytest.approx(0.3 - ((0.8 - ours) ** 2 + (theirs - 0.5) ** 2) ** 0.5)
    assert found.answer == "holds"


@pytest.mark.parametrize(("robust", "rival", "answer"), [(20, 5, "holds"), (5, 20, "fails"), (11, 10, "open")])
def test_answers(tmp_path: Path, robust: int, rival: int, answer: str) -> None:
    assert answered(verdict(W, pair(tmp_path, robust, rival))).answer == answer


def test_lower_nsd_is_a_gain(tmp_path: Path) -> None:
    every = [
        listed(tmp_path / "shapes" / "a", card("A", method="absld", **figures((20,) * 4, (15, 15, 15, 15)))),
        listed(tmp_path / "shapes" / "b", card("R", method="rslad", **figures((20,) * 4, (25, 25, 5, 5)))),
    ]
    by = answered(verdict(NSD, every)).by
    assert by.method == 0
    assert by.gain == pytest.approx(by.rival)
    assert by.gain == pytest.approx(2 / 3)
    assert by.low > 0


def test_unequal_recipes_are_told_and_answer_nothing(tmp_path: Path) -> None:
    found = answered(verdict(W, pair(tmp_path, 20, 5, recipe="seed = 0\n[schedule]\nepochs = 3\n")))
    assert found.answer == "unequal"
    assert found.unequal == ("schedule.epochs: 3 against 6",)


def test_an_unknown_training_answers_nothing(tmp_path: Path) -> None:
    assert answered(verdict(W, pair(tmp_path, 20, 5, recipe=None))).answer == "unequal"


def test_what_the_claim_is_about_may_differ() -> None:
    method = {"seed": 0, "objective": {"name": "b_mtard"}, "teachers": {"clean": "x"}, "model": {"architecture": "a"}}
    rival = {"seed": 0, "objective": {"name": "mtard"}, "title": "other"}
    assert differences(W, method, rival) == ()
    assert differences(ROUTED, method, rival) == (
        "objective.name: b_mtard against mtard",
        "teachers.clean: x against none",
    )


def test_the_most_equal_rival_is_taken(tmp_path: Path) -> None:
    every = pair(tmp_path, 20, 5)
    other = card("Longer", method="mtard", **figures((20,) * 4, (25,) * 4))
    longer = listed(tmp_path / "shapes" / "0", other, PLAIN.replace("6", "60"))
    assert answered(verdict(W, [longer, *every])).rival.card.title == "M"


@pytest.mark.parametrize(
    "other",
    [
        {"architecture": "aw_net"},
        {"options": {"width": 64}},
        {"data_fingerprint": "9" * 64},
        {"notes": "Imported from elsewhere"},
    ],
)
def test_networks_of_another_kind_are_no_rivals(tmp_path: Path, other: dict[str, object]) -> None:
    ours = card("B", method="b_mtard", options={"width": 32}, **figures((20,) * 4, (20,) * 4))
    theirs = card("M", **{"method": "mtard", "options": {"width": 32}} | other, **figures((20,) * 4, (5,) * 4))
    every = [listed(tmp_path / "shapes" / "a", ours), listed(tmp_path / "shapes" / "b", theirs)]
    assert verdict(W, every) is None


def test_a_router_is_compared_with_its_static_twin_of_the_same_method(tmp_path: Path) -> None:
    every = [
        listed(
            tmp_path / "shapes" / "a",
            card("A", architecture="aw_net", options={"width": 8, "router_width": 4}, **figures((20,) * 4, (5,) * 4)),
        ),
        listed(tmp_path / "shapes" / "b", card("T", options={"width": 8}, **figures((20,) * 4, (20,) * 4))),
        listed(tmp_path / "shapes" / "c", card("O", method="rslad", **figures((20,) * 4, (25,) * 4))),
    ]
    found = answered(verdict(ROUTED, every))
    assert (found.rival.card.title, found.answer) == ("T", "fails")


def test_the_strongest_that_decides_answers(tmp_path: Path) -> None:
    """PGD says holds on all images, the whole ensemble says the opposite: the ensemble is believed."""
    made = []
    for name, method, weak, strong in (("a", "b_mtard", 20, 1), ("b", "mtard", 5, 20)):
        whole = evaluation(tally(*(20,) * 4), tally(*(strong,) * 4), plan=("table", "autoattack"))
        one = card(name, method=method, evaluations=(whole,), **figures((20,) * 4, (weak,) * 4))
        made.append(listed(tmp_path / "shapes" / name, one))
    found = answered(verdict(W, made))
    assert found.by.yardstick.strength > 0
    assert found.answer == "fails"


def test_different_numbers_of_images_compare_nothing(tmp_path: Path) -> None:
    every = pair(tmp_path, 20, 5)
    fewer = tally(2, 2, 2, 2, each=5).model_dump()
    short = measure(5, 5, 5, 5, attack=PGD).model_copy(update=fewer)
    other = card("M", method="mtard", measures=(measure(20, 20, 20, 20), short))
    assert verdict(W, [every[0], listed(tmp_path / "shapes" / "z", other)]) is None


def test_asked_of_one_checkpoint(tmp_path: Path) -> None:
    every = pair(tmp_path, 20, 5)
    assert answered(verdict(W, every, of=every[0].name)).method.name == every[0].name
    assert verdict(W, every, of=every[1].name) is None


def test_the_claims_are_of_known_methods() -> None:
    from robust_core.methods import OBJECTIVES
    from robust_core.models import ARCHITECTURES

    for claim in CLAIMS:
        known = ARCHITECTURES if claim.routed else OBJECTIVES
        assert {claim.method, claim.rival} <= set(known.names())
