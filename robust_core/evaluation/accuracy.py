"""Accuracy as a measure for a card: of how many images, under which attack, overall and per class."""

from __future__ import annotations

import time

import torch
from torch import nn

from robust_core.attacks import AttackSettings
from robust_core.attacks.survival import survivors
from robust_core.batches import Progress
from robust_core.checkpoints import Measure
from robust_core.frozen import frozen
from robust_core.types import Classifier, ImageSet, UserError


def measure(
    model: Classifier,
    images: ImageSet,
    attack: AttackSettings | None,
    *,
    n: int | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Measure:
    """Clean accuracy (attack None) or accuracy under one attack on the first n images (all of them by default).

    The attack runs on the fast view; what counts is what the plain network says of the images it made.
    Raises UserError where n is not in [1, len(images)].
    """
    n = len(images) if n is None else n
    if not 1 <= n <= len(images):
        raise UserError(f"n must be in [1, {len(images)}], the images of {images.name!r}; got {n}")
    chosen = images.subset(slice(0, n))
    view: nn.Module = frozen(model) if attack is not None else model
    started = time.perf_counter()
    right = survivors(view, chosen, attack, device=device, progress=progress, judge=model)
    return Measure.counted(
        right.numpy(),
        chosen.labels.numpy(),
        len(images.class_names),
        attack=attack,
        data_name=images.name,
        data_fingerprint=images.fingerprint,
        seconds=round(time.perf_counter() - started, 2),
    )
