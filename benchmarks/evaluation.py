"""The ensemble `autoattack` against official AutoAttack (pyautoattack, version standard): figures and seconds.

    python benchmarks/evaluation.py [--checkpoint fashion_mnist/pgd_at] [--images 200] [--threads 0] [--eps 0.1]

Both sides get the same plain weights, images and budget; ours attacks its frozen view, the making of it included, and
counts what the plain network confirms. Theirs runs unchanged, once: both take minutes. The last line is one JSON
object: "ratio" is their seconds by ours, above 1 is faster; "points" is our robust accuracy less theirs: above 0.2 we
are weak. "cpu" figures are processor time, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from pyautoattack import AutoAttack

from robust_core import checkpoints
from robust_core.data import load
from robust_core.evaluation.ensemble import evaluate, results, tally
from robust_core.evaluation.plan import plan_for


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """What it returns, seconds on the clock and of the processor."""
    start, used = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - start, time.process_time() - used


def official(net: torch.nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """True where the image survives."""
    attack = AutoAttack(net, norm="Linf", eps=eps, version="standard", seed=0, device=str(x.device))
    x_adv, _ = attack.run_standard_evaluation(x, y, batch_size=256)
    with torch.no_grad():
        survived: Tensor = net(x_adv).argmax(dim=1) == y
    return survived


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="fashion_mnist/pgd_at")
    parser.add_argument("--data", default="fashion_mnist_small")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--eps", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    net = checkpoints.load(checkpoints.find(arguments.checkpoint))
    images = load(arguments.data).test.subset(slice(0, arguments.images))
    plan = plan_for(net, images.shape, ["autoattack"], eps=arguments.eps)
    known, seconds, cpu = timed(lambda: evaluate(net, images, plan))
    ours = known.survived(plan.attacks)
    print(
        f"{arguments.checkpoint}, {len(images)} images, ε = {arguments.eps:g}; clean {known.right.float().mean():.2%}"
    )
    for line in results(known, plan, images):
        print(f"  {line.name:12}{line.accuracy:8.2%} left of {line.attacked:5}{line.seconds:9.1f} s")
    survived, their_seconds, their_cpu = timed(lambda: official(net, images.floats(), images.labels, arguments.eps))
    theirs = tally(survived, images)
    points = 100 * (int(ours.sum()) - theirs.correct) / len(images)
    print(f"{'':12}{'robust':>8}{'seconds':>10}{'cpu s':>10}")
    print(f"{'ours':12}{float(ours.float().mean()):>8.2%}{seconds:>10.1f}{cpu:>10.1f}")
    print(f"{'official':12}{theirs.accuracy:>8.2%}{their_seconds:>10.1f}{their_cpu:>10.1f}")
    print(
        json.dumps(
            {
                "benchmark": "evaluation",
                "checkpoint": arguments.checkpoint,
                "images": len(images),
                "eps": arguments.eps,
                "threads": torch.get_num_threads(),
                "ours": int(ours.sum()) / len(images),
                "official": theirs.accuracy,
                "points": round(points, 2),
                "only_ours_fools": int((~ours & survived).sum()),
                "only_official_fools": int((ours & ~survived).sum()),
                "seconds": round(seconds, 1),
                "official_seconds": round(their_seconds, 1),
                "ratio": round(their_seconds / seconds, 2),
                "cpu_ratio": round(their_cpu / cpu, 2),
                "load_1min": round(os.getloadavg()[0], 2),
            }
        )
    )


if __name__ == "__main__":
    main()
