"""Cards that claim figures, for what is made of cards alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from robust_core import checkpoints
from robust_core.attacks import AttackSettings
from robust_core.cards import AttackResult, Card, Doubt, Doubts, Evaluation, Measure, Tally
from robust_core.checkpoints import WEIGHTS, Checkpoint, write_card
from robust_core.evaluation.measures import class_figures, share_figure

CLASSES = ("ant", "bee", "cat", "dog")
DATA, PRINT = "shapes", "f" * 64
PGD = AttackSettings(name="pgd", eps=0.1, steps=20)


def tally(*right: int, each: int = 25) -> Tally:
    """So many right of each class, of `each` images a class."""
    return Tally(n=each * len(right), correct=sum(right), class_n=(each,) * len(right), class_correct=right)


def measure(*right: int, attack: AttackSettings | None = None, data: str = DATA, print_: str = PRINT) -> Measure:
    return Measure(**tally(*right).model_dump(), attack=attack, data_name=data, data_fingerprint=print_, seconds=1.0)


def card(title: str = "Net", *, sha: str = "a" * 64, **settings: object) -> Card:
    usual = {
        "title": title, "method": "trades", "architecture": "residual", "image_shape": (1, 8, 8),
        "class_names": CLASSES, "data_name": DATA, "data_fingerprint": "0" * 64, "weights_sha256": sha,
        "parameters": 1000, "seed": 3,
        "train_seconds": 1.0, "device": "cpu", "versions": {},
    }  # fmt: skip
    return Card(**usual | settings)


def evaluation(clean: Tally, worst: Tally, *, sha: str = "a" * 64, plan: tuple[str, ...] = ("table",), eps: float = 0.1,
               notes: tuple[str, ...] = ()) -> Evaluation:  # fmt: skip
    """PGD alone on every image, and in each further group of the plan APGD on what is left."""
    counts = worst.model_dump()
    pgd = AttackSettings(name="pgd", eps=eps, steps=20, step_size=eps / 4)
    apgd = AttackSettings(name="apgd_ce", eps=eps)
    results = (
        AttackResult(
            **counts, name="pgd20", group="table", alone=True, attacked=clean.correct, attack=pgd, seconds=1.0
        ),
        *(
            AttackResult(
                **counts, name="apgd", group=group, alone=False, attacked=clean.correct, attack=apgd, seconds=1
            )
            for group in plan[1:] or plan
        ),
    )
    figures = {"clean": share_figure(clean), "robust": share_figure(worst)} | class_figures(worst, resamples=50)
    return Evaluation(
        plan=plan, norm="linf", eps=eps, seed=0, data_name=DATA, data_fingerprint=PRINT, weights_sha256=sha,
        clean=clean, results=results, groups=dict.fromkeys(plan, worst), worst=worst, figures=figures,
        notes=notes, versions={}, device="cpu", seconds=2.0,
    )  # fmt: skip


def doubts(*passed: bool | None, sha: str = "a" * 64, eps: float = 0.1, print_: str = PRINT) -> Doubts:
    checks = tuple(
        Doubt(name=f"check{i}", title=f"Check {i}", ran="something", figure=0.5, limit=0.1, told="half", passed=verdict)
        for i, verdict in enumerate(passed)
    )
    return Doubts(n=32, norm="linf", eps=eps, seed=0, data_name=DATA, data_fingerprint=print_, weights_sha256=sha,
                  checks=checks, versions={}, device="cpu", seconds=1.0)  # fmt: skip


def put(folder: Path, card_: Card, weights: bytes = b"weights") -> Checkpoint:
    """A checkpoint of that card whose weights are these bytes, and whose card knows it."""
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(weights)
    sha = hashlib.sha256(weights).hexdigest()
    text = card_.model_dump_json().replace(card_.weights_sha256, sha)
    write_card(folder, Card.model_validate_json(text))
    return checkpoints.at(folder)
