"""What a card knows of an evaluation before it is made: the verdicts of attacks that met the same images before."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from robust_core.cards import AttackResult, Card, Evaluation
from robust_core.device import name_of
from robust_core.evaluation.ensemble import RIGHT, UNASKED, WRONG, Outcomes, Verdicts
from robust_core.evaluation.fab import Fab
from robust_core.evaluation.plan import Chosen, Plan
from robust_core.tallies import unpacked
from robust_core.types import ImageSet


def recalled(
    card: Card, images: ImageSet, plan: Plan, *, n: int, device: torch.device | str, precision: torch.dtype
) -> Outcomes | None:
    """The verdicts of those attacks of the plan that met each of the first n images that are right untouched.

    Only where weights, images, settings and seed, precision, kind of device and torch's version are the same; which
    processor it was, and which version of this program, no card says. Of an attack that met only what others left it
    does not say enough. None where it knows none.
    """
    labels = images.labels[:n]
    order = labels.argsort(stable=True)  # marks lie class by class
    clean: Verdicts | None = None
    after: dict[str, Verdicts] = {}
    seconds: dict[str, float] = {}
    for evaluation in card.evaluations:
        if not _of_this(evaluation, card, images, n, device, precision):
            continue
        untouched = _by_image(evaluation.clean.marks, order)
        if untouched is None:
            continue
        clean = torch.where(untouched, RIGHT, WRONG).to(torch.int8)
        for result in evaluation.results:
            left = _by_image(result.marks, order)
            if result.name in plan.attacks and left is not None and _of_all(result, plan.attacks[result.name]):
                after[result.name] = torch.where(left, RIGHT, torch.where(untouched, WRONG, UNASKED)).to(torch.int8)
                seconds[result.name] = result.seconds
    return Outcomes(clean, after, seconds) if clean is not None and after else None


def _of_this(
    evaluation: Evaluation, card: Card, images: ImageSet, n: int, device: torch.device | str, precision: torch.dtype
) -> bool:
    """Was it made on these weights and images, in this way? Of broken logits it does not say which images gave them."""
    made = (evaluation.weights_sha256, evaluation.data_fingerprint, evaluation.clean.n, evaluation.precision)
    same_machine = evaluation.device.partition(":")[0] == torch.device(device).type  # of an import it is any text
    return (
        made == (card.weights_sha256, images.fingerprint, n, name_of(precision))
        and same_machine
        and evaluation.versions.get("torch") == torch.__version__
        and not evaluation.claimed
        and not evaluation.broken
    )


def _of_all(result: AttackResult, attack: Chosen) -> bool:
    same = result.borrowed == attack.borrowed() if isinstance(attack, Fab) else result.attack == attack
    return result.alone and same and not result.broken


def _by_image(marks: str | None, order: torch.Tensor) -> torch.Tensor | None:
    """(N,): is it right? In the order of the set."""
    if marks is None:
        return None
    bits: NDArray[np.bool_] = unpacked(marks, len(order))
    right = torch.empty(len(order), dtype=torch.bool)
    right[order] = torch.from_numpy(bits)
    return right
