"""Which epoch's weights a run kept: the first that was not beaten; never a guess."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from robust_core import checkpoints
from robust_core.checkpoints import RECIPE, zoo_folder
from robust_core.training.follow import follow
from robust_core.training.kept import kept_earlier
from robust_core.training.recipe import Recipe, ValidationPart, read_recipe

PLAIN = Recipe(title="r")


def lines(*scores: Any, name: str = "w_robust") -> list[dict[str, Any]]:
    return [{"event": "epoch", "epoch": n, name: score} for n, score in enumerate(scores, 1)]


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ((0.2, 0.9, 0.5), 2),
        ((0.2, 0.9, 0.9), 2),  # an equal one is not saved
        ((0.9, 0.2, 0.5), 1),
        ((0.2, 0.5, 0.9), None),  # the last: nothing to mark
        ((0.4,), None),
        ((), None),
        ((0.9, None, 0.5), None),
        ((0.9, math.nan, 0.5), None),
    ],
)
def test_the_first_best_is_kept_and_the_last_is_not_marked(scores: tuple[Any, ...], kept: int | None) -> None:
    assert kept_earlier(lines(*scores), PLAIN) == kept


def test_the_recipe_says_by_what() -> None:
    events = [{"epoch": n, "clean": c, "robust": r} for n, c, r in ((1, 0.9, 0.1), (2, 0.8, 0.3), (3, 0.7, 0.2))]
    for select, kept in (("clean", 1), ("robust", 2), ("w_robust", None)):  # of the last no line tells
        recipe = PLAIN.model_copy(update={"validation": ValidationPart(select=select)})
        assert kept_earlier(events, recipe) == kept
    assert kept_earlier(events, None) is None


def test_a_missing_line_is_no_epoch_and_a_later_line_on_one_counts() -> None:
    first, *rest = lines(0.9, 0.2, 0.3)
    assert kept_earlier(rest, PLAIN) is None
    assert kept_earlier([first, *rest, {"epoch": 1, "w_robust": 0.1}], PLAIN) is None
    assert kept_earlier([*rest, first], PLAIN) == 1


def test_shipped_runs_whose_last_epoch_was_not_the_best() -> None:
    kept = {}
    for found in checkpoints.find_all(zoo_folder()):
        if (Path(found.folder) / RECIPE).is_file():
            kept[found.name] = kept_earlier(follow(found.folder).epochs, read_recipe(found.folder / RECIPE))
    assert (kept["fashion_mnist/b_mtard"], kept["fashion_mnist/absld"]) == (5, None)
