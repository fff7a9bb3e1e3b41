"""The teachers a recipe names, loaded, and refused before the first step where they do not fit."""

from __future__ import annotations

import torch

from robust_core import checkpoints
from robust_core.methods import make
from robust_core.training.recipe import Recipe
from robust_core.types import Classifier, ImageSet, UserError


def load_teachers(recipe: Recipe, images: ImageSet, device: torch.device | str) -> dict[str, Classifier]:
    """Role → frozen network for each role the recipe's objective needs.

    Raises UserError where a role has no teacher, or where its images or classes are not the training images'.
    """
    needed = make(recipe.objective.name, **recipe.objective.options).teachers
    teachers = {}
    for role in needed:
        name = getattr(recipe.teachers, role)
        if not name:
            raise UserError(f"objective {recipe.objective.name!r} needs a {role} teacher: set teachers.{role}")
        found = checkpoints.find(name)
        card = found.card
        if card is not None and (card.image_shape != images.shape or card.class_names != images.class_names):
            raise UserError(
                f"the {role} teacher {found.name} knows {_said(card.image_shape, card.class_names)}, "
                f"but {images.name} has {_said(images.shape, images.class_names)}; take one trained on such images"
            )
        teachers[role] = checkpoints.load(found, device)
    return teachers


def _said(shape: tuple[int, int, int], classes: tuple[str, ...]) -> str:
    channels, height, width = shape
    names = ", ".join(classes[:3]) + (", …" if len(classes) > 3 else "")
    kind = f"{width}×{height} images of {channels} channel{'s' if channels > 1 else ''}"
    return f"{kind} in {len(classes)} classes ({names})"
