"""What the evaluation tests share: a net to be evaluated on images of its own answers, and a quick plan."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from robust_core import checkpoints
from robust_core.attacks import AttackSettings
from robust_core.cards import Card
from robust_core.checkpoints import WEIGHTS, Checkpoint, write_card
from robust_core.evaluation.plan import Plan
from robust_core.folders import write_tensors
from robust_core.models import build
from robust_core.types import Classifier, ImageSet, Trace
from tests.conftest import lived_in

SMALLEST = {"width": 4, "blocks": (1,), "stem_stride": 2}


class Brightness(Classifier):
    """Says 1 where the mean pixel is over one half: an answer, and an attack on it, that can be worked out by hand."""

    in_channels, num_classes = 1, 2

    def trace(self, x: torch.Tensor, *, routing: object = None) -> Trace:
        z = 20 * (x.mean(dim=(1, 2, 3)) - 0.5)
        return Trace(logits=torch.stack([-z, z], dim=1))


def greys() -> ImageSet:
    """Grey levels 55 … 200 of 255; label 1 from 128 on, except for one wrong label."""
    levels = torch.tensor([55, 80, 100, 120, 135, 150, 175, 200], dtype=torch.uint8)
    labels = (levels > 127).long()
    labels[0] = 1
    return ImageSet(
        images=levels[:, None, None, None].expand(8, 1, 4, 4).clone(),
        labels=labels,
        class_names=("dark", "bright"),
        name="greys",
    )


def quick(eps: float = 0.1, **groups: tuple[str, ...]) -> Plan:
    """A plan of small attacks."""
    attacks = {
        "fgsm": AttackSettings(name="fgsm", eps=eps),
        "pgd": AttackSettings(name="pgd", eps=eps, steps=3),
        "apgd": AttackSettings(name="apgd_ce", eps=eps, steps=5),
        "square": AttackSettings(name="square", eps=eps, queries=20),
    }
    chosen = groups or {"table": ("fgsm", "pgd"), "sequence": ("apgd", "square")}
    named = {name for names in chosen.values() for name in names}
    return Plan(
        attacks={name: attack for name, attack in attacks.items() if name in named},
        groups=chosen,
        alone=frozenset({"table"} & chosen.keys()),
    )


def own_answers(net: Classifier, images: ImageSet, n: int) -> ImageSet:
    """The first n images, labelled as the net sees them, its answers spread over the classes first."""
    some = images.subset(slice(0, n))
    with torch.no_grad():
        net.linear.bias.sub_(net(some.floats()).mean(dim=0))  # type: ignore[union-attr]
        labels = net(some.floats()).argmax(dim=1)
    return ImageSet(images=some.images, labels=labels, class_names=some.class_names, name="own answers")


def checkpoint(folder: Path, class_names: tuple[str, ...]) -> Checkpoint:
    """A finished run of the smallest network, untrained."""
    folder.mkdir(parents=True)
    net = lived_in(build("residual", in_channels=1, num_classes=10, seed=0, **SMALLEST))
    write_tensors(folder / WEIGHTS, net.state_dict())
    card = Card(
        title="Tiny",
        method="standard",
        architecture="residual",
        options=dict(SMALLEST),
        image_shape=(1, 28, 28),
        class_names=class_names,
        data_name="fashion_mnist_small",
        data_fingerprint="0" * 64,
        weights_sha256=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
        parameters=1,
        seed=0,
        train_seconds=1.0,
        device="cpu",
        versions={},
    )
    write_card(folder, card)
    return checkpoints.at(folder)
