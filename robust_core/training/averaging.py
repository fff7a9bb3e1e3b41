"""The running mean of a network's weights, which is what a run is judged by and leaves behind."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from robust_core.types import Classifier

HEARD = 50  # steps at the end of an epoch in which the mean hears what the network hears; of a short one a quarter


class RunningMean:
    """`net` with the exponential mean of another's weights, and with batch statistics of its own.

    The statistics that the weights had on their way do not fit their mean: its activations are smaller, the more so the
    less steady the weights are, and a router judged by them may call every image adversarial. So in the last HEARD
    steps of an epoch the mean hears every training pass, and its running statistics are the plain mean over these.
    Before, for a look on the way, it takes the mean of theirs.
    Sources: Polyak & Juditsky 1992; Izmailov et al. 2018 (SWA), section 3.2, for the statistics.
    """

    def __init__(self, net: Classifier, decay: float) -> None:
        self.decay = decay
        self.net = copy.deepcopy(net).train().requires_grad_(False)
        self._norms = [module for module in self.net.modules() if isinstance(module, _BatchNorm)]
        for norm in self._norms:
            norm.momentum = None  # torch: the mean over all batches since the statistics were reset

    def listener(self, step: int, per_epoch: int) -> Classifier | None:
        """The mean where it is to hear this step's passes. Forgets the statistics of before where that begins."""
        first = per_epoch - min(HEARD, math.ceil(per_epoch / 4))  # a young mean moves far within an epoch
        if step % per_epoch < first:
            return None
        if step % per_epoch == first:
            for norm in self._norms:
                norm.reset_running_stats()
        return self.net

    @torch.no_grad()
    def follow(self, net: nn.Module, step: int, *, heard: bool) -> None:
        """Takes in the weights after this step, counted from 0; the batch statistics too, unless it heard the step."""
        # A young mean follows quickly: the first weights are noise that should not be remembered.
        decay = min(self.decay, (1 + step) / (10 + step))
        pairs: list[tuple[Tensor, Tensor]] = [*zip(self.net.parameters(), net.parameters(), strict=True)]
        if not heard:
            pairs += zip(self.net.buffers(), net.buffers(), strict=True)
        for mine, theirs in pairs:
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)

    def state_dict(self) -> dict[str, Tensor]:
        """Weights and statistics."""
        return self.net.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.net.load_state_dict(state)
