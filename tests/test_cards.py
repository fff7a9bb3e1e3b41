"""Cards: what was measured comes back, and a card that claims what cannot have been counted is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from robust_core import checkpoints
from robust_core.attacks import AttackSettings
from robust_core.checkpoints import CARD, find, find_all, write_card
from robust_core.tallies import Tally
from tests.evaluation.claims import PGD, doubts, measure
from tests.evaluation.claims import card as card_of
from tests.test_checkpoints import make


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROBUSTLENS_CHECKPOINTS", str(tmp_path))
    make(tmp_path / "data" / "one", 0, ("a", "b"))
    return tmp_path


def evaluated(**changes: object) -> dict[str, object]:
    """An evaluation as it stands in a card: 10 images of two classes, one attack that leaves 6 of the 8 right ones."""

    def tally(*right: int) -> dict[str, object]:
        return {"n": 10, "correct": sum(right), "class_n": [5, 5], "class_correct": list(right)}

    line = tally(4, 2) | {"name": "fgsm", "group": "table", "alone": True, "attacked": 8, "seconds": 1.0}
    return {
        "plan": ["table"],
        "norm": "linf",
        "eps": 0.1,
        "seed": 0,
        "data_name": "d",
        "data_fingerprint": "f",
        "weights_sha256": "w",
        "clean": tally(5, 3),
        "results": [line | {"attack": AttackSettings(name="fgsm").to_dict()}],
        "groups": {"table": tally(4, 2)},
        "worst": tally(4, 2),
        "figures": {"robust": {"value": 0.6, "low": 0.3, "high": 0.8}},
        "versions": {},
        "device": "cpu",
        "seconds": 1.0,
    } | changes


def test_an_evaluation_comes_back(zoo: Path) -> None:
    path = zoo / "data" / "one" / CARD
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"evaluations": [evaluated()]}))
    back = find("one").card
    assert back is not None
    evaluation = back.evaluations[0]
    assert evaluation.w_robust(evaluation.worst) == pytest.approx(0.7)
    assert evaluation.results[0].describe() == "FGSM, L∞, ε = 0.1 (25.5/255)"
    assert back.evaluation is None  # it is of other weights
    fresh = back.with_evaluation(evaluation.model_copy(update={"weights_sha256": back.weights_sha256}))
    assert len(fresh.evaluations) == 1
    assert fresh.evaluation == fresh.evaluations[0]
    write_card(path.parent, fresh)
    again = find("one").card
    assert again is not None
    assert again.model_dump() == fresh.model_dump()


def fab(eps: float) -> dict[str, object]:
    return {"package": "p", "version": "1", "name": "FAB", "settings": {"norm": "linf", "eps": eps}}


def claim(part: str, **changes: object) -> dict[str, object]:
    whole = evaluated()
    if part == "results":
        return {"results": [whole["results"][0] | changes]}  # type: ignore[index]
    return {part: whole[part] | changes}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (claim("worst", n=0, correct=0, class_n=[0, 0], class_correct=[0, 0]), "greater than 0"),
        (claim("worst", correct=11), "class_correct must add up to correct"),
        (claim("worst", correct=-1), "greater than or equal to 0"),
        (claim("worst", correct=7, class_correct=[4, 3]), "the worst case must not exceed any attack's figure"),
        (claim("clean", correct=5, class_correct=[3, 2]), "nor that the clean one"),
        (claim("results", attacked=5), "it was not measured so"),
        (claim("results", attacked=11), "it was not measured so"),
        (claim("results", broken=3), "it was not measured so"),
        (claim("results", attack=None), "must name one attack"),
        (claim("clean", n=20, class_n=[10, 10]), "must be on the same images"),
        ({"figures": {"robust": {"value": 0.9, "low": 0.3, "high": 0.95}}}, "robust is 0.9 where the counts say 0.6"),
        ({"figures": {"robust": {"value": 0.6, "low": 0.3, "high": 1.2}}}, "robust must lie in [0, 1]"),
        ({"figures": {"robust": {"value": 0.6, "low": 0.7, "high": 0.5}}}, "must begin before it ends"),
        ({"plan": ["table", "autoattack"]}, "the plan names table, autoattack, and there are results of table"),
        ({"plan": []}, "the plan names nothing"),
        ({"groups": {}}, "it was not measured so"),
        ({"groups": {}, "plan": [], "results": []}, "it was not measured so"),
        ({"results": []}, "there are results of nothing"),
        (claim("results", group="autoattack"), "it was not measured so"),
        (claim("results", attack=AttackSettings(name="fgsm", eps=0.01).to_dict()), "at another norm or eps"),
        (claim("results", attack=AttackSettings(name="fgsm", norm="l2").to_dict()), "at another norm or eps"),
        (claim("results", attack=None, borrowed=fab(eps=0.2)), "at another norm or eps"),
        (claim("results", correct=5, class_correct=[3, 2]), "nor that the clean one|must not exceed"),
        ({"invented": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_card_that_claims_what_was_never_measured(change: dict[str, object], message: str, zoo: Path) -> None:
    path = zoo / "data" / "one" / CARD
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"evaluations": [evaluated(**change)]}))
    problem = str(find("one").problem)
    assert problem.startswith("data/one: card.json is not a valid card: evaluations.0")
    assert any(part in problem for part in message.split("|"))
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": -1}, "parameters: Input should be greater than or equal to 0"),
        ({"class_names": ["a", "b", "c", "d"]}, "every count must be one number for each of its 4 classes"),
        ({"options": {"num_classes": 3}}, "the options must not name num_classes"),
        ({"options": {"seed": 3, "name": "x"}}, "the options must not name seed, name"),
    ],
)
def test_a_card_that_contradicts_itself(change: dict[str, object], message: str, zoo: Path) -> None:
    path = zoo / "data" / "one" / CARD
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"evaluations": [evaluated()]} | change))
    assert message in str(find("one").problem)
    path.write_text(json.dumps(card | {"evaluations": [evaluated()]}))
    assert find("one").problem is None


def test_a_borrowed_attack_at_the_budget_is_taken(zoo: Path) -> None:
    path = zoo / "data" / "one" / CARD
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"evaluations": [evaluated(**claim("results", attack=None, borrowed=fab(0.1)))]}))
    assert find("one").problem is None


def test_a_measure_of_another_number_of_classes_is_no_card(zoo: Path) -> None:
    path = zoo / "data" / "one" / CARD
    card = json.loads(path.read_text())
    said = {"n": 9, "correct": 3, "data_name": "d", "data_fingerprint": "f", "seconds": 1}
    three = said | {"class_n": [3, 3, 3], "class_correct": [1, 1, 1]}
    path.write_text(json.dumps(card | {"measures": [three]}))
    assert "one number for each of its 2 classes" in str(find("one").problem)


def test_figures_made_here_come_before_claimed_ones() -> None:
    few, many = measure(9, 9, 9, 9), measure(25, 25, 25, 25).model_copy(update={"claimed": True})
    weak, strong = (m.model_copy(update={"attack": PGD}) for m in (few, many))
    held = card_of(measures=(many, few, strong, weak), doubts=(doubts(True), doubts(False).model_copy(
        update={"claimed": True, "seed": 1})))  # fmt: skip
    assert held.clean == few
    assert held.robust == weak
    assert held.examination == held.doubts[0]
    assert card_of(measures=(many,)).with_measures([few]).measures == (few,)


def test_the_shipped_cards_are_read() -> None:
    shipped = find_all(Path(checkpoints.__file__).parent.parent / "checkpoints")
    assert len(shipped) >= 3
    assert [c.problem for c in shipped if c.problem] == []


def test_a_worst_case_of_other_images_than_the_clean_ones_is_refused(zoo: Path) -> None:
    def tally(*right: int) -> dict[str, object]:
        hits, labels = np.isin(np.arange(10), right), np.repeat([0, 1], 5)
        return Tally.counted(hits, labels, 2).model_dump()

    clean, worst = (0, 1, 2, 3, 5, 6, 7, 8), (0, 1, 2, 5, 6)
    line = tally(*worst) | {"name": "fgsm", "group": "table", "alone": True, "attacked": 8, "seconds": 1.0}
    path = zoo / "data" / "one" / CARD
    card = json.loads(path.read_text())
    for left, problem in ((worst, None), ((0, 1, 4, 5, 6), "worst case must not exceed")):
        whole = evaluated(clean=tally(*clean), worst=tally(*left), groups={"table": tally(*worst)}, figures={},
                          results=[line | {"attack": AttackSettings(name="fgsm").to_dict()}])  # fmt: skip
        path.write_text(json.dumps(card | {"evaluations": [whole]}))
        said = find("one").problem
        assert (said is None) if problem is None else (said is not None and problem in said)
