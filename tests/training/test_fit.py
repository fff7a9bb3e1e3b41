"""What does not fit is refused before there is a folder."""

from __future__ import annotations

import pytest
import torch

from robust_core.data import load
from robust_core.training import memory
from robust_core.training.fit import fitting_teachers
from robust_core.training.recipe import Recipe
from robust_core.types import UserError

CPU = torch.device("cpu")


def recipe(objective: dict[str, object], mix: str = "hard", architecture: str = "aw_net", **options: object) -> Recipe:
    return Recipe.model_validate(
        {
            "title": "x",
            "data": {"name": "fashion_mnist_small", "holdout": 20},
            "model": {"architecture": architecture, "options": {"width": 4, "blocks": [1]} | options},
            "objective": objective,
            "route": {"train_mix": mix},
            "schedule": {"batch_size": 8},
        }
    )


@pytest.mark.parametrize("objective", [{"name": "standard"}, {"name": "adversarial"}])
def test_a_norm_that_nothing_trains_is_refused(objective: dict[str, object]) -> None:
    train = load("fashion_mnist_small").train.subset(slice(0, 60))
    with pytest.raises(UserError, match="batches alone.*'hard' would leave the batch norm of the other type untrained"):
        fitting_teachers(recipe(objective), train, CPU)
    for fits in (
        recipe(objective, "random"),
        recipe(objective, architecture="residual"),
        recipe(objective, mix="hard", architecture="moe"),
        recipe({"name": "adversarial", "options": {"clean_weight": 0.5}}),
    ):
        assert fitting_teachers(fits, train, CPU) == {}


def test_a_batch_larger_than_the_images_is_refused() -> None:
    with pytest.raises(UserError, match="batch_size 8 is larger than the 5 training images"):
        fitting_teachers(recipe({"name": "standard"}), load("fashion_mnist_small").train.subset(slice(0, 25)), CPU)


def test_a_network_that_would_fill_the_machine_is_refused_unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "fresh_network", lambda *_: pytest.fail("it was built"))
    monkeypatch.setattr(memory, "available", lambda _: 8e9)
    huge = recipe({"name": "standard"}, architecture="residual", width=1024, blocks=[8, 8, 8])
    with pytest.raises(UserError, match="takes about .* MB .* 8,000 MB free"):
        fitting_teachers(huge, load("fashion_mnist_small").train.subset(slice(0, 60)), CPU)
