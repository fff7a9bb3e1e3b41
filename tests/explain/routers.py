"""What the tests of routing share: tiny dynamic networks, a few pictures, and a router whose decisions are made up."""

from __future__ import annotations

import torch

from robust_core.attacks import AttackSettings
from robust_core.explain import Crowd, Seen
from robust_core.models import build
from robust_core.types import Classifier, ImageSet, Route
from tests.conftest import lived_in

PGD = AttackSettings(name="pgd", eps=0.1, steps=3)


def tiny_net(architecture: str, *, seed: int = 0, **options: object) -> Classifier:
    """Moved off its initial weights, so that its router says something."""
    known = {"width": 8, "blocks": (1, 1), "stem_stride": 2}
    return lived_in(build(architecture, in_channels=1, num_classes=10, seed=seed, **{**known, **options}))


def few(small: ImageSet, n: int = 12) -> torch.Tensor:
    return torch.arange(n)


def made_crowd(clean: Route, adversarial: Route, y: torch.Tensor, classes: int = 3) -> Crowd:
    """A crowd whose routes are given; its pictures are blank."""
    n = len(y)
    blank, logits = torch.zeros(n, 1, 4, 4), torch.nn.functional.one_hot(y, classes).float()
    return Crowd(
        class_names=tuple("abcdefghij"[:classes]),
        attack=PGD,
        index=torch.arange(n),
        y=y,
        x=blank,
        x_adv=blank,
        clean=Seen(logits=logits, route=clean),
        adversarial=Seen(logits=logits.flip(1), route=adversarial),
    )
