"""A setting small enough to work out by hand, and a tiny real one, for the tests of objectives."""

from __future__ import annotations

import math

import pytest
import torch

from robust_core.attacks import AttackSettings
from robust_core.methods import Batch, Learner, RouteTraining
from robust_core.models import build
from robust_core.types import Classifier, Trace
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
