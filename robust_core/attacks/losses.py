"""What an attack climbs: one number per image, larger = nearer to the attacker's aim. And the margin that judges it.

Every loss takes logits (N, K) and classes (N,), and with targeted=True means "towards these classes" instead of "away".
"""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from robust_core.registry import Registry
from robust_core.types import UserError

Logits = Float[Tensor, "n k"]
Classes = Int64[Tensor, " n"]


class AttackLoss(Protocol):
    def __call__(self, logits: Logits, classes: Classes, *, targeted: bool) -> Float[Tensor, " n"]: ...


LOSSES: Registry[AttackLoss] = Registry("attack loss")


def margin(logits: Logits, y: Classes) -> Float[Tensor, " n"]:
    """z_y - max over the others: negative = misclassified. In logits."""
    own = logits.gather(1, y[:, None])[:, 0]
    others = logits.scatter(1, y[:, None], float("-inf")).amax(dim=1)
    return own - others


@LOSSES.register("ce")
def cross_entropy(logits: Logits, classes: Classes, *, targeted: bool) -> Float[Tensor, " n"]:
    """Cross-entropy against the classes; minus that, when targeted."""
    loss = F.cross_entropy(logits, classes, reduction="none")
    return -loss if targeted else loss


def carlini_wagner(logits: Logits, classes: Classes, *, targeted: bool, kappa: float = 50.0) -> Float[Tensor, " n"]:
    """Minus the margin, flat once misclassified by kappa logits. Source: Carlini & Wagner 2017, f6, in PGD form."""
    signed = margin(logits, classes)
    return torch.clamp(signed if targeted else -signed, max=kappa)


LOSSES.register("cw")(carlini_wagner)  # not as a decorator: `kappa` stays known to the type checker


@LOSSES.register("dlr")
def difference_of_logits_ratio(logits: Logits, classes: Classes, *, targeted: bool) -> Float[Tensor, " n"]:
    """-(z_y - max_{i≠y} z_i) / (z_π1 - z_π3): does not change when the logits are scaled. Needs K ≥ 3.

    Targeted, towards t: -(z_π1' - z_t) / (z_π1 - ½(z_π3 + z_π4)), π1' the best class but t. Needs K ≥ 4.
    Source: Croce & Hein 2020 (AutoAttack), eq. 6; targeted_logits_ratio is their targeted form.
    """
    _enough_classes(logits, 4 if targeted else 3)
    ordered = logits.sort(dim=1, descending=True).values
    if targeted:
        scale = ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2
        return margin(logits, classes) / (scale + 1e-12)
    return -margin(logits, classes) / (ordered[:, 0] - ordered[:, 2] + 1e-12)


def targeted_logits_ratio(logits: Logits, *, y: Classes, target: Classes) -> Float[Tensor, " n"]:
    """-(z_y - z_t) / (z_π1 - ½(z_π3 + z_π4)): from the true class y towards t. Needs K ≥ 4. Source: ibid., eq. 7."""
    _enough_classes(logits, 4)
    top = logits.topk(4, dim=1).values
    behind = logits.gather(1, y[:, None]) - logits.gather(1, target[:, None])
    return -behind[:, 0] / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + 1e-12)


def _enough_classes(logits: Logits, least: int) -> None:
    if logits.shape[1] < least:
        raise UserError(f"this DLR loss needs {least} classes or more; the network has {logits.shape[1]}: take 'ce'")
