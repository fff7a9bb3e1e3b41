"""TRADES: CE(S(x), y) + β·KL(S(x) ‖ S(x')), x' from an inner attack on that KL. Source: Zhang et al. 2019, eq. 5."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from robust_core.methods.learner import Batch, Learner, Terms
from robust_core.methods.objective import Objective, away_from
from robust_core.types import UserError


class Trades(Objective):
    """beta: the weight of robustness, ≥ 0; 6 in the paper's tables."""

    def __init__(self, *, beta: float = 6.0) -> None:
        if beta < 0:
            raise UserError(f"beta must be ≥ 0; got {beta}")
        self.beta = beta

    def loss(self, learner: Learner, batch: Batch) -> Terms:
        with torch.no_grad():
            own = learner.view(batch)(batch.x).softmax(dim=1)

        x_adv = learner.perturb(batch, away_from(own))
        clean, adversarial = learner.pair(batch, x_adv)
        # Not `divergence`: here p has a gradient too, and its logarithm must come from the logits.
        log_p, log_q = clean.log_softmax(dim=1), adversarial.log_softmax(dim=1)
        return Terms(
            values={
                "ce_clean": F.cross_entropy(clean, batch.y),
                "kl_adv": (log_p.exp() * (log_p - log_q)).sum(dim=1).mean(),
            },
            weights={"kl_adv": self.beta},
        )
