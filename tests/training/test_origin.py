"""A run never goes on with other images or another teacher than it was begun with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from robust_core import ranks
from robust_core.__main__ import _broke_off
from robust_core.checkpoints import CARD
from robust_core.models import build
from robust_core.training.loop import Training
from robust_core.training.recipe import Recipe
from robust_core.training.run import Run, State
from robust_core.types import Classifier, Splits, UserError
from tests.training.test_loop import CPU, made, timeless, tiny  # noqa: F401  made is a fixture


def teacher(seed: int) -> dict[str, Classifier]:
    return {"robust": build("residual", in_channels=1, num_classes=2, seed=seed, width=4, blocks=(1,)).eval()}


def go(run: Run, data: Splits, teachers: dict[str, Classifier], stop: Callable[[], bool] = lambda: False) -> bool:
    return Training(run, data, device=CPU, on_event=lambda _: None, teachers=teachers).train(stop=stop)


def begun(folder: Path, data: Splits) -> Run:
    """A run of RSLAD, stopped after five steps."""
    run, asked = Run.create(folder, tiny(objective="rslad")), count()
    assert not go(run, data, teacher(1), lambda: next(asked) == 5)
    return run


def test_other_images_and_another_teacher_are_refused(made: Splits, tmp_path: Path) -> None:  # noqa: F811
    run = begun(tmp_path / "run", made)
    told = timeless(run.folder)
    fewer = replace(made, train=made.train.subset(torch.arange(60)))
    with pytest.raises(UserError, match="begun with other training images .* bring those back"):
        go(run, fewer, teacher(1))
    with pytest.raises(UserError, match="begun with other weights of the robust teacher"):
        go(run, made, teacher(2))
    assert timeless(run.folder) == told  # a refusal tells nothing
    assert go(run, made, teacher(1))
    whole = Run.create(tmp_path / "whole", tiny(objective="rslad"))
    assert go(whole, made, teacher(1))
    assert timeless(run.folder) == timeless(whole.folder)


def test_a_state_from_before_this_was_kept_goes_on(made: Splits, tmp_path: Path) -> None:  # noqa: F811
    run = begun(tmp_path / "run", made)
    state = run.load_state()
    assert state is not None
    run.save_state(State(tensors=state.tensors, facts={k: v for k, v in state.facts.items() if k != "origin"}))
    assert go(run, made, teacher(1))


def test_torchrun_s_second_start_goes_on_and_nobody_else_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, recipe = Run(tmp_path / "run"), tiny()
    other: Recipe = recipe.model_copy(update={"seed": 1})
    monkeypatch.setattr(ranks, "together", lambda: True)
    assert not _broke_off(run, recipe)
    Run.create(run.folder, recipe)
    assert _broke_off(run, recipe)
    assert not _broke_off(run, other)
    monkeypatch.setattr(ranks, "together", lambda: False)
    assert not _broke_off(run, recipe)  # by hand one says `resume`
    monkeypatch.setattr(ranks, "together", lambda: True)
    (run.folder / CARD).write_text("{}")
    assert not _broke_off(run, recipe)
