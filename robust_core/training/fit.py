"""What can be wrong with a recipe on this machine and these images, before there is a folder or a first step."""

from __future__ import annotations

import torch

from robust_core.training.memory import memory, refuse_too_large
from robust_core.training.recipe import Recipe
from robust_core.training.schedule import steps_per_epoch
from robust_core.training.teachers import load_teachers
from robust_core.types import Classifier, ImageSet


def fitting_teachers(recipe: Recipe, train: ImageSet, device: torch.device) -> dict[str, Classifier]:
    """The recipe's teachers, loaded. Raises UserError where batches, teachers or memory do not fit."""
    steps_per_epoch(recipe, len(train))
    teachers = load_teachers(recipe, train, device)
    refuse_too_large(memory(recipe, train, device, teachers), device)
    return teachers
