"""Two recipes differ beyond what is compared, or they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from robust_core.library.claims import verdict
from tests.evaluation.claims import card
from tests.library.test_claims import INNER, W, answered, figures, listed, pair


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("[schedule]\nepochs = 3", "schedule.epochs: 3 against 5"),
        ("seed = 4", "seed: 4 against 0"),
        ('[data]\nname = "/home/someone/shapes"', "data.name: shapes against fashion_mnist_small"),
        ('precision = "float32"', "precision: float32 against auto"),
        ('[validation]\nselect = "clean"', "validation.select: clean against w_robust"),
        (INNER + "steps = 9", "attack.steps: 9 against 5"),
        ('[route]\ntrain_mix = "soft"', "route.train_mix: soft against hard"),
        (
            '[objective]\nname = "b_mtard"\noptions = { balance_losses = false }',
            "objective.options.balance_losses: False against True",
        ),
    ],
)
def test_what_else_differs_is_told_and_answers_nothing(tmp_path: Path, recipe: str, told: str) -> None:
    found = answered(verdict(W, pair(tmp_path, 150, 100, recipe)))
    assert found.unequal == (told,)
    assert found.answer == "trained differently"


@pytest.mark.parametrize(
    "recipe", ["a." * 3_000 + "a = 1", "[schedule]\nepochs = 5", INNER + "steps = 5", '[teachers]\nclean = "x/y"']
)
def test_defaults_written_out_and_a_teacher_of_one_alone_are_no_difference(tmp_path: Path, recipe: str) -> None:
    assert answered(verdict(W, pair(tmp_path, 150, 100, recipe))).answer == "holds"


@pytest.mark.parametrize(
    ("rate", "unequal"),
    [("temperature_rate = 1.0", ()), ("weight_rate = 0.5", ("objective.options.weight_rate: 0.5 against 0.025",))],
)
def test_the_rate_of_what_the_method_alone_moves_is_no_difference(
    tmp_path: Path, rate: str, unequal: tuple[str, ...]
) -> None:
    one = '[objective]\nname = "b_mtard"\noptions = { ' + rate + " }"
    every = [
        listed(tmp_path / "a", card(method="b_mtard", **figures(150)), one),
        listed(tmp_path / "b", card(method="mtard", **figures(100))),
    ]
    assert answered(verdict(W, every)).unequal == unequal


def test_another_teacher_in_the_same_role_is_a_difference(tmp_path: Path) -> None:
    every = [
        listed(tmp_path / "a", card(method="b_mtard", **figures(150)), '[teachers]\nrobust = "x/big"'),
        listed(tmp_path / "b", card(method="mtard", **figures(100)), '[teachers]\nrobust = "x/tiny"'),
    ]
    assert answered(verdict(W, every)).unequal == ("teachers.robust: big against tiny",)


@pytest.mark.parametrize("broken", [None, "x = [", "x = " + "[" * 20_000, "z" * 1_100_000])
def test_an_unknown_training_answers_nothing(tmp_path: Path, broken: str | None) -> None:
    assert answered(verdict(W, pair(tmp_path, 150, 100, broken))).unequal == (
        "a recipe is missing: how it was trained is not known",
    )


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    (told,) = answered(verdict(W, pair(tmp_path, 150, 100, f'[data]\nname = "{"n" * 5000}"'))).unequal
    assert len(told) < 120
