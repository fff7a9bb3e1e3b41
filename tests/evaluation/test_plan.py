"""Which attacks a plan makes: the papers' settings, what is left out, and that it says so."""

from __future__ import annotations

import pytest

from robust_core.attacks import AttackSettings
from robust_core.cards import AttackResult
from robust_core.evaluation import plan as plans
from robust_core.evaluation.fab import Fab
from robust_core.evaluation.plan import Plan, called, plan_for
from robust_core.models import build
from robust_core.types import Classifier, UserError
from tests.conftest import TINY

SHAPE = (1, 28, 28)


def net(kind: str = "residual", classes: int = 10, **options: object) -> Classifier:
    return build(kind, in_channels=1, num_classes=classes, seed=0, **TINY, **options).eval()


def settings(plan: Plan, name: str) -> AttackSettings:
    found = plan.attacks[name]
    assert isinstance(found, AttackSettings)
    return found


def test_the_table_is_that_of_the_papers() -> None:
    plan = plan_for(net(), SHAPE, ["table"], eps="8/255", seed=3)
    assert plan.groups == {"table": ("fgsm", "pgd20", "pgd20_fine", "cw30")}
    assert plan.alone == {"table"}
    assert settings(plan, "pgd20").step_size == pytest.approx(2 / 255)
    assert settings(plan, "pgd20_fine").step_size == pytest.approx(0.003)
    assert settings(plan, "pgd20").start == "uniform"
    cw = settings(plan, "cw30")
    assert (cw.kappa, cw.steps, cw.step_size, cw.seed) == (50, 30, pytest.approx(2 / 255), 3)
    assert settings(plan_for(net(), SHAPE, ["table"], eps=0.1), "pgd20").step_size == pytest.approx(0.025)


def test_autoattack_is_the_standard_one() -> None:
    plan = plan_for(net(), SHAPE, ["autoattack"], eps=0.1)
    assert plan.groups == {"autoattack": ("apgd_ce", "apgd_dlr_t", "fab_t", "square")}
    assert not plan.alone
    assert settings(plan, "apgd_ce").steps == settings(plan, "apgd_dlr_t").steps == 100
    assert settings(plan, "square").queries == 5000
    assert plan.attacks["fab_t"] == Fab(eps=0.1)
    assert plan.borrowed[0].package == "pyautoattack"
    assert plan.budget == ("linf", 0.1)


def test_adaptive_attacks_need_a_router() -> None:
    routed = plan_for(net("aw_net"), SHAPE, eps=0.1)
    assert set(plans.ROUTED) <= set(routed.groups["adaptive"])
    assert settings(routed, "path_clean").restarts == plans.RESTARTS
    assert routed.notes == ()
    experts = plan_for(net("moe"), SHAPE, ["adaptive"], eps=0.1)
    assert "router_signals" in experts.groups["adaptive"]
    assert "router_to_clean" not in experts.groups["adaptive"]
    assert "tells no types" in experts.notes[0]
    unsteered = plan_for(net("aw_net", signals=False), SHAPE, ["adaptive"], eps=0.1)
    assert "router_signals" not in unsteered.groups["adaptive"]
    assert "router_to_clean" in unsteered.groups["adaptive"]
    assert "turns no filters" in unsteered.notes[0]
    static = plan_for(net(), SHAPE, eps=0.1)
    assert static.groups.keys() == {"table", "autoattack"}
    assert "static" in static.notes[0]
    with pytest.raises(UserError, match="no attack is left of the plan adaptive: .*static"):
        plan_for(net(), SHAPE, ["adaptive"], eps=0.1)


@pytest.mark.parametrize(("classes", "instead"), [(3, "apgd_dlr"), (2, "apgd_ce_5")])
def test_few_classes_have_no_targeted_dlr(classes: int, instead: str) -> None:
    plan = plan_for(net(classes=classes), SHAPE, ["autoattack"], eps=0.1)
    assert plan.groups["autoattack"][1] == instead
    assert "DLR" in plan.notes[0]


def test_without_its_package_fab_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "fab_is_here", lambda: False)
    plan = plan_for(net(), SHAPE, ["autoattack"], eps=0.1)
    assert plan.groups["autoattack"] == ("apgd_ce", "apgd_dlr_t", "square")
    assert plan.notes == ("FAB was left out: the package pyautoattack is not installed (pip install pyautoattack)",)


@pytest.mark.parametrize(
    ("groups", "eps", "message"),
    [
        (["tabel"], 0.1, "unknown group of attacks 'tabel'; did you mean 'table'"),
        (["table"], 8.0, "did you mean 8/255?"),
        (["table"], 0.0, "eps must be > 0"),
        ([], 0.1, "no attack is left"),
    ],
)
def test_mistakes_are_named(groups: list[str], eps: float, message: str) -> None:
    with pytest.raises(UserError) as caught:
        plan_for(net(), SHAPE, groups, eps=eps)
    assert message in str(caught.value)


def test_a_plan_is_one_budget_and_knows_its_attacks() -> None:
    fgsm = AttackSettings(name="fgsm", eps=0.1)
    with pytest.raises(UserError, match="must share one norm and one eps"):
        Plan(attacks={"a": fgsm, "b": fgsm.replace(eps=0.2)}, groups={"g": ("a", "b")})
    with pytest.raises(UserError, match="unknown attack of the plan 'c'"):
        Plan(attacks={"a": fgsm}, groups={"g": ("c",)})
    with pytest.raises(UserError, match="needs one attack or more"):
        Plan(attacks={}, groups={})


def test_attacks_are_called_by_their_names_and_each_once() -> None:
    def made(name: str, **settings: float) -> AttackResult:
        attack = AttackSettings(**{"name": name.split("_")[0], **settings})
        return AttackResult.model_construct(name=name, attack=attack)

    fab = AttackResult.model_construct(name="fab_t", attack=None, borrowed=Fab().borrowed())
    results = [made("fgsm"), made("pgd", steps=20), made("pgd_fine", steps=20, step_size=0.01), made("fgsm"), fab]
    assert called(results) == "FGSM, PGD-20 (2 settings), FAB-T"
