"""TRADES against numbers worked out by hand: its value, its gradient, and what its inner attack climbs."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from robust_core.methods import make
from robust_core.methods.objective import divergence
from tests.methods.by_hand import kl, says, setting, softmax, tiny_batch, tiny_learner


def test_trades_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    terms = make("trades", beta=6.0).loss(learner, batch)
    s = learner.net
    ce = -sum(math.log(says(s, m)[y]) for m, y in ((0.2, 0), (0.4, 1), (0.6, 1))) / 3
    apart = sum(kl(says(s, m), says(s, m + 0.1)) for m in (0.2, 0.4, 0.6)) / 3
    assert terms.values["ce_clean"].item() == pytest.approx(ce, rel=1e-5)
    assert terms.values["kl_adv"].item() == pytest.approx(apart, rel=1e-3)
    assert terms.total.item() == pytest.approx(ce + 6 * apart, rel=1e-4)


def test_trades_attacks_away_from_the_answer_on_the_clean_image(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, x_adv = setting(monkeypatch)
    climbed: list[Any] = []
    monkeypatch.setattr(learner, "perturb", lambda batch, loss="ce", **_: (climbed.append(loss), x_adv)[1])
    make("trades").loss(learner, batch)
    s, logits = learner.net, torch.tensor([[0.5, -1.0, 0.2]]).expand(3, 3)
    by_hand = [kl(says(s, m), softmax(logits[0].tolist())) for m in (0.2, 0.4, 0.6)]
    assert climbed[0](logits, batch.y, targeted=False).tolist() == pytest.approx(by_hand, rel=1e-4)


def test_trades_has_a_gradient_where_a_probability_underflows(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, _ = setting(monkeypatch)
    with torch.no_grad():
        learner.net.bias.copy_(torch.tensor([200.0, 0.0, -50.0]))  # type: ignore[union-attr,operator]
    make("trades").loss(learner, batch).total.backward()
    assert all(bool(p.grad.isfinite().all()) for p in learner.net.parameters() if p.grad is not None)


def test_both_sides_of_the_divergence_are_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """With p on clean and q on adversarial images: ∂KL/∂z_p = p·(log p/q - KL), ∂KL/∂z_q = q - p."""
    learner, batch, _ = setting(monkeypatch)
    s = learner.net
    term = make("trades").loss(learner, batch).values["kl_adv"]
    weight, bias = torch.autograd.grad(term, [s.weight, s.bias])  # type: ignore[list-item]
    by_hand = {"weight": [0.0] * 3, "bias": [0.0] * 3}
    for mean in (0.2, 0.4, 0.6):
        p, q = says(s, mean), says(s, mean + 0.1)
        for k in range(3):
            clean, adversarial = p[k] * (math.log(p[k] / q[k]) - kl(p, q)), q[k] - p[k]
            by_hand["weight"][k] += (mean * clean + (mean + 0.1) * adversarial) / 3
            by_hand["bias"][k] += (clean + adversarial) / 3
    assert weight.tolist() == pytest.approx(by_hand["weight"], abs=1e-6)
    assert bias.tolist() == pytest.approx(by_hand["bias"], abs=1e-6)
    assert max(map(abs, by_hand["bias"])) > 1e-3


def test_the_answer_attacked_is_that_of_the_view_in_eval_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, batch, climbed = tiny_learner(), tiny_batch(), list[Any]()
    answers = {
        name: made(batch.x).softmax(dim=1).detach()
        for name, made in (("view", learner.view(batch)), ("training", tiny_learner().net))
    }
    logits = torch.linspace(-1, 1, 10).expand(12, 10)
    monkeypatch.setattr(learner, "perturb", lambda batch, loss="ce", **_: (climbed.append(loss), batch.x)[1])
    make("trades").loss(learner, batch)
    seen = climbed[0](logits, batch.y, targeted=False)
    torch.testing.assert_close(seen, divergence(answers["view"], logits))
    assert not torch.allclose(seen, divergence(answers["training"], logits), atol=0.01)
    norms = [module for module in learner.net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {int(norm.num_batches_tracked) for norm in norms} == {2}  # the pair of passes, and no look before
