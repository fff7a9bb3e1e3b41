"""SGD for all, or Adam for the router: which weight is moved by which, and by how much."""

from __future__ import annotations

import pytest
import torch

from robust_core.methods import RouteTraining
from robust_core.models import build
from robust_core.training.optimizers import Optimizers
from robust_core.training.recipe import SchedulePart
from robust_core.types import Classifier
from tests.conftest import TINY

SCHEDULE = SchedulePart(lr=0.2, momentum=0.0, weight_decay=0.0)


def net(kind: str = "aw_net") -> Classifier:
    made = build(kind, in_channels=1, num_classes=10, seed=0, **TINY)
    for weight in made.parameters():
        weight.grad = torch.full_like(weight, 0.5)
    return made


@pytest.mark.parametrize("rate", [0.2, 0.05])
def test_adam_moves_the_router_and_sgd_the_rest(rate: float) -> None:
    made, route = net(), RouteTraining(optimizer="adam", lr=0.01)
    before = {name: weight.detach().clone() for name, weight in made.named_parameters()}
    Optimizers(made, SCHEDULE, route).step(rate)
    for name, weight in made.named_parameters():
        # Adam's first step is its rate, whatever the gradient; its rate falls with the schedule's.
        by = 0.01 * rate / 0.2 if name.startswith("router.") else 0.5 * rate
        torch.testing.assert_close(before[name] - weight.detach(), torch.full_like(weight, by), rtol=1e-3, atol=1e-6)


def test_by_sgd_alone_unless_the_recipe_says_so_or_where_there_is_no_router() -> None:
    assert len(Optimizers(net(), SCHEDULE, RouteTraining()).all) == 1
    assert len(Optimizers(net("residual"), SCHEDULE, RouteTraining(optimizer="adam")).all) == 1
    assert len(Optimizers(net("moe"), SCHEDULE, RouteTraining(optimizer="adam")).all) == 2


def test_what_they_remember_is_taken_up_again() -> None:
    schedule, route = SchedulePart(lr=0.2), RouteTraining(optimizer="adam")
    one, two = net(), net()
    first = Optimizers(one, schedule, route)
    for _ in range(3):
        first.step(0.1)
    two.load_state_dict(one.state_dict())
    second = Optimizers(two, schedule, route)
    second.load_state_dict(first.state_dict())
    for part in (first, second):
        part.step(0.1)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("nesterov", [True, False])
def test_two_steps_of_sgd_by_hand(nesterov: bool) -> None:
    """Momentum, weight decay and a rate that changes, all at once: d = g + λw, v ← μv + d, w ← w - r·(d + μv or v)."""
    made = net("residual")
    schedule = SchedulePart(lr=0.2, momentum=0.9, weight_decay=0.05, nesterov=nesterov)
    optimizers = Optimizers(made, schedule, RouteTraining())
    by_hand = {name: weight.detach().clone() for name, weight in made.named_parameters()}
    velocity = {name: torch.zeros_like(weight) for name, weight in by_hand.items()}
    for rate in (0.2, 0.05):
        optimizers.step(rate)
        for name, w in by_hand.items():
            d = 0.5 + 0.05 * w
            velocity[name] = 0.9 * velocity[name] + d
            by_hand[name] = w - rate * (d + 0.9 * velocity[name] if nesterov else velocity[name])
    for name, weight in made.named_parameters():
        torch.testing.assert_close(weight.detach(), by_hand[name], msg=name)
