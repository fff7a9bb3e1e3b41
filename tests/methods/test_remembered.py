"""A teacher is asked once about an image that comes back unchanged, and a training cannot tell the difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from robust_core.checkpoints import WEIGHTS, read_history
from robust_core.methods.remembered import Remembered
from robust_core.models import build
from robust_core.training.loop import Training
from robust_core.training.recipe import parse_recipe
from robust_core.training.run import Run
from robust_core.types import Classifier, ImageSet, Routing, Splits, Trace

CLOCKS = ("seconds", "seconds_left", "images_per_second")
TEXT = """
title = "taught"
data = { name = "made", holdout = 20, pad = %d, flip = false }
model = { architecture = "residual", options = { width = 4, blocks = [1] } }
objective = { name = "%s" }
attack = { name = "pgd", eps = 0.1, steps = 1 }
schedule = { epochs = 3, batch_size = 20, lr = 0.05 }
validation = { attack = { name = "pgd", eps = 0.1, steps = 1 } }
"""


class Asked(Classifier):
    """A teacher that counts the images it is shown."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.net = build("residual", in_channels=1, num_classes=2, seed=seed, width=4, blocks=[1])
        self.in_channels, self.num_classes = 1, 2
        self.images = 0

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        self.images += len(x)
        return self.net.trace(x, routing=routing)


@pytest.fixture(scope="module")
def made() -> Splits:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (120, 1, 12, 12), generator=generator, dtype=torch.uint8)
    half: dict[str, Any] = {"class_names": ("a", "b"), "name": "made"}
    labels = torch.arange(120) % 2
    return Splits(
        train=ImageSet(images=images[:100], labels=labels[:100], **half),
        test=ImageSet(images=images[100:], labels=labels[100:], **half),
    )


def told(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in event.items() if k not in CLOCKS} for event in read_history(folder)]


def taught(folder: Path, data: Splits, objective: str, pad: int = 0, *, die_at: int = 0) -> dict[str, int]:
    """Trains to the end, once dying on the way where asked to; returns how many images each teacher was shown."""
    run = Run.create(folder, parse_recipe(TEXT % (pad, objective)))
    roles = ("clean", "robust") if objective == "mtard" else ("robust",)

    def training(teachers: dict[str, Asked]) -> Training:
        made = Training(run, data, device=torch.device("cpu"), on_event=lambda event: None, teachers=teachers)
        for role in roles:  # the view is a copy: let it count on the one we hold
            made.learner.teachers[role] = made.learner._remembered[role].teacher = teachers[role].eval()
        return made

    for deadly in filter(None, (die_at, 10**6)):
        teachers = {role: Asked(seed) for seed, role in enumerate(roles)}
        training(teachers).train(stop=iter([False] * deadly + [True]).__next__)
    return {role: teacher.images for role, teacher in teachers.items()}


def test_rows_come_back_and_a_batch_with_a_new_image_is_asked_whole() -> None:
    teacher = Asked(0).eval()
    x = torch.rand(6, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    remembered, places = Remembered(teacher, 6), torch.arange(6)
    first = remembered(x[:4], places[:4])
    assert teacher.images == 4
    assert torch.equal(remembered(x[[3, 0]], places[[3, 0]]), first[[3, 0]])
    assert teacher.images == 4
    assert torch.equal(remembered(x[3:], places[3:]), teacher(x[3:]))


@pytest.mark.parametrize(("objective", "role"), [("rslad", "robust"), ("ard", "robust"), ("mtard", "clean")])
def test_a_training_is_the_same_and_asks_once(objective: str, role: str, made: Splits, tmp_path: Path) -> None:
    asked = taught(tmp_path / "a", made, objective)
    assert asked[role] == 80  # the images that are not held out, in the first of three epochs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remembered, "__call__", lambda self, x, places: self.teacher(x))
        assert taught(tmp_path / "b", made, objective)[role] == 3 * 80
    assert told(tmp_path / "a") == told(tmp_path / "b")
    taught(tmp_path / "c", made, objective, die_at=6)  # a memory lost in the second epoch
    assert told(tmp_path / "a") == told(tmp_path / "c")
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "c" / WEIGHTS).read_bytes()


def test_the_robust_teacher_of_mtard_sees_new_images_each_time(made: Splits, tmp_path: Path) -> None:
    assert taught(tmp_path / "a", made, "mtard")["robust"] == 3 * 80


def test_images_that_move_are_asked_about_anew(made: Splits, tmp_path: Path) -> None:
    assert taught(tmp_path / "a", made, "rslad", pad=1)["robust"] == 3 * 80
