"""What an objective is to the training loop, and the divergence that all distillation is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from robust_core.attacks.losses import AttackLoss
from robust_core.methods.learner import Batch, Learner, Terms
from robust_core.types import TYPES, TypeName

KLReduction = Literal["batchmean", "mean"]


class Objective(ABC):
    """What a student is taught. teachers: the roles it needs filled, of "clean" and "robust". types: of the batches it
    shows the student, clean or adversarial ones or both. rate_of: options that are rates, and the option that switches
    on what they move.

    Only `loss` must be written. What changes while training (weights, temperatures) is told by `figures` after each
    step and by `end_epoch`, and goes in and out of the run's state as JSON.
    """

    teachers: tuple[str, ...] = ()
    types: tuple[TypeName, ...] = TYPES
    rate_of: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def loss(self, learner: Learner, batch: Batch) -> Terms:
        """The named terms of this batch's loss; moves what the method moves once a step."""

    def figures(self) -> dict[str, Any]:
        """The method's own quantities now, for a step's line in the history."""
        return {}

    def end_epoch(self) -> dict[str, Any]:
        """Moves what the method moves once an epoch; returns the quantities for the epoch's line in the history."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, as JSON."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027  most objectives keep no state
        """Takes back what `state_dict` gave."""


def divergence(p: Float[Tensor, "n k"], logits: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """KL(p ‖ softmax(logits)) per image. p are probabilities without gradient: at 0 theirs would not be finite."""
    return (torch.xlogy(p, p) - p * logits.log_softmax(dim=1)).sum(dim=1)


def away_from(p: Float[Tensor, "n k"]) -> AttackLoss:
    """The loss of an inner attack that drives the student's answer away from p; labels play no part in it."""

    def climbed(logits: Tensor, classes: Tensor, *, targeted: bool) -> Tensor:
        return divergence(p, logits)

    return climbed


def reduced(per_image: Float[Tensor, " n"], num_classes: int, reduction: KLReduction) -> Tensor:
    """ "batchmean": the mean over images. "mean": over images and classes, as released code has it: K times smaller."""
    mean = per_image.mean()
    return mean / num_classes if reduction == "mean" else mean
