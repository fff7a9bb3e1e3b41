"""Accuracy over ε and over steps, on a network whose answers can be worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from robust_core.attacks import AttackSettings, run
from robust_core.evaluation.sweeps import over_eps, over_steps, stands
from robust_core.types import ImageSet, Trace, UserError
from tests.evaluation.own import Brightness, greys

PGD = AttackSettings(name="pgd", eps=0.1, steps=4, step_size=0.1)


def test_an_image_falls_where_its_distance_to_grey_is_reached() -> None:
    # Distances to one half: .186 .108 .029 | .029 .088 .186 .284, the first of eight is mislabelled.
    found = over_eps(Brightness(), greys(), PGD, [0.0, 0.05, 0.15, 0.2, 0.3])
    assert found.shape == (5, 8)
    assert found.sum(dim=1).tolist() == [7, 5, 3, 1, 0]
    assert not found[:, 0].any()
    assert bool((found[:-1].int() >= found[1:].int()).all())


def test_who_has_fallen_is_not_attacked_again() -> None:
    class Watched(Brightness):
        asked = 0

        def trace(self, x: Tensor, *, routing: object = None) -> Trace:
            Watched.asked += len(x)
            return super().trace(x)

    over_eps(Watched(), greys(), PGD, [0.3, 0.4, 0.5])
    assert Watched.asked == 8 + 7 * PGD.steps + 7  # untouched, one attack on those that are right, its answer


@pytest.mark.parametrize("eps", [[], [0.1, 0.1], [0.2, 0.1], [-0.1, 0.1]])
def test_budgets_must_rise(eps: list[float]) -> None:
    with pytest.raises(UserError, match="rise"):
        over_eps(Brightness(), greys(), PGD, eps)


def test_every_step_count_is_the_attack_of_that_many_steps(small: ImageSet, any_net: torch.nn.Module) -> None:
    images = small.subset(slice(0, 12))
    with torch.no_grad():
        labels = any_net(images.floats()).argmax(dim=1)
    mine = ImageSet(images=images.images, labels=labels, class_names=images.class_names, name="own answers")
    attack = AttackSettings(name="pgd", eps=0.05, steps=3, step_size=0.02)
    found = over_steps(any_net, mine, attack, indices=torch.arange(100, 112))
    assert found[0].all()
    for steps in (1, 2, 3):
        x_adv = run(attack.replace(steps=steps), any_net, mine.floats(), labels, indices=torch.arange(100, 112))
        assert torch.equal(found[steps], stands(any_net, x_adv, labels))


def test_where_nothing_is_right_nothing_stands() -> None:
    images = greys()
    wrong = ImageSet(
        images=images.images[1:], labels=1 - images.labels[1:], class_names=images.class_names, name="wrong"
    )
    assert over_steps(Brightness(), wrong, PGD).shape == (5, 7)
    assert not over_steps(Brightness(), wrong, PGD).any()
    assert not over_eps(Brightness(), wrong, PGD, [0.0, 0.1]).any()


@pytest.mark.parametrize("attack", [AttackSettings(name="pgd"), AttackSettings(name="fgsm"), PGD.replace(restarts=2)])
def test_only_an_attack_that_begins_a_longer_one_has_such_a_curve(attack: AttackSettings) -> None:
    with pytest.raises(UserError, match="beginning"):
        over_steps(Brightness(), greys(), attack)


def test_logits_that_are_no_numbers_are_wrong() -> None:
    class Broken(Brightness):
        def trace(self, x: Tensor, *, routing: object = None) -> Trace:
            return Trace(logits=super().trace(x).logits * float("nan"))

    assert not stands(Broken(), greys().floats(), greys().labels).any()
