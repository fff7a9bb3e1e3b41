"""Is the fast engine as good as the slow one? Attacks as strong, students as good.

    python benchmarks/parity.py [--images 2000] [--seeds 3] [--epochs 2]

First: the robust accuracy of a shipped network under PGD-20 made on the frozen view and made on the plain network, both
judged by the plain network. Then: students of the bundled recipe trained with the inner attack on the frozen view and
on a plain copy of the network, several seeds, measured alike. Where the machine computes in bfloat16, view and students
in it as well. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
from pathlib import Path
from statistics import mean

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from robust_core import checkpoints, data
from robust_core.attacks import AttackSettings
from robust_core.attacks.survival import survivors
from robust_core.device import choose_precision
from robust_core.evaluation.accuracy import measure
from robust_core.frozen import frozen
from robust_core.training.loop import Training
from robust_core.training.recipe import read_recipe
from robust_core.training.run import Run
from robust_core.types import Classifier, Splits

ROOT = Path(__file__).parents[1]
NETWORKS = ("fashion_mnist/pgd_at", "fashion_mnist/aw_net")
HAS_BFLOAT16 = choose_precision("auto", torch.device("cpu")) is torch.bfloat16
PGD20 = AttackSettings(name="pgd", eps=0.1, steps=20)


class PlainCopy:
    """In the place of `Frozen`: the network itself, copied, in eval mode, with nothing folded."""

    def __init__(self, model: Classifier) -> None:
        self.model, self.view = model, copy.deepcopy(model).eval().requires_grad_(False)

    def refresh(self) -> Classifier:
        self.view.load_state_dict(self.model.state_dict())
        return self.view


def strength(n: int) -> dict[str, dict[str, float]]:
    test, figures = data.load("fashion_mnist_small").test, {}
    images = test.subset(slice(0, n))
    print(f"PGD-20, L∞, ε = 0.1, step 0.0125, seed 0, {len(images)} images: robust accuracy, %")
    for name in NETWORKS:
        net = checkpoints.load(checkpoints.find(name))
        both = {
            "frozen": 100 * survivors(frozen(net), images, PGD20, judge=net).float().mean().item(),
            "plain": 100 * survivors(net, images, PGD20).float().mean().item(),
        }
        if HAS_BFLOAT16:
            both["bfloat16"] = (
                100 * survivors(frozen(net, torch.bfloat16), images, PGD20, judge=net).float().mean().item()
            )
        print(f"  {name:24} " + "   ".join(f"{kind} {value:.2f}" for kind, value in both.items()))
        figures[name] = {key: round(value, 2) for key, value in both.items()}
    return figures


def student(splits: Splits, seed: int, epochs: int, kind: str) -> tuple[float, float]:
    """Clean accuracy, and accuracy under PGD-20, in percent."""
    precision = "bfloat16" if kind == "bfloat16" else "float32"
    overrides = {"seed": seed, "schedule.epochs": epochs, "precision": precision}
    recipe = read_recipe(ROOT / "recipes" / "bundled_pgd_at.toml", overrides=overrides)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", recipe)
        training = Training(run, splits, device=torch.device("cpu"), on_event=lambda event: None)
        if kind == "plain":
            training.learner.frozen = PlainCopy(training.net)  # type: ignore[assignment]
        training.train()
        net = training.net.eval()
    clean, robust = (measure(net, splits.test, attack).accuracy for attack in (None, PGD20))
    return 100 * clean, 100 * robust


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    chosen = parser.parse_args()
    figures: dict[str, object] = {"benchmark": "parity", "attack": strength(chosen.images)}
    splits = data.load("fashion_mnist_small")
    rows: dict[str, list[tuple[float, float]]] = {"frozen": [], "plain": []}
    if HAS_BFLOAT16:
        rows["bfloat16"] = []
    print(f"\nstudents, {chosen.epochs} epochs, {len(splits.test)} test images: clean / PGD-20, %")
    for seed in range(chosen.seeds):
        for kind in rows:
            rows[kind].append(student(splits, seed, chosen.epochs, kind))
        print(f"  seed {seed}: " + "   ".join(f"{kind} {r[-1][0]:.2f} / {r[-1][1]:.2f}" for kind, r in rows.items()))
    means = {kind: [round(mean(column), 2) for column in zip(*r, strict=True)] for kind, r in rows.items()}
    figures |= {"students": rows, "mean_clean_robust": means}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
