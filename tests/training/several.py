"""Trainings for `torchrun` or plain Python: `-m tests.training.several FOLDER JOB [JOB ...]`.

A job is "objective-architecture-epochs", or that and "-float64"; it is trained in FOLDER/JOB. Several in one start, for
a start is dear.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from robust_core import ranks
from robust_core.data import load
from robust_core.models import build
from robust_core.training import loop
from robust_core.training.loop import Training
from robust_core.training.recipe import Recipe
from robust_core.training.run import Run
from robust_core.types import Splits


def recipe(objective: str, architecture: str, epochs: int, precision: str) -> Recipe:
    options = {"weights": True, "margins": True} if objective == "absld" else {}
    # Gentle: the sign of a gradient near zero is a coin that rounding throws, and a high rate makes much of little.
    attack, rate = {"name": "pgd", "norm": "l2", "eps": 1.0, "steps": 2}, 0.02
    if precision == "float64":
        attack, rate = {"name": "pgd", "norm": "linf", "eps": 0.1, "steps": 2}, 0.3
    return Recipe.model_validate(
        {
            "title": "shared",
            "data": {"name": "fashion_mnist_small", "holdout": 30},
            "model": {"architecture": architecture, "options": {"width": 4, "blocks": [1], "stem_stride": 2}},
            "objective": {"name": objective, "options": options},
            "attack": attack,
            "route": {"train_mix": "random", "inner_attack": "both"},
            "schedule": {
                "epochs": epochs,
                "batch_size": 16,
                "average": 0.9,
                "lr": rate,
            },
            "validation": {"attack": {"name": "pgd", "eps": 0.1, "steps": 2}},
            # In bfloat16, which "auto" takes where the machine has it, sums in another order part by more than 1e-4.
            "precision": precision,
        }
    )


def main(folder: Path, *jobs: str) -> None:
    """Trains them, and tells every step. Leaves the process that calls it as it was."""
    threads, every = torch.get_num_threads(), loop.LOG_EVERY
    torch.set_num_threads(1)
    loop.LOG_EVERY = 1
    try:
        with ranks.joined(torch.device("cpu")) as device:
            for job in jobs:
                objective, architecture, epochs, *precision = job.split("-")
                chosen = recipe(objective, architecture, int(epochs), *(precision or ["float32"]))
                _train(folder / job, chosen, device)
    finally:
        loop.LOG_EVERY = every
        torch.set_num_threads(threads)


def _train(folder: Path, chosen: Recipe, device: torch.device) -> None:
    whole = load("fashion_mnist_small")
    data = Splits(train=whole.train.subset(slice(0, 110)), test=whole.test.subset(slice(0, 20)))
    teachers = {
        role: build("residual", in_channels=1, num_classes=10, seed=seed, width=4, blocks=[1]).eval()
        for seed, role in enumerate(("clean", "robust"))
    }
    if ranks.rank() == 0 and not folder.exists():
        Run.create(folder, chosen)
    ranks.wait()
    Training(Run(folder), data, device=device, on_event=lambda event: None, teachers=teachers).train()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
