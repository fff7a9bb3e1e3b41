"""What the cards say of AutoAttack against pyautoattack itself, unchanged, on the same images: a table of networks.

    python -m robust_core evaluate fashion_mnist/NAME --n 128        # for each, writes into its card
    python benchmarks/official.py [NAME ...] [--images 128] [--batch-size 256]

Of every checkpoint whose card holds an evaluation with the group `autoattack` on so many images (all of them where none
is named). "points" is ours less theirs: above 0.2 ours is the weaker one. Seconds are comparable where both were
measured on an equally quiet machine with equally many threads. A table in Markdown, then one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.evaluation import official
from robust_core import checkpoints
from robust_core.cards import Evaluation
from robust_core.checkpoints import Checkpoint, weights_sha
from robust_core.data import load
from robust_core.types import UserError

GROUP = "autoattack"


def held(found: Checkpoint, n: int) -> Evaluation | None:
    """The newest evaluation of these weights on n images that holds the group, made here."""
    sha, every = weights_sha(found), found.card.evaluations if found.card else ()
    fit = [e for e in every if GROUP in e.groups and e.clean.n == n and e.weights_sha256 == sha and not e.claimed]
    return fit[-1] if fit else None


def compared(found: Checkpoint, ours: Evaluation, batch_size: int) -> dict[str, object]:
    """Both sides on the first images of the set that the evaluation names. Raises UserError where it is another set."""
    if ours.norm != "linf":
        raise UserError(f"{found.name} was evaluated in {ours.norm}; this compares in linf")
    images = load(ours.data_name).test
    if images.fingerprint != ours.data_fingerprint:
        raise UserError(f"{ours.data_name} is not the set that {found.name} was evaluated on")
    net, n = checkpoints.load(found), ours.clean.n
    x, y = images.floats(slice(0, n)), images.labels[:n]
    start, used = time.perf_counter(), time.process_time()
    theirs = int(official(net, x, y, ours.eps, batch_size).sum())
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    robust = ours.groups[GROUP].correct
    own = sum(result.seconds for result in ours.results if result.group == GROUP)
    return {
        "benchmark": "official",
        "checkpoint": found.name,
        "data": ours.data_name,
        "images": n,
        "eps": ours.eps,
        "clean": ours.clean.correct / n,
        "ours": robust / n,
        "official": theirs / n,
        "points": round(100 * (robust - theirs) / n, 2),
        "all_attacks": ours.worst.correct / n,
        "seconds": round(own, 1),
        "official_seconds": round(seconds, 1),
        "official_cpu": round(cpu, 1),
        "ratio": round(seconds / own, 2) if own else None,
        "threads": torch.get_num_threads(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=256)
    arguments = parser.parse_args()
    shelf = [checkpoints.find(name) for name in arguments.names] or checkpoints.find_all()
    lines = []
    print("| network | clean | ours | official | points | ours, s | official, s |\n|---|---|---|---|---|---|---|")
    for found in shelf:
        ours = held(found, arguments.images)
        if ours is None:
            print(f"| {found.name} | not evaluated on {arguments.images} images | | | | | |", flush=True)
            continue
        line = compared(found, ours, arguments.batch_size)
        shares = " | ".join(f"{line[key]:.2%}" for key in ("clean", "ours", "official"))
        print(f"| {found.name} | {shares} | {line['points']:+.2f} | {line['seconds']} | {line['official_seconds']} |")
        sys.stdout.flush()
        lines.append(line)
    for line in lines:
        print(json.dumps(line))


if __name__ == "__main__":
    main()
