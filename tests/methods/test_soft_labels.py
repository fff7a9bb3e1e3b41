"""ARD, RSLAD and ABSLD against numbers worked out by hand: each term, and one step of all that moves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from robust_core.attacks import Step
from robust_core.methods import Batch, make
from robust_core.methods.absld import SoftLabels, class_weights, lean
from robust_core.methods.objective import away_from, divergence, reduced
from robust_core.types import Route
from tests.methods.by_hand import kl, says, setting, softmax, tiny_batch, tiny_learner


def test_divergence_by_hand() -> None:
    p, logits = torch.tensor([[0.7, 0.3, 0.0]]), torch.tensor([[1.0, 0.0, -1.0]])
    q = softmax([1.0, 0.0, -1.0])
    by_hand = 0.7 * math.log(0.7 / q[0]) + 0.3 * math.log(0.3 / q[1])
    assert divergence(p, logits).item() == pytest.approx(by_hand, abs=1e-6)
    assert divergence(logits.softmax(1), logits).item() == pytest.approx(0, abs=1e-6)
    both = torch.tensor([1.0, 3.0])
    assert reduced(both, 10, "batchmean").item() == 2
    assert reduced(both, 10, "mean").item() == pytest.approx(0.2)


def test_adv_share_weighs_the_two_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    terms = make("rslad", adv_share=0.3).loss(learner, batch)
    by_hand = 0.3 * terms.values["kl_adv"] + 0.7 * terms.values["kl_nat"]
    assert terms.total.item() == pytest.approx(by_hand.item(), rel=1e-5)


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


def test_inner_attack_of_soft_labels_climbs_the_teacher_s_divergence() -> None:
    learner, batch = tiny_learner(), tiny_batch()
    p = learner.taught("robust", batch).softmax(dim=1)
    x_adv = learner.perturb(batch, away_from(p))
    learner.net.eval()
    assert divergence(p, learner.net(x_adv)).mean() > divergence(p, learner.net(batch.x)).mean()
    assert not torch.equal(x_adv, learner.perturb(tiny_batch()))


def test_weights_count_survived_steps_and_act_on_the_next_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, objective, batch = tiny_learner(), make("fair_rslad"), tiny_batch()
    lasts = batch.y % 3  # image i stands for so many steps of three

    def told_way(batch: Batch, loss: object, *, eps: object, on_step: Callable[[Step], None]) -> torch.Tensor:
        for index in range(4):  # the start, then three steps
            margin = torch.where(lasts >= index, 1.0, -1.0)
            on_step(
                Step(
                    index=index,
                    x=batch.x,
                    logits=torch.zeros(len(batch.x), 10),
                    loss=margin,
                    margin=margin,
                    route=Route(),
                )
            )
        return batch.x

    monkeypatch.setattr(learner, "perturb", told_way)
    before = objective.loss(learner, batch).total
    told = objective.end_epoch()
    assert told["class_survived"] == [float(k % 3) if k in batch.y.tolist() else None for k in range(10)]
    expected = class_weights(
        torch.tensor(told["class_survived"], dtype=torch.float64), torch.ones(10, dtype=torch.bool)
    )
    assert told["class_weight"] == pytest.approx(expected.tolist())
    assert told["class_tau_adv"] == [1.0] * 10
    assert len(set(told["class_weight"])) > 1
    assert objective.loss(learner, batch).total != before


@pytest.mark.parametrize("name", ["rslad", "fair_rslad", "absld"])
def test_the_inner_attack_climbs_away_from_what_is_taught_of_adversarial_images(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, batch, x_adv = setting(monkeypatch)
    objective, climbed = make(name), list[Any]()
    levels = {"tau_adv": [0.5, 2.0, 1.0], "tau_nat": [3.0, 0.8, 1.0], "weight": [1.0] * 3, "margin": [1.0] * 3}
    objective.load_state_dict({"levels": levels, "sums": {}})
    monkeypatch.setattr(learner, "perturb", lambda batch, loss="ce", **_: (climbed.append(loss), x_adv)[1])
    objective.loss(learner, batch)
    assert not isinstance(climbed[0], str)
    t, logits = learner.teachers["robust"], [0.5, -1.0, 0.2]
    by_hand = [kl(says(t, m, tau), softmax(logits)) for m, tau in ((0.2, 0.5), (0.4, 2.0), (0.6, 2.0))]
    seen = climbed[0](torch.tensor([logits] * 3), batch.y, targeted=False)
    assert seen.tolist() == pytest.approx(by_hand, rel=1e-4)


def test_both_terms_weigh_an_image_as_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    objective = make("fair_rslad")
    levels = {"tau_adv": [1.0] * 3, "tau_nat": [1.0] * 3, "weight": [2.5, 0.9, 1.0], "margin": [1.0] * 3}
    objective.load_state_dict({"levels": levels, "sums": {}})
    terms = objective.loss(learner, batch)
    s, t = learner.net, learner.teachers["robust"]
    for name, shift in (("kl_adv", 0.1), ("kl_nat", 0.0)):
        by_hand = sum(w * kl(says(t, m), says(s, m + shift)) for m, w in ((0.2, 2.5), (0.4, 0.9), (0.6, 0.9))) / 3
        assert terms.values[name].item() == pytest.approx(by_hand, rel=1e-4)


def test_an_image_that_fell_once_survives_no_later_step(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    objective = make("fair_rslad")
    ways = torch.tensor([[1, 1, -1, 1, 1], [-1, 1, 1, 1, -1], [1, -1, 1, 1, 1]])  # by image: the start, then four steps

    def told_way(batch: Batch, *_: object, on_step: Callable[[Step], None], **__: object) -> torch.Tensor:
        for index, margin in enumerate(ways.float().unbind(1)):
            logits = torch.zeros(3, 3)
            on_step(Step(index=index, x=batch.x, logits=logits, loss=margin, margin=margin, route=Route()))
        return batch.x

    monkeypatch.setattr(learner, "perturb", told_way)
    objective.loss(learner, batch)
    # One step; three, for the start is none, and none: the second and third image are of one class.
    assert objective.end_epoch()["class_survived"] == [1.0, 1.5, None]


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
