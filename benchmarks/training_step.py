"""One full training step against the plain form of the same mathematics (benchmarks/plain.py).

    python benchmarks/training_step.py [--batch 128] [--width 32] [--repeats 5] [--threads 0]

Inner PGD-10, both student passes, the teachers, backward and SGD, on 32×32 colour images. Repeats are interleaved in
one process, medians count; both sides start from the same weights. Ours computes as a recipe with precision "auto"
does: in bfloat16 where the machine has it; the plain form in float32. "loop" is AW-Net's plain form with a conv for
each image, as filters scaled image by image are most literally written. Left out on both sides: augmentation, the
running mean of the weights, the history. What is to be had at all stands beside it: each side's floating-point
operations are counted, and a large matrix product says how many this machine makes in a second. The last line is
one JSON object: ratios are the plain form's seconds by ours, above 1 is faster; the roof is the ratio of a step that
ran at the speed of that product throughout.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import plain
from robust_core.attacks import AttackSettings
from robust_core.device import choose_precision
from robust_core.methods import Batch, Learner, RouteTraining, make
from robust_core.models import build
from robust_core.types import Classifier

EPS, STEPS = 8 / 255, 10
PRECISION = choose_precision("auto", torch.device("cpu"))
SIDE = 4096  # of the square matrices whose product is the roof
CASES = {
    "mtard": ("mtard", "residual", False),
    "absld": ("absld", "residual", False),
    "aw_net_mtard": ("mtard", "aw_net", False),
    "aw_net_mtard_loop": ("mtard", "aw_net", True),
}


class Ours:
    """The step of the training loop: what it makes of a batch that is ready."""

    def __init__(
        self, net: Classifier, teachers: dict[str, Classifier], method: str, dtype: torch.dtype = torch.float32
    ) -> None:
        attack = AttackSettings(name="pgd", eps=EPS, steps=STEPS, step_size=EPS / 4, start="normal")
        self.net = net.to(memory_format=torch.channels_last)
        self.learner, self.objective = Learner(net, attack, RouteTraining(), teachers, dtype=dtype), make(method)
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
        self.step = 0

    def __call__(self, x: Tensor, y: Tensor) -> float:
        generator = torch.Generator().manual_seed(self.step)
        self.net.train()
        batch = Batch(x=x, y=y, step=self.step, generator=generator)
        terms = self.objective.loss(self.learner, batch) | self.learner.take_terms()
        self.optimizer.zero_grad()
        terms.total.backward()
        self.optimizer.step()
        self.step += 1
        return terms.total.item()


class Operations(TorchDispatchMode):
    """Counts the floating-point operations of convolutions and matrix products, by torch's own formulas: its
    FlopCounterMode follows modules, too, and cannot be around torch.autograd.grad."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        self.total += count(*args, **(kwargs or {}), out_val=out) if count else 0
        return out


def operations(step: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor) -> int:
    """Of one step."""
    with Operations() as counted:
        step(x, y)
    return counted.total


def speed_of_products(dtype: torch.dtype, repeats: int = 5) -> float:
    """GFLOP/s of a product of two large matrices, at its best."""
    a, b = (torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(n)).to(dtype) for n in range(2))
    seconds = []
    for _ in range(repeats):
        before = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - before)
    return 2e-9 * SIDE**3 / min(seconds)


def compare(case: str, batch: int, width: int, repeats: int, roof: float) -> dict[str, float]:
    method, architecture, loop = CASES[case]
    options = {"width": width, "blocks": (1, 1, 1)}
    net = build(architecture, in_channels=3, num_classes=10, seed=0, **options)
    teachers = {
        role: build("residual", in_channels=3, num_classes=10, seed=n + 1, **options | {"width": 2 * width}).eval()
        for n, role in enumerate(("clean", "robust"))
    }
    sides = {
        "plain": plain.Step(copy.deepcopy(net), teachers, method, eps=EPS, steps=STEPS, loop=loop),
        "ours": Ours(copy.deepcopy(net), copy.deepcopy(teachers), method, PRECISION),
    }
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 3, 32, 32, generator=generator)
    y = torch.randint(0, 10, (batch,), generator=generator)
    gflop = {side: operations(copy.deepcopy(step), x, y) / 1e9 for side, step in sides.items()}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(repeats + 1):
        for side, step in sides.items():
            before = time.perf_counter()
            step(x, y)
            if turn:  # the first round warms up
                seconds[side].append(time.perf_counter() - before)
    a, b = median(seconds["plain"]), median(seconds["ours"])
    speeds, most = (gflop["plain"] / a, gflop["ours"] / b), roof * a / gflop["ours"]
    print(f"{case:20}{a:10.3f}{b:10.3f}{a / b:10.2f}{batch / b:12.0f}{speeds[0]:16.0f}{speeds[1]:8.0f}{most:8.2f}")
    found = {
        "plain_s": round(a, 3),
        "ours_s": round(b, 3),
        "ratio": round(a / b, 2),
        "ours_gflop": round(gflop["ours"], 1),
    }
    return found | {"plain_gflop_s": round(speeds[0]), "ours_gflop_s": round(speeds[1]), "roof_ratio": round(most, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    print(f"batch {chosen.batch}, width {chosen.width}, PGD-{STEPS}, {torch.get_num_threads()} threads")
    roof = speed_of_products(PRECISION)
    print(f"a matrix product runs at {roof:.0f} GFLOP/s in {PRECISION}")
    heads = f"{'plain s':>10}{'ours s':>10}{'ratio':>10}{'images/s':>12}{'GFLOP/s: plain':>16}{'ours':>8}{'roof':>8}"
    print(f"{'':20}{heads}")
    figures: dict[str, object] = {
        case: compare(case, chosen.batch, chosen.width, chosen.repeats, roof) for case in CASES
    }
    figures["product_gflop_s"] = round(roof)
    figures |= {"benchmark": "training_step", "batch": chosen.batch, "width": chosen.width}
    figures["precision"] = str(PRECISION)
    figures |= {"threads": torch.get_num_threads(), "goal_ratio": 4, "load_1min": round(os.getloadavg()[0], 2)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
