"""PGD adversarial training: CE(S(x'), y), x' from an inner attack that maximises CE. Source: Madry et al. 2018."""

from __future__ import annotations

from torch.nn import functional as F

from robust_core.methods.learner import Batch, Learner, Terms
from robust_core.methods.objective import Objective
from robust_core.types import UserError


class Adversarial(Objective):
    """w·CE(S(x), y) + (1 - w)·CE(S(x'), y).

    clean_weight: w in [0, 1); 0 is Madry's form, ½ is clean + adversarial, which a type head needs to see both types.
    """

    def __init__(self, *, clean_weight: float = 0.0) -> None:
        if not 0 <= clean_weight < 1:
            raise UserError(f"clean_weight must be in [0, 1); got {clean_weight}")
        self.clean_weight = clean_weight
        if clean_weight == 0:
            self.types = ("adversarial",)

    def loss(self, learner: Learner, batch: Batch) -> Terms:
        x_adv = learner.perturb(batch)
        if self.clean_weight == 0:
            return Terms(values={"ce_adv": F.cross_entropy(learner.adversarial(batch, x_adv), batch.y)})
        clean, adversarial = learner.pair(batch, x_adv)
        return Terms(
            values={"ce_clean": F.cross_entropy(clean, batch.y), "ce_adv": F.cross_entropy(adversarial, batch.y)},
            weights={"ce_clean": self.clean_weight, "ce_adv": 1 - self.clean_weight},
        )
