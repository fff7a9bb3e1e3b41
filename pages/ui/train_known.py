"""What a recipe may name here: its text may be any visitor's, and which folders and files of this machine are read is
for those to say who have a command line on it."""

from __future__ import annotations

from robust_core import checkpoints, data
from robust_core.methods import make
from robust_core.training.recipe import Recipe
from robust_core.types import UserError


def known_images(recipe: Recipe) -> Recipe:
    """The recipe. Raises UserError where its images are none of the bundled, downloaded or imported sets."""
    name, known = recipe.data.name, data.DATASETS.names()
    if name not in known:
        raise UserError(
            f"data.name: {name!r} is no image set of this app; known: {', '.join(known)}; bring your own in on the "
            "Library page, then name it here"
        )
    return recipe


def known_teachers(recipe: Recipe) -> None:
    """Raises UserError where a teacher that is needed is none of the checkpoints that the app lists."""
    known = {name for found in checkpoints.find_all() for name in (found.name, found.folder.name)}
    for role in make(recipe.objective.name, **recipe.objective.options).teachers:
        if (name := getattr(recipe.teachers, role)) and name not in known:
            raise UserError(f"teachers.{role}: {name!r} is no network of this app; choose one of those offered")
