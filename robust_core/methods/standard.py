"""Standard training: CE(S(x), y). The accurate, fragile end of the trade-off."""

from __future__ import annotations

from torch.nn import functional as F

from robust_core.methods.learner import Batch, Learner, Terms
from robust_core.methods.objective import Objective


class Standard(Objective):
    """Cross-entropy on the clean images."""

    types = ("clean",)

    def loss(self, learner: Learner, batch: Batch) -> Terms:
        return Terms(values={"ce_clean": F.cross_entropy(learner.clean(batch), batch.y)})
