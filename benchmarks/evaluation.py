"""The ensemble `autoattack` against official AutoAttack (pyautoattack, version standard): figures and seconds.

    python benchmarks/evaluation.py [--checkpoint fashion_mnist/pgd_at] [--images 200] [--threads 0] [--eps 0.1]

Both sides get the same plain weights, images and budget; ours attacks its frozen view, the making of it included, and
counts what the plain network confirms. Theirs runs unchanged, once: both take minutes. The last line is one JSON
object: "ratio" is their seconds by ours, above 1 is faster; "points" is our robust accuracy less theirs: above 0.2 we
are weak. "cpu" figures are processor time, which other work on the machine disturbs less.

    python benchmarks/evaluation.py --counts 250,500,1000,2000 [--plan table,autoattack] [--quick]

Ours alone, on so many images each: seconds an image, which stay what they are where the cost grows linearly. --quick
cuts the steps and leaves FAB out: it shows how the cost grows, not how robust the network is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from pyautoattack import AutoAttack

from robust_core import checkpoints
from robust_core.attacks import AttackSettings
from robust_core.data import load
from robust_core.device import choose_precision, name_of
from robust_core.evaluation.ensemble import evaluate, results, tally
from robust_core.evaluation.plan import Plan, plan_for
from robust_core.types import Classifier, ImageSet

QUICK = {"steps": 5, "queries": 100}  # at most, of each attack


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """What it returns, seconds on the clock and of the processor."""
    start, used = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - start, time.process_time() - used


def official(net: torch.nn.Module, x: Tensor, y: Tensor, eps: float, batch_size: int = 256) -> Tensor:
    """True where the image survives."""
    attack = AutoAttack(net, norm="Linf", eps=eps, version="standard", seed=0, device=str(x.device))
    x_adv, _ = attack.run_standard_evaluation(x, y, batch_size=batch_size)
    with torch.no_grad():
        survived: Tensor = net(x_adv).argmax(dim=1) == y
    return survived


def quick(plan: Plan) -> Plan:
    """The plan with fewer steps and queries, and without what is not ours."""
    ours = {name: chosen for name, chosen in plan.attacks.items() if isinstance(chosen, AttackSettings)}
    attacks = {
        name: chosen.replace(
            **{key: min(most, getattr(chosen, key)) for key, most in QUICK.items() if key in chosen.used}
        )
        for name, chosen in ours.items()
    }
    groups = {group: tuple(name for name in names if name in attacks) for group, names in plan.groups.items()}
    return replace(plan, attacks=attacks, groups=groups)


def growth(
    net: Classifier, images: ImageSet, plan: Plan, counts: list[int], precision: torch.dtype
) -> list[dict[str, float]]:
    """Seconds and processor seconds of the plan on the first n images, for each n. The first call is not counted."""
    evaluate(net, images, plan, n=min(counts[0], 16), precision=precision)
    found = []
    for n in counts:
        _, seconds, cpu = timed(lambda n=n: evaluate(net, images, plan, n=n, precision=precision))
        found.append(
            {"images": n, "seconds": round(seconds, 2), "cpu": round(cpu, 2), "cpu_ms_image": round(1000 * cpu / n, 1)}
        )
    return found


def show_growth(arguments: argparse.Namespace, net: Classifier) -> None:
    """A line a count, and all as JSON. "growth": the processor time an image with the most images by the fewest."""
    images, counts = load(arguments.data).test, sorted({int(n) for n in arguments.counts.split(",")})
    plan = plan_for(net, images.shape, arguments.plan.split(","), eps=arguments.eps)
    plan = quick(plan) if arguments.quick else plan
    print(f"{arguments.checkpoint}, ε = {arguments.eps:g}; {'; '.join(plan.describe().values())}")
    print(f"{'images':>8}{'seconds':>10}{'cpu s':>10}{'ms/image':>10}{'cpu ms/image':>14}")
    lines = growth(net, images, plan, counts, choose_precision(arguments.precision, torch.device("cpu")))
    for line in lines:
        each = 1000 * line["seconds"] / line["images"]
        print(
            f"{line['images']:>8}{line['seconds']:>10.1f}{line['cpu']:>10.1f}{each:>10.1f}{line['cpu_ms_image']:>14.1f}"
        )
    ratio = lines[-1]["cpu_ms_image"] / lines[0]["cpu_ms_image"]
    told = {"benchmark": "evaluation growth", "checkpoint": arguments.checkpoint, "plan": list(plan.groups),
            "quick": arguments.quick, "precision": arguments.precision, "threads": torch.get_num_threads(),
            "lines": lines, "growth": round(ratio, 2), "load_1min": round(os.getloadavg()[0], 2)}  # fmt: skip
    print(json.dumps(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="fashion_mnist/pgd_at")
    parser.add_argument("--data", default="fashion_mnist_small")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--eps", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--precision", default="auto", help="of the view ours attacks: auto, float32 or bfloat16")
    parser.add_argument("--counts", default="", help="ours alone on so many images each, as 250,500,1000,2000")
    parser.add_argument("--plan", default="table,autoattack", help="groups of attacks for --counts")
    parser.add_argument("--quick", action="store_true", help="with --counts: fewer steps, and no FAB")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    net = checkpoints.load(checkpoints.find(arguments.checkpoint))
    if arguments.counts:
        show_growth(arguments, net)
        return
    images = load(arguments.data).test.subset(slice(0, arguments.images))
    plan = plan_for(net, images.shape, ["autoattack"], eps=arguments.eps)
    precision = choose_precision(arguments.precision, torch.device("cpu"))
    known, seconds, cpu = timed(lambda: evaluate(net, images, plan, precision=precision))
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
                "precision": name_of(precision),
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
