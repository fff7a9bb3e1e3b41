"""The papers' claims as the cards answer them: by pairs trained alike, the strongest attack on enough images."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from robust_core.attacks import AttackSettings
from robust_core.cards import Card, Measure
from robust_core.checkpoints import RECIPE
from robust_core.evaluation.measures import class_figures, wilson
from robust_core.evaluation.scores import Listed
from robust_core.library import alike
from robust_core.library.claims import CLAIMS, Claim, Verdict, verdict
from robust_core.methods import OBJECTIVES
from robust_core.models import ARCHITECTURES
from tests.evaluation.claims import DATA, PGD, PRINT, card, doubts, evaluation, put, tally

W = Claim(method="b_mtard", rival="mtard", what="w_robust")
NSD = Claim(method="absld", rival="rslad", what="nsd")
WORST = Claim(method="absld", rival="rslad", what="worst_class")
ROUTED = Claim(method="aw_net", rival="residual", what="w_robust", routed=True)
INNER = '[attack]\nname = "pgd"\neps = 0.1\n'
L2 = AttackSettings(name="pgd", norm="l2", eps=0.05, steps=20)


def measure(*right: int, attack: AttackSettings | None = PGD, each: int = 250, print_: str = PRINT) -> Measure:
    return Measure(**tally(*right, each=each).model_dump(), attack=attack, data_name=DATA, data_fingerprint=print_,
                   seconds=1.0)  # fmt: skip


def figures(robust: int | tuple[int, ...], clean: int = 200) -> dict[str, object]:
    """Of four classes of 250 images so many right, untouched and under PGD."""
    hit = robust if isinstance(robust, tuple) else (robust,) * 4
    return {"measures": (measure(*(clean,) * 4, attack=None), measure(*hit))}


def listed(folder: Path, one: Card, recipe: str | None = "", *, weights: bytes = b"weights") -> Listed:
    """In a folder of that name, with a recipe of its method and these lines."""
    checkpoint = put(folder, one, weights)
    if recipe is not None:
        taught = "" if "[objective]" in recipe else f'[objective]\nname = "{one.method}"\n'
        (folder / RECIPE).write_text(f'title = "T"\n{recipe}\n{taught}')
    assert checkpoint.card
    return Listed.of(checkpoint, checkpoint.card)


def pair(tmp_path: Path, robust: int, rival: int, recipe: str | None = "", name: str = "x") -> list[Listed]:
    """B-MTARD and MTARD, equally accurate untouched."""
    return [
        listed(tmp_path / name / "a", card("B", method="b_mtard", **figures(robust)), recipe),
        listed(tmp_path / name / "b", card("M", method="mtard", **figures(rival))),
    ]


def answered(found: Verdict | None) -> Verdict:
    assert found is not None
    return found


def test_the_gain_and_its_interval_by_hand(tmp_path: Path) -> None:
    found = answered(verdict(W, pair(tmp_path, 150, 120)))
    by = found.by
    assert (found.method.card.title, found.rival.card.title, by.n) == ("B", "M", 1000)
    assert (by.method, by.rival) == (pytest.approx(0.7), pytest.approx(0.64))
    clean, ours, theirs = wilson(800, 1000), wilson(600, 1000), wilson(480, 1000)
    low, high = ((a + b) / 2 for a, b in zip(clean, ours, strict=True))
    lowest, highest = ((a + b) / 2 for a, b in zip(clean, theirs, strict=True))
    assert by.gain == pytest.approx(0.06)
    assert by.low == pytest.approx(0.06 - math.hypot(0.7 - low, highest - 0.64))
    assert by.high == pytest.approx(0.06 + math.hypot(high - 0.7, 0.64 - lowest))
    assert (found.answer, found.pairs, found.against, found.unequal, found.doubted) == ("holds", 1, (), (), ())


@pytest.mark.parametrize(
    ("robust", "rival", "answer"), [(150, 100, "holds"), (100, 150, "does not hold"), (101, 100, "undecided")]
)
def test_answers(tmp_path: Path, robust: int, rival: int, answer: str) -> None:
    assert answered(verdict(W, pair(tmp_path, robust, rival))).answer == answer


def test_few_images_decide_nothing(tmp_path: Path) -> None:
    few = {"measures": (measure(20, 20, 20, 20, attack=None, each=25), measure(25, 25, 25, 25, each=25))}
    none = {"measures": (measure(20, 20, 20, 20, attack=None, each=25), measure(0, 0, 0, 0, each=25))}
    every = [
        listed(tmp_path / "a", card(method="b_mtard", **few)),
        listed(tmp_path / "b", card(method="mtard", **none)),
    ]
    found = answered(verdict(W, every))
    assert (found.by.low > 0, found.answer) == (True, "undecided")


def test_lower_nsd_is_a_gain_and_its_interval_is_turned_about(tmp_path: Path) -> None:
    ours, theirs = (100, 110, 120, 150), (200, 200, 60, 20)
    every = [
        listed(tmp_path / "a", card(method="absld", **figures(ours))),
        listed(tmp_path / "b", card(method="rslad", **figures(theirs))),
    ]
    by = answered(verdict(NSD, every)).by
    a, b = (class_figures(tally(*hit, each=250), resamples=500)["nsd"] for hit in (ours, theirs))
    assert by.gain == pytest.approx(b.value - a.value)
    assert by.low == pytest.approx(by.gain - math.hypot(b.value - b.low, a.high - a.value))
    assert by.high == pytest.approx(by.gain + math.hypot(b.high - b.value, a.value - a.low))
    worst = answered(verdict(WORST, every)).by
    assert (worst.method, worst.rival, worst.gain) == (0.4, 0.08, pytest.approx(0.32))


def test_a_card_s_own_figure_that_its_counts_deny_is_not_believed(tmp_path: Path) -> None:
    every = []
    for name, method in (("a", "absld"), ("b", "rslad")):
        whole = evaluation(tally(*(200,) * 4, each=250), tally(200, 200, 60, 20, each=250))
        if method == "absld":
            figures = whole.figures | {"nsd": whole.figures["nsd"].model_copy(update={"value": 0.001, "low": 0.0005})}
            whole = whole.model_copy(update={"figures": figures})
        every.append(listed(tmp_path / name, card(method=method, evaluations=(whole,))))
    assert answered(verdict(NSD, every)).by.gain == pytest.approx(0, abs=1e-9)


def test_the_most_equal_pair_answers(tmp_path: Path) -> None:
    longer = listed(tmp_path / "0", card("Longer", method="mtard", **figures(250)), "[schedule]\nepochs = 60")
    assert answered(verdict(W, [longer, *pair(tmp_path, 150, 100)])).rival.card.title == "M"


def test_pairs_that_contradict_each_other_leave_it_open(tmp_path: Path) -> None:
    first, second = pair(tmp_path, 150, 100, name="0"), pair(tmp_path, 100, 150, "seed = 1", name="1")
    second[1] = listed(tmp_path / "1" / "c", card("M", method="mtard", **figures(150)), "seed = 1")
    assert answered(verdict(W, [*first, *pair(tmp_path, 150, 100, name="2")])).answer == "holds"
    found = answered(verdict(W, [*first, *second]))
    assert (found.answer, found.pairs) == ("undecided", 2)
    (other,) = found.against
    assert (other.method, other.rival) == (second[0], second[1])
    assert other.by.side == -found.by.side


@pytest.mark.parametrize("whose", ["b_mtard", "mtard"])
@pytest.mark.parametrize(
    "other",
    [
        {"architecture": "aw_net"},
        {"options": {"width": 64}},
        {"parameters": 999},
        {"data_fingerprint": "9" * 64},
        {"class_names": ("a", "b", "c", "d")},
        {"notes": "Imported from elsewhere"},
    ],
)
def test_networks_of_another_kind_are_no_rivals(tmp_path: Path, other: dict[str, object], whose: str) -> None:
    usual = {"options": {"width": 32}} | figures(150)
    every = [
        listed(tmp_path / method, card(method, **usual | {"method": method} | (other if method == whose else {})))
        for method in ("b_mtard", "mtard")
    ]
    assert verdict(W, every) is None


@pytest.mark.parametrize("whose", ["b_mtard", "mtard"])
def test_figures_that_are_not_of_these_weights_or_only_claimed_answer_nothing(tmp_path: Path, whose: str) -> None:
    made = {method: card(method, method=method, **figures(150)) for method in ("b_mtard", "mtard")}
    every = {method: listed(tmp_path / "stale" / method, one) for method, one in made.items()}
    (every[whose].checkpoint.folder / "weights.safetensors").write_bytes(b"others")
    assert verdict(W, list(every.values())) is None
    said = tuple(m.model_copy(update={"claimed": True}) for m in made[whose].measures)
    made[whose] = made[whose].model_copy(update={"measures": said})
    assert verdict(W, [listed(tmp_path / "claimed" / method, one) for method, one in made.items()]) is None


def test_a_router_is_compared_with_its_static_twin_of_the_same_method(tmp_path: Path) -> None:
    routed = {"architecture": "aw_net", "options": {"width": 8, "router_width": 4}, "parameters": 1200}
    every = [
        listed(tmp_path / "a", card("A", **routed, **figures(100)), '[route]\ntrain_mix = "random"'),
        listed(tmp_path / "b", card("T", options={"width": 8}, **figures(150))),
        listed(tmp_path / "c", card("O", method="rslad", options={"width": 8}, **figures(250))),
    ]
    found = answered(verdict(ROUTED, every))
    assert (found.rival.card.title, found.answer) == ("T", "does not hold")
    beta = '[objective]\nname = "trades"\noptions = { beta = 2.0 }'
    softer = listed(tmp_path / "d", card("A", **routed, **figures(100)), beta)
    assert answered(verdict(ROUTED, [softer, *every[1:]])).unequal == ("objective.options.beta: 2 against 6",)


@pytest.mark.parametrize(("each", "answer", "beyond"), [(250, "does not hold", False), (25, "holds", True)])
def test_the_strongest_attack_on_enough_images_decides(tmp_path: Path, each: int, answer: str, beyond: bool) -> None:
    """PGD says it holds; the whole ensemble says the opposite, and is believed where it met enough images."""
    made = []
    for name, method, weak, strong in (("a", "b_mtard", 150, 0.1), ("b", "mtard", 100, 0.8)):
        clean, left = (tally(*(int(share * each),) * 4, each=each) for share in (0.8, strong))
        whole = evaluation(clean, left, plan=("table", "autoattack"))
        made.append(listed(tmp_path / name, card(name, method=method, evaluations=(whole,), **figures(weak))))
    found = answered(verdict(W, made))
    assert found.answer == answer
    assert (found.beyond is not None) == beyond
    assert (found.by.yardstick.strength > 0) != beyond


@pytest.mark.parametrize(("strong", "answer", "wider"), [(0.5, "undecided", True), (0.8, "does not hold", False)])
def test_more_images_are_heard_where_the_strongest_attack_is_undecided(
    tmp_path: Path, strong: float, answer: str, wider: bool
) -> None:
    """PGD on 10,000 images says it holds; the ensemble on the first 1,000 decides, or does not."""
    made = []
    for name, method, weak, left in (("a", "b_mtard", 150, 0.5), ("b", "mtard", 100, strong)):
        clean, hit = (tally(*(int(share * 250),) * 4, each=250) for share in (0.8, left))
        whole = evaluation(clean, hit, plan=("table", "autoattack"))
        many = {"measures": tuple(_tenfold(one) for one in figures(weak)["measures"])}
        made.append(listed(tmp_path / name, card(name, method=method, evaluations=(whole,), **many)))
    found = answered(verdict(W, made))
    assert (found.answer, found.by.n, found.by.yardstick.strength > 0) == (answer, 1000, True)
    assert (found.wider is not None) == wider
    if found.wider is not None:
        assert (found.wider.n, found.wider.side) == (10_000, 1)


def _tenfold(one: Measure) -> Measure:
    """The same shares of ten times as many images."""
    ten = {key: getattr(one, key) * 10 for key in ("n", "correct")}
    ten |= {key: tuple(10 * value for value in getattr(one, key)) for key in ("class_n", "class_correct")}
    return one.model_copy(update=ten)


def test_an_evaluation_that_spares_the_router_is_left_out(tmp_path: Path) -> None:
    clean, left = tally(*(200,) * 4, each=250), tally(*(100,) * 4, each=250)
    whole = {"evaluations": (evaluation(clean, left, plan=("table", "autoattack")),)}
    every = [
        listed(tmp_path / "a", card("A", architecture="aw_net", **whole, **figures(150))),
        listed(tmp_path / "b", card("T", **whole, **figures(100))),
    ]
    found = answered(verdict(ROUTED, every))
    assert not any(one and one.yardstick.id.startswith("worst") for one in (found.by, found.beyond))


@pytest.mark.parametrize(("plan", "heard"), [(("table",), False), (("table", "autoattack"), True)])
def test_restarts_that_the_static_twin_did_not_meet_compare_nothing(
    tmp_path: Path, plan: tuple[str, ...], heard: bool
) -> None:
    clean, left = tally(*(200,) * 4, each=250), tally(*(100,) * 4, each=250)
    routed = {"evaluations": (evaluation(clean, left, plan=(*plan, "adaptive")),)}
    static = {"evaluations": (evaluation(clean, left, plan=plan),)}
    every = [
        listed(tmp_path / "a", card("A", architecture="aw_net", **routed, **figures(150))),
        listed(tmp_path / "b", card("T", **static, **figures(100))),
    ]
    found = answered(verdict(ROUTED, every))
    assert any(one and one.yardstick.id.startswith("worst") for one in (found.by, found.beyond)) == heard


def test_the_papers_budget_is_asked_before_any_other(tmp_path: Path) -> None:
    every = []
    for name, method, usual, other in (("a", "b_mtard", 100, 250), ("b", "mtard", 150, 0)):
        more = (measure(*(other,) * 4, attack=L2), measure(*(other,) * 4, attack=PGD.replace(eps=0.05)))
        known = figures(usual)["measures"]
        every.append(listed(tmp_path / name, card(name, method=method, measures=(*more, *known))))  # type: ignore[misc]
    found = answered(verdict(W, every))
    assert (found.by.board.norm, found.by.board.eps, found.answer) == ("linf", 0.1, "does not hold")


def test_different_numbers_of_images_compare_nothing(tmp_path: Path) -> None:
    every = pair(tmp_path, 150, 100)
    short = measure(50, 50, 50, 50, each=100)
    other = card("M", method="mtard", measures=(measure(*(200,) * 4, attack=None), short))
    assert verdict(W, [every[0], listed(tmp_path / "z", other)]) is None


def test_raised_doubts_are_named(tmp_path: Path) -> None:
    every = pair(tmp_path, 150, 100)
    doubted = card("Doubtful", method="b_mtard", doubts=(doubts(True, False),), **figures(150))
    assert answered(verdict(W, [listed(tmp_path / "d", doubted), every[1]])).doubted == ("Doubtful",)


def test_asked_of_one_checkpoint(tmp_path: Path) -> None:
    every = pair(tmp_path, 150, 100)
    assert answered(verdict(W, every, of=every[0].name)).method.name == every[0].name
    assert verdict(W, every, of=every[1].name) is None


def test_many_cards_are_read_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = [one for n in range(20) for one in pair(tmp_path, 150, 100, name=str(n))]
    read: list[Path] = []
    monkeypatch.setattr(alike, "_read", lambda path, *_: read.append(path) or {})
    assert answered(verdict(W, every)).answer == "trained differently"
    assert len(read) == len(set(read)) == 40


def test_a_recipe_written_anew_is_read_anew(tmp_path: Path) -> None:
    first, second = pair(tmp_path, 150, 100)
    assert answered(verdict(W, [first, second])).answer == "holds"
    path = first.checkpoint.folder / RECIPE
    path.write_text("seed = 7\n" + path.read_text())
    assert answered(verdict(W, [first, second])).unequal == ("seed: 7 against 0",)


def test_the_claims_are_of_known_methods() -> None:
    for claim in CLAIMS:
        known = ARCHITECTURES if claim.routed else OBJECTIVES
        assert {claim.method, claim.rival} <= set(known.names())
