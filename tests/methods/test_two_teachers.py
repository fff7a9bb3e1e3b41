"""MTARD and B-MTARD by hand, and what holds for every objective: state, learning, named mistakes."""

from __future__ import annotations

import math

import pytest
import torch

from robust_core.attacks import AttackSettings
from robust_core.methods import OBJECTIVES, Batch, Learner, RouteTraining, make
from robust_core.methods.mtard import TwoTeachers, entropy
from robust_core.models import build
from robust_core.types import UserError
from tests.conftest import TINY
from tests.methods.by_hand import kl, says, setting, tiny_batch, tiny_learner, tiny_teachers


def test_mtard_loss_and_one_step_of_its_weights_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    objective = make("mtard")
    s, c, r = learner.net, learner.teachers["clean"], learner.teachers["robust"]

    def by_hand() -> tuple[float, float]:
        nat = sum(kl(says(c, m), says(s, m)) for m in (0.2, 0.4, 0.6)) / 3
        adv = sum(kl(says(r, m + 0.1), says(s, m + 0.1)) for m in (0.2, 0.4, 0.6)) / 3
        return nat, adv

    nat0, adv0 = by_hand()
    assert objective.loss(learner, batch).total.item() == pytest.approx(0.5 * nat0 + 0.5 * adv0, rel=1e-4)
    assert objective.figures()["w_nat"] == pytest.approx(0.5)
    with torch.no_grad():
        s.bias.add_(torch.tensor([0.4, 0.0, 0.0]))  # type: ignore[operator,union-attr]
    nat1, adv1 = by_hand()
    share = (nat1 / nat0) / (nat1 / nat0 + adv1 / adv0)
    assert abs(share - 0.5) > 0.01
    w = 0.5
    for _ in range(2):  # what a step's losses say is in force in that step
        w -= 0.025 * (w - share)
        assert objective.loss(learner, batch).total.item() == pytest.approx(w * nat1 + (1 - w) * adv1, rel=1e-5)
        assert objective.figures()["w_nat"] == pytest.approx(w, rel=1e-5)
    assert objective.figures()["tau_nat"] == objective.figures()["tau_adv"] == 1.0


def test_b_mtard_moves_temperatures_towards_equal_entropies(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    objective = make("b_mtard", temperature_rate=0.1)
    objective.loss(learner, batch)
    seen = objective.figures()
    p = torch.tensor([says(learner.teachers["clean"], m) for m in (0.2, 0.4, 0.6)])
    assert seen["h_nat"] == pytest.approx(entropy(p).item(), rel=1e-5)
    assert entropy(torch.tensor([[0.5, 0.5, 0.0]])).item() == pytest.approx(math.log(2))
    assert seen["h_nat"] < seen["h_adv"]  # the clean teacher is confident, the robust one soft
    assert seen["tau_nat"] == pytest.approx(1.1)
    assert seen["tau_adv"] == 1.0  # at its floor
    gaps = []
    for _ in range(60):
        objective.loss(learner, batch)
        gaps.append(abs(objective.figures()["h_nat"] - objective.figures()["h_adv"]))
    assert gaps[-1] < 0.2 * gaps[0]
    assert objective.figures()["tau_nat"] <= 10


def test_beta_sharpens_the_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    objective = make("mtard", beta=2.0)
    first = objective.loss(learner, batch).values
    with torch.no_grad():
        learner.net.bias.add_(torch.tensor([0.4, 0.0, 0.0]))  # type: ignore[operator,union-attr]
    now = objective.loss(learner, batch).values
    nat, adv = ((now[k] / first[k]).item() ** 2 for k in ("kl_nat", "kl_adv"))
    assert objective.figures()["w_nat"] == pytest.approx(0.5 - 0.025 * (0.5 - nat / (nat + adv)), rel=1e-6)


def test_with_its_balance_off_both_losses_weigh_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    objective = make("mtard", balance_losses=False)
    for shift in (0.0, 0.4):
        with torch.no_grad():
            learner.net.bias.add_(torch.tensor([shift, 0.0, 0.0]))  # type: ignore[operator,union-attr]
        terms = objective.loss(learner, batch)
        assert terms.total.item() == pytest.approx(sum(v.item() for v in terms.values.values()) / 2, rel=1e-6)


def test_the_scale_multiplies_the_loss_and_moves_no_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    plain, tenfold = make("b_mtard"), make("b_mtard", kl_scale=10.0)
    for _ in range(2):
        a, b = plain.loss(learner, batch).total, tenfold.loss(learner, batch).total
        assert b.item() == pytest.approx(10 * a.item(), rel=1e-6)
    assert plain.figures() == tenfold.figures()


def test_the_surer_teacher_warms_up_to_ten_and_the_other_cools_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    nets = learner.teachers
    learner.teachers = {"clean": nets["robust"], "robust": nets["clean"]}  # now the robust one is the surer
    objective = make("b_mtard", temperature_rate=0.1)
    objective.loss(learner, batch)
    assert objective.figures()["tau_adv"] == pytest.approx(1.1)
    assert objective.figures()["tau_nat"] == 1.0
    rushed = make("b_mtard", temperature_rate=50.0)
    rushed.loss(learner, batch)
    assert rushed.figures()["tau_adv"] == 10.0
    rushed.loss(learner, batch)  # overshot: now the other is the surer
    assert (rushed.figures()["tau_nat"], rushed.figures()["tau_adv"]) == (10.0, 1.0)


def test_rates_fall_with_the_learning_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    slow = Batch(x=batch.x, y=batch.y, step=0, generator=batch.generator, rate=0.1)
    two, soft = make("b_mtard", temperature_rate=0.1), make("absld")
    two.loss(learner, slow)
    soft.loss(learner, slow)
    assert two.figures()["tau_nat"] == pytest.approx(1.01)
    assert sorted(soft.end_epoch()["class_tau_adv"][:2]) == pytest.approx([0.99, 1.01])


def total_and_gradient(objective: object, learner: Learner) -> tuple[torch.Tensor, torch.Tensor]:
    total = objective.loss(learner, tiny_batch()).total  # type: ignore[attr-defined]
    (gradient,) = torch.autograd.grad(total, learner.net.conv1.weight)
    return total, gradient


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (make("rslad"), make("absld", temperature_rate=0.0)),
        (make("mtard"), make("b_mtard", temperature_rate=0.0)),
    ],
)
def test_a_method_with_its_lever_at_rest_is_the_plain_one_bit_for_bit(first: object, second: object) -> None:
    for _ in range(2):
        a, b = total_and_gradient(first, tiny_learner()), total_and_gradient(second, tiny_learner())
        assert torch.equal(a[0], b[0])
        assert torch.equal(a[1], b[1])
        first.end_epoch(), second.end_epoch()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_state_goes_out_and_in_as_json(name: str) -> None:
    import json

    a, b = make(name), make(name)
    learner = tiny_learner()
    a.loss(learner, tiny_batch())
    b.load_state_dict(json.loads(json.dumps(a.state_dict())))
    assert a.end_epoch() == b.end_epoch() or name in ("mtard", "b_mtard")
    assert torch.equal(a.loss(tiny_learner(), tiny_batch(1)).total, b.loss(tiny_learner(), tiny_batch(1)).total)
    assert a.state_dict() == b.state_dict()


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_every_objective_lowers_its_own_loss(name: str) -> None:
    objective = make(name)
    # A fresh student: one with odd statistics meets stronger inner attacks as they settle, and its loss rises.
    net = build("residual", in_channels=1, num_classes=10, seed=0, **TINY).train()
    learner = Learner(net, AttackSettings(name="pgd", eps=0.02, steps=2), RouteTraining(), tiny_teachers())
    optimizer = torch.optim.SGD(learner.net.parameters(), lr=0.05)
    losses, x = [], tiny_batch(1).x
    taught = {role: teacher(x).tolist() for role, teacher in learner.teachers.items()}
    for _ in range(15):
        terms = objective.loss(learner, tiny_batch())
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        losses.append(terms.total.item())
    assert losses[-1] < losses[0]
    assert {role: teacher(x).tolist() for role, teacher in learner.teachers.items()} == taught  # they do not learn


def test_bad_options_are_named() -> None:
    for name, options in (
        ("trades", {"beta": -1}),
        ("ard", {"alpha": 2}),
        ("absld", {"adv_share": 2}),
        ("mtard", {"beta": 0}),
        ("mtard", {"kl_scale": 0.0}),
        ("trades", {"beta": math.nan}),
        ("trades", {"beta": "six"}),
        ("absld", {"temperatures": "False"}),
        ("mtard", {"balance_losses": "no"}),
        ("ard", {"kl_reduction": "sum"}),
        ("rslad", {"temperatures": True}),
        ("b_mtard", {"balance_entropies": False}),
    ):
        with pytest.raises(UserError, match=str(next(iter(options)))):
            make(name, **options)
    assert isinstance(make("b_mtard"), TwoTeachers)
