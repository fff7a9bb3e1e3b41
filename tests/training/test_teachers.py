"""Teachers: found by name, refused with both sides named where they do not fit, and their state is the objective's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from robust_core.training import loop
from robust_core.training.loop import Training
from robust_core.training.recipe import ObjectivePart, Recipe, TeachersPart
from robust_core.training.run import Run
from robust_core.training.teachers import load_teachers
from robust_core.types import ImageSet, Splits, UserError
from tests.test_checkpoints import make
from tests.training.test_loop import timeless


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROBUSTLENS_CHECKPOINTS", str(tmp_path))
    make(tmp_path / "data" / "one", 0)
    make(tmp_path / "data" / "two", 1)
    return tmp_path


def images(size: int = 28, names: str = "abcdefghij") -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 1, size, size), generator=generator).to(torch.uint8)
    return ImageSet(images=pixels, labels=torch.arange(60) % len(names), class_names=tuple(names), name="made")


def recipe(objective: str, **teachers: str) -> Recipe:
    base = Recipe(title="t", objective=ObjectivePart(name=objective), teachers=TeachersPart(**teachers))
    changes = {"data": base.data.model_copy(update={"holdout": 10})}
    changes |= {"schedule": base.schedule.model_copy(update={"epochs": 2, "batch_size": 10, "lr": 0.01})}
    small = base.model.model_copy(update={"options": {"width": 4, "blocks": [1], "stem_stride": 2}})
    attack = base.attack.replace(steps=1)
    return base.model_copy(update=changes | {"model": small, "attack": attack})


def test_the_roles_an_objective_needs_are_filled(zoo: Path) -> None:
    assert load_teachers(recipe("standard", clean="one"), images(), "cpu") == {}
    assert load_teachers(recipe("rslad", robust="one"), images(), "cpu").keys() == {"robust"}
    both = load_teachers(recipe("b_mtard", clean="one", robust="data/two"), images(), "cpu")
    assert both.keys() == {"clean", "robust"}
    assert not any(p.requires_grad for net in both.values() for p in net.parameters())


@pytest.mark.parametrize(
    ("chosen", "data", "message"),
    [
        (recipe("mtard", clean="one"), images(), "'mtard' needs a robust teacher: set teachers.robust"),
        (recipe("rslad", robust="tow"), images(), "unknown checkpoint 'tow'"),
        (recipe("rslad", robust="one"), images(size=32), r"data/one knows 28×28 .* made has 32×32"),
        (recipe("rslad", robust="one"), images(names="abc"), r"in 10 classes \(a, b, c, …\), but made .*in 3 classes"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(chosen: Recipe, data: ImageSet, message: str, zoo: Path) -> None:
    with pytest.raises(UserError, match=message):
        load_teachers(chosen, data, "cpu")


@pytest.mark.parametrize("objective", ["mtard", "b_mtard", "absld", "fair_rslad", "trades", "ard"])
def test_a_death_anywhere_is_exactly_made_good(
    objective: str, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    chosen, data = recipe(objective, clean="one", robust="two"), Splits(train=images(), test=images())
    teachers = load_teachers(chosen, data.train, "cpu")

    def train(run: Run, deadly: int = 0) -> None:
        def on_event(event: dict[str, object]) -> None:
            if event["event"] == "step" and event["step"] == deadly:
                raise InterruptedError

        Training(run, data, device=torch.device("cpu"), on_event=on_event, teachers=teachers).train()

    whole, broken = Run.create(tmp_path / "runs" / "a", chosen), Run.create(tmp_path / "runs" / "b", chosen)
    train(whole)
    for deadly in (3, 7):
        with pytest.raises(InterruptedError):
            train(broken, deadly)
    train(broken)
    events = timeless(whole.folder)
    assert timeless(broken.folder) == events
    last = next(event for event in reversed(events) if event["event"] == "epoch")
    wanted = {"mtard": "w_nat", "b_mtard": "tau_nat", "absld": "class_tau_adv", "fair_rslad": "class_weight"}
    assert wanted.get(objective, "clean") in last
