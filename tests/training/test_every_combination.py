"""Every objective trains every kind of network: a method and a network meet in a recipe, not in code."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from robust_core.checkpoints import read_history
from robust_core.data import load
from robust_core.methods import OBJECTIVES
from robust_core.models import build
from robust_core.training.loop import Training
from robust_core.training.recipe import Recipe
from robust_core.training.run import Run
from robust_core.types import Splits

TOLD = {"residual": set(), "aw_net": {"type", "type_accuracy"}, "moe": {"balance", "largest_load", "expert_load"}}


@pytest.fixture(scope="module")
def few() -> Splits:
    whole = load("fashion_mnist_small")
    return Splits(train=whole.train.subset(slice(0, 60)), test=whole.test.subset(slice(0, 20)))


@pytest.mark.parametrize("architecture", TOLD)
@pytest.mark.parametrize("objective", OBJECTIVES.names())
def test_an_epoch_of(objective: str, architecture: str, few: Splits, tmp_path: Path) -> None:
    options = {"width": 4, "blocks": [1], "stem_stride": 2}
    recipe = Recipe.model_validate(
        {
            "title": "one",
            "data": {"name": "fashion_mnist_small", "holdout": 20},
            "model": {"architecture": architecture, "options": options},
            "objective": {"name": objective},
            "attack": {"name": "pgd", "eps": 0.1, "steps": 1},
            "schedule": {"epochs": 1, "batch_size": 20},
            "validation": {"attack": {"name": "pgd", "eps": 0.1, "steps": 1}},
        }
    )
    teachers = {
        role: build("residual", in_channels=1, num_classes=10, seed=seed, **options).eval()
        for seed, role in enumerate(("clean", "robust"))
    }
    run = Run.create(tmp_path / "run", recipe)
    assert Training(run, few, device=torch.device("cpu"), on_event=lambda event: None, teachers=teachers).train()
    told = next(event for event in read_history(run.folder) if event["event"] == "epoch")
    assert TOLD[architecture] <= told.keys()
    assert all(math.isfinite(value) for value in told.values() if isinstance(value, float))
    assert (run.folder / "weights.safetensors").is_file()


def test_precision_and_compile_reach_the_passes(few: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(function) or function)
    recipe = Recipe.model_validate(
        {
            "title": "low",
            "data": {"name": "fashion_mnist_small", "holdout": 20},
            "model": {"architecture": "aw_net", "options": {"width": 4, "blocks": [1], "stem_stride": 2}},
            "objective": {"name": "adversarial", "options": {"clean_weight": 0.5}},
            "attack": {"name": "pgd", "eps": 0.1, "steps": 1},
            "schedule": {"epochs": 1, "batch_size": 20},
            "validation": {"attack": {"name": "pgd", "eps": 0.1, "steps": 1}},
            "precision": "bfloat16",
            "compile": True,
        }
    )
    run = Run.create(tmp_path / "run", recipe)
    training = Training(run, few, device=torch.device("cpu"), on_event=lambda event: None)
    seen: list[torch.dtype] = []
    training.net.backbone.conv1.register_forward_hook(lambda module, x, y: seen.append(y.dtype))  # type: ignore[union-attr]
    assert training.train()
    assert compiled == [training.net.trace]
    assert torch.bfloat16 in seen
    assert read_history(run.folder)[0]["precision"] == "bfloat16"
    assert all(p.dtype == torch.float32 for p in training.net.parameters())


def test_float64_reaches_passes_view_and_teacher_and_leaves_a_float32_checkpoint(few: Splits, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        {
            "title": "high",
            "data": {
                "name": "fashion_mnist_small",
                "holdout": 20,
                "pad": 0,
                "flip": False,
            },  # the teacher is remembered
            "model": {"architecture": "aw_net", "options": {"width": 4, "blocks": [1], "stem_stride": 2}},
            "objective": {"name": "absld"},
            "attack": {"name": "pgd", "eps": 0.1, "steps": 1},
            "schedule": {"epochs": 2, "batch_size": 20},
            "validation": {"attack": {"name": "pgd", "eps": 0.1, "steps": 1}},
            "precision": "float64",
        }
    )
    run = Run.create(tmp_path / "run", recipe)
    teacher = build("residual", in_channels=1, num_classes=10, seed=1, width=4, blocks=[1]).eval()
    training = Training(run, few, device=torch.device("cpu"), on_event=lambda event: None, teachers={"robust": teacher})
    seen: dict[str, set[torch.dtype]] = {"net": set(), "view": set()}
    for name, net in (("net", training.net), ("view", training.learner.frozen.view.net)):
        net.backbone.conv1.register_forward_hook(lambda module, x, y, name=name: seen[name].add(y.dtype))
    assert training.train()
    assert torch.float64 in seen["net"]  # a copy is validated in float32, as a checkpoint is
    assert seen["view"] == {torch.float64}
    assert training.learner.teachers["robust"](torch.zeros(1, 1, 28, 28)).dtype == torch.float64
    assert read_history(run.folder)[0]["precision"] == "float64"
    assert {tensor.dtype for tensor in load_file(run.folder / "weights.safetensors").values()} == {
        torch.float32, torch.int64,
    }  # fmt: skip
