"""What the loop hands its objective step by step: which images, as they are or augmented, at which share of the rate;
who listens; and that no step is taken along a gradient that is no number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from robust_core.methods import Batch, Learner, Terms
from robust_core.models import build
from robust_core.training.loop import Training
from robust_core.training.recipe import Recipe
from robust_core.training.run import Run
from robust_core.types import ImageSet, Splits, UserError

SMALLEST: dict[str, Any] = {"width": 4, "blocks": [1]}


@pytest.fixture(scope="module")
def made() -> Splits:
    """Noise, so that no image is another one moved or mirrored; 40 are left to train on, 4 batches of 10 an epoch."""
    images = torch.randint(1, 256, (60, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels, half = torch.arange(60) % 2, {"class_names": ("a", "b"), "name": "made"}
    train = ImageSet(images=images[:50], labels=labels[:50], **half)  # type: ignore[arg-type]
    return Splits(train=train, test=ImageSet(images=images[50:], labels=labels[50:], **half))  # type: ignore[arg-type]


def beginning(folder: Path, made: Splits, objective: str = "standard", **parts: dict[str, Any]) -> Training:
    """Two epochs of four steps, not yet begun; parts are laid over those of the recipe."""
    attack = {"name": "pgd", "eps": 0.1, "steps": 1}
    tree: dict[str, Any] = {
        "title": "steps",
        "data": {"name": "made", "holdout": 10, "pad": 0, "flip": False},
        "model": {"architecture": "residual", "options": SMALLEST},
        "objective": {"name": objective},
        "attack": attack,
        "schedule": {"epochs": 2, "batch_size": 10, "lr": 0.05},
        "validation": {"attack": attack},
        "precision": "float32",
    }
    recipe = Recipe.model_validate(tree | {name: tree[name] | part for name, part in parts.items()})
    teacher = build("residual", in_channels=1, num_classes=2, seed=9, **SMALLEST).eval()
    run = Run.create(folder / "run", recipe)
    return Training(run, made, device=torch.device("cpu"), on_event=lambda event: None, teachers={"robust": teacher})


def handed(training: Training, *, heard: bool = False) -> list[Batch]:
    """Trains it, and returns the batches that its objective was given; heard: of those steps that the mean is to hear
    alone."""
    batches: list[Batch] = []
    original = training.objective.loss

    def watched(learner: Learner, batch: Batch) -> Terms:
        if not heard or (training.mean is not None and learner.listener is training.mean.net):
            batches.append(batch)
        return original(learner, batch)

    training.objective.loss = watched  # type: ignore[method-assign]
    assert training.train()
    return batches


def pictures(x: Tensor) -> list[bytes]:
    """Each image, as something to be found again."""
    return [image.numpy().tobytes() for image in (x * 255).round().to(torch.uint8)]


def test_each_epoch_shows_every_image_once_in_an_order_of_its_own(made: Splits, tmp_path: Path) -> None:
    training = beginning(tmp_path, made)
    batches = handed(training)
    places = [batch.places for batch in batches]
    first, second = (torch.cat(places[at : at + 4]) for at in (0, 4))  # type: ignore[arg-type]
    for order in (first, second):
        assert sorted(order.tolist()) == list(range(40))
        assert order.tolist() != list(range(40))
    assert not torch.equal(first, second)
    for batch in batches:  # not augmented, it is shown what is stored there
        assert pictures(batch.x) == pictures(training.images[batch.places] / 255)
        assert torch.equal(batch.y, training.labels[batch.places])


@pytest.mark.parametrize(("pad", "flip"), [(0, True), (1, False)])
def test_augmented_images_are_the_stored_ones_mirrored_or_moved(
    pad: int, flip: bool, made: Splits, tmp_path: Path
) -> None:
    training = beginning(tmp_path, made, data={"pad": pad, "flip": flip})
    batches = handed(training)
    stored = training.images.float() / 255
    framed = F.pad(stored, (pad,) * 4)
    moved = [framed[..., i : i + 8, j : j + 8] for i in range(2 * pad + 1) for j in range(2 * pad + 1)]
    ways = [*moved, *([stored.flip(-1)] if flip else [])]
    shown = [image for batch in batches for image in pictures(batch.x)]
    own, known = set(pictures(stored)), {image for way in ways for image in pictures(way)}
    assert set(shown) <= known
    assert all(batch.places is None for batch in batches)
    as_stored = sum(image in own for image in shown) / len(shown)
    assert as_stored == pytest.approx(1 / len(ways), abs=0.2)  # one in two, or one in nine


def test_the_rates_of_a_method_rise_and_fall_with_the_learning_rate(made: Splits, tmp_path: Path) -> None:
    training = beginning(tmp_path, made, "absld", schedule={"warmup": 0.25, "shape": "linear"})
    rates = [batch.rate for batch in handed(training)]
    # Of eight steps two are the warm-up, which ends at the highest rate; then down in six equal steps to nothing.
    assert rates == pytest.approx([1 / 2, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert training.objective.rate == pytest.approx(1 / 6)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("objective", "passes"), [("standard", 1), ("rslad", 2)])
def test_the_mean_hears_the_last_quarter_of_each_epoch_and_nothing_else(
    objective: str, passes: int, made: Splits, tmp_path: Path
) -> None:
    training = beginning(tmp_path, made, objective, schedule={"average": 0.9, "batch_size": 5})
    assert [batch.step for batch in handed(training, heard=True)] == [6, 7, 14, 15]  # of eight steps an epoch
    assert training.mean is not None
    for net, steps in ((training.mean.net, 2), (training.net, 16)):
        norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        assert norms
        assert [int(norm.num_batches_tracked) for norm in norms] == [steps * passes] * len(norms)


def test_a_gradient_that_is_no_number_stops_the_run_before_the_step(made: Splits, tmp_path: Path) -> None:
    training = beginning(tmp_path, made)
    before = {name: value.clone() for name, value in training.net.state_dict().items()}

    def steep(learner: Learner, batch: Batch) -> Terms:
        weight = learner.net.linear.weight  # type: ignore[union-attr]
        return Terms(values={"root": (weight - weight.detach()).sum().sqrt()})  # 0, and there infinitely steep

    training.objective.loss = steep  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"the gradient became inf at step 0; a lower schedule.lr"):
        training.train()
    assert all(torch.equal(before[name], value) for name, value in training.net.state_dict().items())
