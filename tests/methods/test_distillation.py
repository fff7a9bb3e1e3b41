"""The distilling objectives against numbers worked out by hand: each term, and one step of everything that moves."""

from __future__ import annotations

import math

import pytest
import torch

from robust_core.attacks import AttackSettings
from robust_core.methods import OBJECTIVES, Batch, Learner, RouteTraining, make
from robust_core.methods.absld import SoftLabels, class_weights, lean
from robust_core.methods.mtard import TwoTeachers, entropy
from robust_core.methods.objective import away_from, divergence, reduced
from robust_core.models import build
from robust_core.types import Classifier, Trace, UserError
from tests.conftest import TINY, lived_in


class Linear(Classifier):
    """Logits W·mean(x) + b: small enough to work out by hand."""

    in_channels, num_classes = 1, 3

    def __init__(self, weight: list[float], bias: list[float]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))
        self.bias = torch.nn.Parameter(torch.tensor(bias))

    def trace(self, x: torch.Tensor, *, routing: object = None) -> Trace:
        return Trace(logits=x.mean(dim=(1, 2, 3))[:, None] * self.weight + self.bias)


def setting(monkeypatch: pytest.MonkeyPatch) -> tuple[Learner, Batch, torch.Tensor]:
    """Three images of mean 0.2, 0.4, 0.6, classes 0, 1, 1; x' is 0.1 brighter, whatever an inner attack would do."""
    student = Linear([2.0, -1.0, 0.5], [0.0, 0.2, 0.1])
    teachers = {"clean": Linear([9.0, -3.0, 1.0], [0.0, 1.0, 0.0]), "robust": Linear([2.5, -2.0, 0.0], [0.1, 0.0, 0.3])}
    learner = Learner(student, AttackSettings(name="pgd", eps=0.1, steps=2), RouteTraining(), teachers)
    x = torch.tensor([0.2, 0.4, 0.6])[:, None, None, None].expand(3, 1, 2, 2).clone()
    monkeypatch.setattr(learner, "perturb", lambda *_, **__: x + 0.1)
    return learner, Batch(x=x, y=torch.tensor([0, 1, 1]), step=0, generator=torch.Generator()), x + 0.1


def softmax(logits: list[float]) -> list[float]:
    total = sum(math.exp(z) for z in logits)
    return [math.exp(z) / total for z in logits]


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def says(net: Classifier, mean: float, t: float = 1.0) -> list[float]:
    w, b = net.weight.tolist(), net.bias.tolist()  # type: ignore[operator,union-attr]
    return softmax([(a * mean + c) / t for a, c in zip(w, b, strict=True)])


def test_divergence_by_hand() -> None:
    p, logits = torch.tensor([[0.7, 0.3, 0.0]]), torch.tensor([[1.0, 0.0, -1.0]])
    q = softmax([1.0, 0.0, -1.0])
    by_hand = 0.7 * math.log(0.7 / q[0]) + 0.3 * math.log(0.3 / q[1])
    assert divergence(p, logits).item() == pytest.approx(by_hand, abs=1e-6)
    assert divergence(logits.softmax(1), logits).item() == pytest.approx(0, abs=1e-6)
    both = torch.tensor([1.0, 3.0])
    assert reduced(both, 10, "batchmean").item() == 2
    assert reduced(both, 10, "mean").item() == pytest.approx(0.2)
    with pytest.raises(UserError, match="known: batchmean, mean"):
        reduced(both, 10, "sum")  # type: ignore[arg-type]


def test_trades_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    terms = make("trades", beta=6.0).loss(learner, batch)
    s = learner.net
    ce = -sum(math.log(says(s, m)[y]) for m, y in ((0.2, 0), (0.4, 1), (0.6, 1))) / 3
    apart = sum(kl(says(s, m), says(s, m + 0.1)) for m in (0.2, 0.4, 0.6)) / 3
    assert terms.values["ce_clean"].item() == pytest.approx(ce, rel=1e-5)
    assert terms.values["kl_adv"].item() == pytest.approx(apart, rel=1e-3)
    assert terms.total.item() == pytest.approx(ce + 6 * apart, rel=1e-4)


def test_ard_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    total = make("ard", temperature=4.0, alpha=0.75).loss(learner, batch).total.item()
    s, t = learner.net, learner.teachers["robust"]
    ce = -sum(math.log(says(s, m)[y]) for m, y in ((0.2, 0), (0.4, 1), (0.6, 1))) / 3
    soft = sum(kl(says(t, m, 4.0), says(s, m + 0.1, 4.0)) for m in (0.2, 0.4, 0.6)) / 3
    assert total == pytest.approx(0.75 * 16 * soft + 0.25 * ce, rel=1e-4)


def test_rslad_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    terms = make("rslad").loss(learner, batch)
    s, t = learner.net, learner.teachers["robust"]
    adv = sum(kl(says(t, m), says(s, m + 0.1)) for m in (0.2, 0.4, 0.6)) / 3  # the teacher sees the clean image
    nat = sum(kl(says(t, m), says(s, m)) for m in (0.2, 0.4, 0.6)) / 3
    assert terms.total.item() == pytest.approx(5 / 6 * adv + 1 / 6 * nat, rel=1e-4)
    scaled = make("rslad", kl_reduction="mean").loss(learner, batch)
    assert scaled.total.item() == pytest.approx(terms.total.item() / 3, rel=1e-5)


def test_absld_uses_each_class_s_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    objective = make("absld")
    objective.load_state_dict(
        {
            "levels": {
                "tau_adv": [0.5, 2.0, 1.0],
                "tau_nat": [3.0, 0.8, 1.0],
                "weight": [1.0] * 3,
                "margin": [1.0] * 3,
            },
            "sums": {},
        }
    )
    s, t = learner.net, learner.teachers["robust"]
    images = ((0.2, 0.5, 3.0), (0.4, 2.0, 0.8), (0.6, 2.0, 0.8))
    adv = sum(kl(says(t, m, a), says(s, m + 0.1)) for m, a, _ in images) / 3
    nat = sum(kl(says(t, m, n), says(s, m)) for m, _, n in images) / 3
    assert objective.loss(learner, batch).total.item() == pytest.approx(5 / 6 * adv + 1 / 6 * nat, rel=1e-4)


def test_absld_moves_its_temperatures_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    objective = make("absld", temperature_rate=0.1)
    objective.loss(learner, batch)
    told = objective.end_epoch()
    s = learner.net
    for kind, shift in (("adv", 0.1), ("nat", 0.0)):
        # Class 2 has no image: it takes no part and keeps its temperature.
        r0 = -math.log(says(s, 0.2 + shift)[0])
        r1 = -(math.log(says(s, 0.4 + shift)[1]) + math.log(says(s, 0.6 + shift)[1])) / 2
        assert told[f"class_risk_{kind}"][:2] == pytest.approx([r0, r1], rel=1e-4)
        assert told[f"class_risk_{kind}"][2] is None
        hard, easy = (0, 1) if r0 > r1 else (1, 0)
        assert told[f"class_tau_{kind}"][hard] == pytest.approx(0.9)
        assert told[f"class_tau_{kind}"][easy] == pytest.approx(1.1)
        assert told[f"class_tau_{kind}"][2] == 1.0


def test_lean_and_class_weights_by_hand() -> None:
    there = torch.tensor([True, True, True])
    assert lean(torch.tensor([1.0, 2.0, 6.0]), there).tolist() == pytest.approx([-2 / 3, -1 / 3, 1.0])
    assert lean(torch.tensor([2.0, 2.0, 2.0]), there).tolist() == [0, 0, 0]
    # (1/κ)² = 1, 1/4, 1/16: mean 0.4375; scaled 2.286, 0.571, 0.143; clipped to [5/6, 5/2]
    weights = class_weights(torch.tensor([1.0, 2.0, 4.0]), there).tolist()
    assert weights == pytest.approx([1 / 0.4375, 5 / 6, 5 / 6], rel=1e-3)


def test_temperatures_stay_in_their_range(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    objective = make("absld", temperature_rate=3.0)
    for _ in range(4):
        objective.loss(learner, batch)
        told = objective.end_epoch()
    assert sorted(told["class_tau_adv"][:2]) == [0.5, 5.0]


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
    assert objective.loss(learner, batch).total.item() == pytest.approx(0.5 * nat1 + 0.5 * adv1, rel=1e-4)
    share = (nat1 / nat0) / (nat1 / nat0 + adv1 / adv0)
    assert abs(share - 0.5) > 0.01
    w = 0.5 - 0.025 * (0.5 - share)
    assert objective.figures()["w_nat"] == pytest.approx(w, rel=1e-5)
    assert objective.loss(learner, batch).total.item() == pytest.approx(w * nat1 + (1 - w) * adv1, rel=1e-4)
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


def test_rates_fall_with_the_learning_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    slow = Batch(x=batch.x, y=batch.y, step=0, generator=batch.generator, rate=0.1)
    two, soft = make("b_mtard", temperature_rate=0.1), make("absld")
    two.loss(learner, slow)
    soft.loss(learner, slow)
    assert two.figures()["tau_nat"] == pytest.approx(1.01)
    assert sorted(soft.end_epoch()["class_tau_adv"][:2]) == pytest.approx([0.99, 1.01])


def tiny_learner(seed: int = 0) -> Learner:
    net = lived_in(build("residual", in_channels=1, num_classes=10, seed=seed, **TINY)).train()
    return Learner(net, AttackSettings(name="pgd", eps=0.1, steps=3), RouteTraining(), tiny_teachers())


def tiny_teachers() -> dict[str, Classifier]:
    seeds = {"clean": 8, "robust": 9}
    return {r: lived_in(build("residual", in_channels=1, num_classes=10, seed=s, **TINY)) for r, s in seeds.items()}


def tiny_batch(step: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(step)
    return Batch(
        x=torch.rand(12, 1, 28, 28, generator=generator), y=torch.arange(12) % 10, step=step, generator=generator
    )


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


def test_inner_attack_of_soft_labels_climbs_the_teacher_s_divergence() -> None:
    learner, batch = tiny_learner(), tiny_batch()
    p = learner.taught("robust", batch.x).softmax(dim=1)
    x_adv = learner.perturb(batch, away_from(p))
    learner.net.eval()
    assert divergence(p, learner.net(x_adv)).mean() > divergence(p, learner.net(batch.x)).mean()
    assert not torch.equal(x_adv, learner.perturb(tiny_batch()))


def test_weights_count_survived_points_and_act_on_the_next_epoch() -> None:
    learner, objective = tiny_learner(), make("fair_rslad")
    before = objective.loss(learner, tiny_batch()).total
    told = objective.end_epoch()
    assert all(0 <= s <= 4 for s in told["class_survived"])
    expected = class_weights(
        torch.tensor(told["class_survived"], dtype=torch.float64), torch.ones(10, dtype=torch.bool)
    )
    assert told["class_weight"] == pytest.approx(expected.tolist())
    assert told["class_tau_adv"] == [1.0] * 10
    if set(told["class_weight"]) != {1.0}:
        assert objective.loss(learner, tiny_batch()).total != before


def test_margins_give_each_class_its_own_budget() -> None:
    learner, objective = tiny_learner(), make("absld", temperatures=False, margins=True)
    assert isinstance(objective, SoftLabels)
    margin = [0.5, 1.5] + [1.0] * 8
    objective.load_state_dict(
        {"levels": {n: [1.0] * 10 for n in ("tau_adv", "tau_nat", "weight")} | {"margin": margin}, "sums": {}}
    )
    seen: list[torch.Tensor] = []
    original = learner.perturb

    def watched(batch: Batch, *args: object, **kwargs: object) -> torch.Tensor:
        seen.append(original(batch, *args, **kwargs))  # type: ignore[arg-type]
        return seen[-1]

    learner.perturb = watched  # type: ignore[method-assign,assignment]
    batch = tiny_batch()
    objective.loss(learner, batch)
    reach = (seen[0] - batch.x).abs().flatten(1).amax(dim=1)
    assert reach.tolist() == pytest.approx([0.1 * margin[int(y)] for y in batch.y], rel=1e-3)
    told = objective.end_epoch()
    push = lean(torch.tensor(told["class_risk_adv"]), torch.ones(10, dtype=torch.bool)).tolist()
    assert told["class_margin"] == pytest.approx(
        [min(max(m + 0.05 * p, 0.5), 1.5) for m, p in zip(margin, push, strict=True)]
    )


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
    losses = []
    for _ in range(15):
        terms = objective.loss(learner, tiny_batch())
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        losses.append(terms.total.item())
    assert losses[-1] < losses[0]
    assert (
        all(t.grad is None for t in learner.teachers.get("robust", learner.net).parameters()) or not objective.teachers
    )


def test_bad_options_are_named() -> None:
    for name, options in (
        ("trades", {"beta": -1}),
        ("ard", {"alpha": 2}),
        ("absld", {"adv_share": 2}),
        ("mtard", {"beta": 0}),
    ):
        with pytest.raises(UserError, match=str(next(iter(options)))):
            make(name, **options)
    assert isinstance(make("b_mtard"), TwoTeachers)
