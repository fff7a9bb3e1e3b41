"""What can be wrong with a recipe on this machine and these images, before there is a folder or a first step."""

from __future__ import annotations

import torch

from robust_core.methods import make
from robust_core.training.memory import bare_network, memory, memory_of_weights, refuse_too_large
from robust_core.training.recipe import Recipe
from robust_core.training.schedule import steps_per_epoch
from robust_core.training.teachers import load_teachers
from robust_core.types import Classifier, ImageSet, UserError


def fitting_teachers(recipe: Recipe, train: ImageSet, device: torch.device) -> dict[str, Classifier]:
    """The recipe's teachers, loaded. Raises UserError where batches, norms, teachers or memory do not fit."""
    steps_per_epoch(recipe, len(train))
    refuse_too_large(memory_of_weights(recipe, train), device)
    _refuse_a_norm_that_nothing_trains(recipe, train)
    teachers = load_teachers(recipe, train, device)
    refuse_too_large(memory(recipe, train, device, teachers), device)
    return teachers


def _refuse_a_norm_that_nothing_trains(recipe: Recipe, train: ImageSet) -> None:
    """With batches of one type alone, hard routes would leave the other type's batch norm as it was born."""
    shown = make(recipe.objective.name, **recipe.objective.options).types
    if bare_network(recipe, train).mixes and len(shown) == 1 and recipe.route.train_mix == "hard":
        raise UserError(
            f"objective {recipe.objective.name!r} shows this network {shown[0]} batches alone, and route.train_mix = "
            "'hard' would leave the batch norm of the other type untrained: take 'random' or 'soft', or an objective "
            "that shows both types (adversarial with clean_weight = 0.5)"
        )
