"""Recipes: what is written is what is read, and every mistake is named with its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from robust_core.data import DATASETS
from robust_core.methods import OBJECTIVES, make
from robust_core.models import build
from robust_core.training.recipe import Recipe, parse_override, parse_recipe, read_recipe
from robust_core.types import UserError

UNEQUAL = (
    "cifar10_standard",
    "cifar10_teacher_clean",
    "cifar10_teacher_robust",
    "fashion_mnist_pgd_at_long",
    "fashion_mnist_standard",
    "fashion_mnist_teacher_clean",
    "fashion_mnist_teacher_robust",
)
FOLDERS = ("paper", "zoo")
SHIPPED = sorted((Path(__file__).parents[2] / "recipes").rglob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_recipes_can_be_made(path: Path) -> None:
    recipe = read_recipe(path)
    # The papers' other sets are not downloaded: a folder that the recipe names.
    assert recipe.data.name in DATASETS.names() or (
        path.parent.name == "paper" and recipe.data.name.startswith("data/")
    )
    build(recipe.model.architecture, in_channels=1, num_classes=10, **recipe.model.options)
    make(recipe.objective.name, **recipe.objective.options)


def test_every_objective_has_a_recipe_here_and_at_the_papers_scale() -> None:
    taught = {folder: {read_recipe(p).objective.name for p in SHIPPED if p.parent.name == folder} for folder in FOLDERS}
    assert taught["zoo"] == set(OBJECTIVES.names())
    assert taught["paper"] == set(OBJECTIVES.names()) - {"standard"}  # there the clean teacher is imported


def test_the_papers_recipes_have_the_scale_of_the_released_losses() -> None:
    for path in SHIPPED:
        if path.parent.name == "paper" and path.stem.endswith("mtard"):
            options = read_recipe(path).objective.options
            assert options.get("kl_reduction") == "mean"
            assert options.get("kl_scale", 1.0) == (10.0 if "cifar100" in path.stem else 1.0)


@pytest.mark.parametrize("folder", FOLDERS)
def test_recipes_that_are_to_be_compared_agree_on_the_rest(folder: str) -> None:
    """Data, selection, schedule and inner attack are one's as all's, but for those of a budget of their own."""
    told: dict[str, dict[str, list[str]]] = {}
    for path in (path for path in SHIPPED if path.parent.name == folder and path.stem not in UNEQUAL):
        recipe = read_recipe(path)
        parts = (recipe.data, recipe.validation, recipe.schedule, recipe.attack)
        told.setdefault(recipe.data.name, {}).setdefault(repr(parts), []).append(path.stem)
    for groups in told.values():
        assert len(groups) == 1, sorted(groups.values(), key=len)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_written_and_read_again_it_is_the_same(path: Path) -> None:
    recipe = read_recipe(path)
    assert parse_recipe(recipe.to_toml()) == recipe


def test_defaults_fill_what_is_left_out() -> None:
    recipe = parse_recipe('title = "x"')
    assert recipe == Recipe(title="x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "not valid TOML"),
        ('title = "a\u200bb"', r"title: it 'a\\u200bb' holds characters that cannot be seen; leave them out$"),
        ('title = "  "', "title: it is empty; give it one"),
        (
            'title = "x"\n[model]\noptions = { width = 100000 }',
            "option width = 100000 is beyond .* .numbers up to 4096",
        ),
        ('title = "x"\n[model]\noptions = { blocks = [1000000] }', "option blocks = .1000000. is beyond .* up to 64"),
        ("", "title"),
        ('title = "x"\nsede = 1', "unknown recipe key 'sede'; did you mean 'seed'"),
        ('title = "x"\n[schedule]\nepoch = 1', "did you mean 'schedule.epochs'"),
        ('title = "x"\n[schedule]\nepochs = 0', r"schedule.epochs: .*greater than or equal to 1; got 0"),
        ('title = "x"\n[schedule]\nepochs = "many"', r"schedule.epochs: .*integer.*got 'many'"),
        ('title = "x"\n[attack]\nname = "pgd"\neps = 8', r"eps must be in \(0, 1\]; got 8; did you mean 8/255\?"),
        ('title = "x"\n[attack]\nname = "pdg"', "unknown attack 'pdg'; did you mean 'pgd'"),
        ('title = "x"\n[attack]\nname = "pgd"\nstep = 3', "did you mean 'steps'"),
        ('title = "x"\n[model]\narchitecture = "resnet"', "unknown architecture 'resnet'"),
        ('title = "x"\n[objective]\nname = "adversrial"', "did you mean 'adversarial'"),
        ('title = "x"\n[route]\ntrain_mix = "medium"', "route.train_mix: .*'hard', 'soft' or 'random'"),
        ('title = "x"\nseed = -1', "seed: .*greater than or equal to 0; got -1"),
        ("title = 'x'\nmodel = 3", "model"),
        ('title = "x"\n[attack]\nname = "fgsm"', "the inner attack of training is pgd with one start; got 'fgsm'"),
        ('title = "x"\n[schedule]\nepochs = "5"', "schedule.epochs: .*integer"),
        ('title = "x"\n[schedule]\nmilestones = [-3]', "schedule.milestones"),
        ('title = "x"\n[objective]\nname = "trades"\noptions = { betta = 6 }', "did you mean 'beta'"),
        (
            'title = "x"\n[model]\narchitecture = "aw_net"\noptions = { router_norm = "gruop" }',
            "'batch' or 'none'; got 'gruop'",
        ),
        ('title = "x"\n[model]\noptions = { mean = [0.5] }', "needs both mean and std"),
        ('title = "x"\n[model]\noptions = { widht = 8 }', "did you mean 'width'"),
        ('title = "x"\n[attack]\nname = "pgd"\nseed = 7', "drawn from the recipe's seed; got 7"),
        ('title = "x"\n[schedule]\nshape = "multistep"\nmilestones = [5, 2]', "milestones must rise"),
    ],
)
def test_mistakes_are_named_with_their_cure(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_recipe(text)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(UserError) as caught:
        parse_recipe('title = "x"\nsede = 1\n[schedule]\nlr = -1\nepochs = 0')
    assert len(str(caught.value).splitlines()) == 3


def test_eps_may_be_a_fraction() -> None:
    assert parse_recipe('title = "x"\n[attack]\nname = "pgd"\neps = "8/255"').attack.eps == 8 / 255


def test_options_that_stay_behind_another_name_are_told() -> None:
    text = 'title = "x"\n[objective]\nname = "adversarial"\noptions = { clean_weight = 0.3 }'
    told = r"unknown option .*clean_weight(.|\n)*objective.options are still the recipe's: clean_weight; --set obj"
    with pytest.raises(UserError, match=told):
        parse_recipe(text, overrides={"objective.name": "trades"})
    assert parse_recipe(text, overrides={"objective.name": "trades", "objective.options": {}}).objective.options == {}
    with pytest.raises(UserError) as given:  # what the visitor wrote is nobody else's
        parse_recipe(text, overrides={"objective.name": "trades", "objective.options.clean_weight": 0.2})
    assert "still the recipe's" not in str(given.value)


def test_overrides() -> None:
    assert parse_override("schedule.epochs=3") == ("schedule.epochs", 3)
    assert parse_override("epochs=3") == ("schedule.epochs", 3)
    assert parse_override("data.name=cifar10") == ("data.name", "cifar10")
    assert parse_override("model.options.blocks=[1, 2]") == ("model.options.blocks", [1, 2])
    recipe = parse_recipe('title = "x"', overrides=dict([parse_override("epochs=3"), parse_override("seed=4")]))
    assert recipe.schedule.epochs == 3
    assert recipe.seed == 4
    with pytest.raises(UserError, match="key=value"):
        parse_override("epochs")
    with pytest.raises(UserError, match="did you mean 'schedule.epochs'"):
        parse_override("schedule_epochs=3")
