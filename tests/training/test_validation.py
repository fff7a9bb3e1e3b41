"""Validation judges the weights it is given, on a copy."""

from __future__ import annotations

import torch

from robust_core.attacks import AttackSettings
from robust_core.models import build
from robust_core.training.validation import validate
from robust_core.types import Classifier, ImageSet
from tests.conftest import TINY, lived_in

CPU, ATTACK = torch.device("cpu"), AttackSettings(name="pgd", eps=0.01, steps=1)


def net(seed: int) -> Classifier:
    return lived_in(build("residual", in_channels=1, num_classes=10, seed=seed, **TINY)).train()


def test_it_judges_the_weights_it_is_given_and_leaves_the_net_its_own(small: ImageSet) -> None:
    mine, other = net(0), net(1)
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    some = small.subset(slice(0, 40))
    with torch.no_grad():  # labelled as the other sees them, so that the two are told apart
        labels = other.eval()(some.floats()).argmax(dim=1)
    held_out = ImageSet(images=some.images, labels=labels, class_names=some.class_names, name="as another sees them")
    own = validate(mine, mine.state_dict(), held_out, ATTACK, CPU)
    given = validate(mine, other.state_dict(), held_out, ATTACK, CPU)
    assert given == validate(other, other.state_dict(), held_out, ATTACK, CPU)
    assert given["clean"] == 1.0
    assert own["clean"] < 0.9
    assert mine.training
    assert all(torch.equal(before[name], value) for name, value in mine.state_dict().items())
