"""PGD-20 and APGD-CE against foolbox, captum and pyautoattack, and what an attack costs over the bare network.

    python benchmarks/attacks.py [--images 512] [--repeats 5] [--threads 0]

Both sides get the same weights, images, budget and step size. The plain network is what foolbox sees; ours is timed on
the plain network and on the frozen view that the product attacks through, the making of the view included. Repeats are
interleaved, medians count. "evaluation" is what a robust accuracy costs: ours attacks only the images that are right to
begin with, as pyautoattack does too. The last line is one JSON object: ratios are the fastest rival's seconds by ours,
above 1 is faster; "cpu" figures are processor time, which other work on the machine disturbs less.

One random start decides an image or two in a hundred, so each turn, the warm-up too, starts from other noise, and a
robust accuracy is the mean over the turns, with its standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from robust_core import checkpoints
from robust_core.attacks import BALLS, AttackSettings, pgd, run, smallest_eps
from robust_core.attacks.survival import survivors
from robust_core.data import load
from robust_core.device import choose_precision
from robust_core.frozen import frozen
from robust_core.models import build
from robust_core.types import Classifier, ImageSet, UserError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports from a module of scipy that has moved
    import foolbox
    from captum import robust as captum_robust
    from pyautoattack.autopgd_base import APGDAttack

CHECKPOINT = "fashion_mnist/pgd_at"
HAS_BFLOAT16 = choose_precision("auto", torch.device("cpu")) is torch.bfloat16
STEPS, APGD_STEPS = 20, 50
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


def against(
    title: str,
    settings: AttackSettings,
    rivals: dict[str, Callable[[int], Tensor]],
    net: Classifier,
    images: ImageSet,
    repeats: int,
) -> dict[str, object]:
    """One table: seconds, ratios to the fastest rival, robust accuracies. rivals get the turn's seed."""
    x, y = images.floats(), images.labels

    def attack(dtype: torch.dtype | None, seed: int) -> Tensor:
        return run(settings.model_copy(update={"seed": seed}), net if dtype is None else frozen(net, dtype), x, y)

    def evaluate(dtype: torch.dtype, seed: int) -> Tensor:
        seeded = settings.model_copy(update={"seed": seed})
        return survivors(frozen(net, dtype), images, seeded, judge=net, batch_size=len(images))

    attacks = {"ours, plain network": partial(attack, None), "ours, frozen view": partial(attack, torch.float32)}
    evaluations = {"ours, evaluation": partial(evaluate, torch.float32)}
    if HAS_BFLOAT16:
        attacks["ours, bfloat16 view"] = partial(attack, torch.bfloat16)
        evaluations["ours, evaluation, bfloat16"] = partial(evaluate, torch.bfloat16)
    calls, made = {**rivals, **attacks, **evaluations}, defaultdict[str, list[Tensor]](list)

    def turn(name: str) -> Callable[[], None]:
        return lambda: made[name].append(calls[name](len(made[name])))

    seconds, cpu = interleaved({name: turn(name) for name in calls}, repeats)
    shares = {
        name: torch.tensor([100 * float(one.float().mean()) if name in evaluations else percent(net, one, y)
                            for one in made[name]])
        for name in calls
    }  # fmt: skip
    accuracy = {name: float(each.mean()) for name, each in shares.items()}
    error = {name: float(each.std() / len(each) ** 0.5) for name, each in shares.items()}
    fastest = min(rivals, key=lambda name: seconds[name])
    print(f"\n{title}, {settings.norm}, eps = {settings.eps:g}, {len(x)} images, clean {percent(net, x, y):.1f} %")
    print(f"{'':28}{'seconds':>10}{'cpu s':>10}{'x fastest':>12}{'robust %':>10}{'±':>6}")
    for name in calls:
        ratio = seconds[fastest] / seconds[name]
        print(f"{name:28}{seconds[name]:10.3f}{cpu[name]:10.3f}{ratio:12.2f}{accuracy[name]:10.2f}{error[name]:6.2f}")
    ratios = {name: round(seconds[fastest] / seconds[name], 3) for name in attacks}
    cpu_ratios = {name: round(cpu[fastest] / cpu[name], 3) for name in attacks}
    return {
        "fastest_rival": fastest,
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "ratios": ratios,
        "cpu_ratios": cpu_ratios,
        "robust_accuracy": {name: round(value, 2) for name, value in accuracy.items()},
        "standard_error": {name: round(value, 2) for name, value in error.items()},
    }


def pgd_20(net: Classifier, images: ImageSet, norm: str, repeats: int) -> dict[str, object]:
    eps = BUDGETS[norm]
    step = 2.5 * eps / STEPS
    x, y = images.floats(), images.labels
    make = foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD
    theirs, model = make(steps=STEPS, abs_stepsize=step), foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")

    def by_foolbox(seed: int) -> Tensor:
        torch.manual_seed(seed)  # they draw from the process-wide generator
        return theirs(model, x, y, epsilons=eps)[1]

    rivals: dict[str, Callable[[int], Tensor]] = {"foolbox": by_foolbox}
    if norm == "linf":  # captum's random start in L2 fails on a batch of images
        captum = captum_robust.PGD(net, lower_bound=0, upper_bound=1)
        seen = x.clone().requires_grad_()
        rivals["captum"] = lambda seed: captum.perturb(seen, eps, step, STEPS, y, random_start=True).detach()
    settings = AttackSettings(name="pgd", norm=norm, eps=eps, steps=STEPS, step_size=step)
    return against(f"PGD-{STEPS}", settings, rivals, net, images, repeats)


def apgd_ce(net: Classifier, images: ImageSet, repeats: int) -> dict[str, object]:
    eps, x, y = BUDGETS["linf"], images.floats(), images.labels

    def theirs(seed: int) -> Tensor:
        attack = APGDAttack(net, n_iter=APGD_STEPS, norm="Linf", eps=eps, seed=seed, loss="ce", device="cpu")
        return attack.perturb(x, y)

    settings = AttackSettings(name="apgd_ce", eps=eps, steps=APGD_STEPS)
    return against(f"APGD-CE, {APGD_STEPS} steps", settings, {"pyautoattack": theirs}, net, images, repeats)


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
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    net, name = network()
    images = load("fashion_mnist_small").test.subset(slice(arguments.images))
    x, y = images.floats(), images.labels
    figures: dict[str, object] = {
        "benchmark": "attacks",
        "network": name,
        "images": len(x),
        "threads": torch.get_num_threads(),
    }
    figures |= {f"pgd_{norm}": pgd_20(net, images, norm, arguments.repeats) for norm in BUDGETS}
    figures["apgd_ce"] = apgd_ce(net, images, arguments.repeats)
    torch.set_num_threads(1)
    right = int((net(x).argmax(dim=1) == y).nonzero()[0])
    figures["one_image"] = one_image(net, x[right : right + 1], y[right : right + 1], 3 * arguments.repeats)
    figures["load_1min"] = round(os.getloadavg()[0], 2)
    print("\n" + json.dumps(figures))


if __name__ == "__main__":
    main()
