"""ARD: α·t²·KL(T(x)/t ‖ S(x')/t) + (1 - α)·CE(S(x), y), x' maximising CE. Source: Goldblum et al. 2020."""

from __future__ import annotations

from torch.nn import functional as F

from robust_core.methods.learner import Batch, Learner, Terms
from robust_core.methods.objective import KLReduction, Objective, divergence, reduced
from robust_core.types import UserError


class ARD(Objective):
    """temperature: t of teacher and student, 30 in the paper. alpha: share of the teacher in [0, 1]."""

    teachers = ("robust",)

    def __init__(
        self, *, temperature: float = 30.0, alpha: float = 0.9, kl_reduction: KLReduction = "batchmean"
    ) -> None:
        if temperature <= 0 or not 0 <= alpha <= 1:
            raise UserError(f"ARD needs temperature > 0 and alpha in [0, 1]; got {temperature} and {alpha}")
        self.temperature, self.alpha, self.kl_reduction = temperature, alpha, kl_reduction

    def loss(self, learner: Learner, batch: Batch) -> Terms:
        x_adv, t = learner.perturb(batch), self.temperature
        soft = (learner.taught("robust", batch) / t).softmax(dim=1)
        clean, adversarial = learner.pair(batch, x_adv)
        kl = reduced(divergence(soft, adversarial / t), clean.shape[1], self.kl_reduction)
        return Terms(
            values={"kl_adv": kl, "ce_clean": F.cross_entropy(clean, batch.y)},
            weights={"kl_adv": self.alpha * t**2, "ce_clean": 1 - self.alpha},
        )
