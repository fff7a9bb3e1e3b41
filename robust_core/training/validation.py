"""What selection goes by: accuracy on training images that were held out, after each epoch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robust_core import ranks
from robust_core.attacks import AttackSettings
from robust_core.attacks.survival import survivors
from robust_core.frozen import frozen
from robust_core.types import Classifier, ImageSet


def validate(
    net: Classifier, weights: Mapping[str, Tensor], held_out: ImageSet, attack: AttackSettings, device: torch.device
) -> dict[str, Any]:
    """Clean and robust accuracy of the net with these weights, overall and per class (None for a class not held out).

    Measured in float32, whatever the training computes in; the net itself is left as it is.
    """
    judge = copy.deepcopy(net)
    judge.load_state_dict(weights)
    view = frozen(judge.float())
    clean, robust = (_stands(view, held_out, settings, device) for settings in (None, attack))
    k = len(held_out.class_names)
    counts = torch.bincount(held_out.labels, minlength=k)

    def by_class(right: Tensor) -> list[float | None]:
        hits = torch.bincount(held_out.labels[right], minlength=k)
        return [h / n if n else None for h, n in zip(hits.tolist(), counts.tolist(), strict=True)]

    c, r = clean.float().mean().item(), robust.float().mean().item()
    figures: dict[str, Any] = {"clean": c, "robust": r, "w_robust": (c + r) / 2, "n": len(held_out)}
    return figures | {"class_clean": by_class(clean), "class_robust": by_class(robust)}


def _stands(view: Classifier, held_out: ImageSet, attack: AttackSettings | None, device: torch.device) -> Tensor:
    """Which held-out images stand; each process looks at its own, and all learn of all."""
    mine = torch.arange(ranks.rank(), len(held_out), ranks.world())
    stands = survivors(view, held_out.subset(mine), attack, device=device, indices=mine, at_once=1)
    whole = torch.zeros(len(held_out), dtype=torch.int64)
    whole[mine] = stands.long()
    return ranks.total(whole) > 0
