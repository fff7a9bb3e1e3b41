"""PGD-20 on 256 images in one call, against foolbox, and what an attack costs over the bare network.

    python benchmarks/attacks.py [--images 256] [--repeats 7] [--threads 0]

Both sides get the same weights, images, budget and step size. The plain network is what foolbox sees; ours is timed on
the plain network and on the frozen view that the product attacks through, the making of the view included. Repeats are
interleaved, medians count. The last line is one JSON object: ratios are foolbox's seconds by ours, above 1 is faster;
"cpu" figures are processor time, which other work on the machine disturbs less.

In L2 the robust accuracies are not one attack's: foolbox scales to eps, then clips to [0, 1], and so loses what is
clipped of its budget; ours clips, then scales, and uses all of it. On black backgrounds that makes points.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from robust_core import checkpoints
from robust_core.attacks import BALLS, AttackSettings, pgd, run, smallest_eps
from robust_core.data import load
from robust_core.frozen import frozen
from robust_core.models import build
from robust_core.types import Classifier, UserError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports from a module of scipy that has moved
    import foolbox

CHECKPOINT = "fashion_mnist/pgd_at"
STEPS = 20
BUDGETS = {"linf": 0.1, "l2": 1.0}


def network() -> tuple[Classifier, str]:
    """The shipped PGD-AT network, or a fresh one of its size where it is missing."""
    try:
        return checkpoints.load(checkpoints.find(CHECKPOINT)), CHECKPOINT
    except UserError as error:
        print(f"{error}; a fresh network stands in, its accuracies mean nothing")
        options = {"width": 32, "blocks": (1, 1, 1), "stem_stride": 2}
        net = build("residual", in_channels=1, num_classes=10, seed=0, **options)
        return net.eval().requires_grad_(False), "fresh residual network"


def interleaved(calls: dict[str, Callable[[], object]], repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds of each call on the clock and of the processor, the calls taking turns; one round to warm up."""
    wall: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start, used = time.perf_counter(), time.process_time()
            call()
            if turn:
                wall[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - used)
    return tuple({name: median(values) for name, values in kind.items()} for kind in (wall, cpu))


def percent(net: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return 100 * float((net(x).argmax(dim=1) == y).float().mean())


def against_foolbox(net: Classifier, x: Tensor, y: Tensor, norm: str, repeats: int) -> dict[str, float]:
    """One table row: seconds, ratios, robust accuracies."""
    eps = BUDGETS[norm]
    step = 2.5 * eps / STEPS
    settings = AttackSettings(name="pgd", norm=norm, eps=eps, steps=STEPS, step_size=step)
    make = foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD
    theirs, model = make(steps=STEPS, abs_stepsize=step), foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    images: dict[str, Tensor] = {}

    def ours(fast: bool) -> None:
        images["frozen" if fast else "plain"] = run(settings, frozen(net) if fast else net, x, y)

    def foolbox_call() -> None:
        images["foolbox"] = theirs(model, x, y, epsilons=eps)[1]

    calls = {"foolbox": foolbox_call, "plain": lambda: ours(False), "frozen": lambda: ours(True)}
    seconds, cpu = interleaved(calls, repeats)
    accuracy = {name: percent(net, images[name], y) for name in calls}
    print(f"\nPGD-{STEPS}, {norm}, eps = {eps:g}, {len(x)} images, clean {percent(net, x, y):.1f} %")
    print(f"{'':24}{'seconds':>10}{'cpu s':>10}{'x foolbox':>12}{'robust %':>10}")
    names = {"foolbox": "foolbox", "plain": "ours, plain network", "frozen": "ours, frozen view"}
    for name, label in names.items():
        ratio = seconds["foolbox"] / seconds[name]
        print(f"{label:24}{seconds[name]:10.3f}{cpu[name]:10.3f}{ratio:12.2f}{accuracy[name]:10.1f}")
    return {f"{name}_seconds": round(value, 4) for name, value in seconds.items()} | {
        "ratio_plain": round(seconds["foolbox"] / seconds["plain"], 3),
        "ratio_frozen": round(seconds["foolbox"] / seconds["frozen"], 3),
        "cpu_ratio_plain": round(cpu["foolbox"] / cpu["plain"], 3),
        "cpu_ratio_frozen": round(cpu["foolbox"] / cpu["frozen"], 3),
        **{f"{name}_robust_accuracy": round(value, 2) for name, value in accuracy.items()},
    }


def one_image(net: Classifier, x: Tensor, y: Tensor, repeats: int) -> dict[str, float]:
    """Milliseconds for one image on one thread: the bare passes of 20 steps, PGD-20, the smallest fooling eps."""
    view = frozen(net)

    def bare() -> None:
        for _ in range(STEPS):
            point = x.clone().requires_grad_()
            torch.autograd.grad(nn.functional.cross_entropy(view(point), y), point)

    def attacked(norm: str) -> Tensor:
        noise = torch.Generator().manual_seed(0)
        return pgd(view, x, y, BALLS[norm](BUDGETS[norm]), steps=STEPS, generator=noise)

    calls: dict[str, Callable[[], object]] = {
        "bare": bare,
        "pgd_linf": lambda: attacked("linf"),
        "pgd_l2": lambda: attacked("l2"),
        "smallest_eps_linf": lambda: smallest_eps(view, x, y),
        "smallest_eps_l2": lambda: smallest_eps(view, x, y, norm="l2"),
    }
    seconds, cpu = interleaved(calls, repeats)
    print(f"\n{'one image, one thread':24}{'ms':>10}{'cpu ms':>10}")
    for name, value in seconds.items():
        print(f"{name:24}{1000 * value:10.1f}{1000 * cpu[name]:10.1f}")
    return {f"{name}_ms": round(1000 * value, 2) for name, value in seconds.items()} | {
        **{f"{name}_cpu_ms": round(1000 * value, 2) for name, value in cpu.items()},
        **{f"cpu_overhead_{norm}": round(cpu[f"pgd_{norm}"] / cpu["bare"] - 1, 3) for norm in BUDGETS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    net, name = network()
    test = load("fashion_mnist_small").test
    x, y = test.floats(slice(arguments.images)), test.labels[: arguments.images]
    torch.manual_seed(0)  # foolbox draws from the process-wide generator
    figures: dict[str, object] = {
        "benchmark": "attacks",
        "network": name,
        "images": len(x),
        "threads": torch.get_num_threads(),
    }
    figures |= {norm: against_foolbox(net, x, y, norm, arguments.repeats) for norm in BUDGETS}
    torch.set_num_threads(1)
    right = int((net(x).argmax(dim=1) == y).nonzero()[0])
    figures["one_image"] = one_image(net, x[right : right + 1], y[right : right + 1], 3 * arguments.repeats)
    figures["load_1min"] = round(os.getloadavg()[0], 2)
    print("\n" + json.dumps(figures))


if __name__ == "__main__":
    main()
