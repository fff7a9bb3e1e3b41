"""Convs that hold several experts, of which each image uses one."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def hard_gate(scores: Float[Tensor, "n experts"]) -> Float[Tensor, "n experts"]:
    """One-hot at the highest score in value; in gradient the softmax of the scores (straight-through)."""
    soft = scores.softmax(dim=1)
    hard = F.one_hot(scores.argmax(dim=1), scores.shape[1]).to(soft.dtype)
    return hard + (soft - soft.detach())


class ExpertConv(nn.Conv2d):
    """A 3×3 conv with `experts` groups of out_channels filters; each image is convolved with the group its gate picks.

    An image costs what a plain conv costs. The gate multiplies the picked group's output by one, so the router hears
    from each image how the expert it chose did, and nothing of the experts it did not choose.
    Expert e's filters are rows e·filters … (e + 1)·filters - 1 of the weight.
    """

    def __init__(self, like: nn.Conv2d, experts: int) -> None:
        stride = like.stride[0]
        super().__init__(like.in_channels, experts * like.out_channels, 3, stride=stride, padding=1, bias=False)
        self.experts, self.filters = experts, like.out_channels
        with torch.no_grad():
            # Expert 0 begins as the static twin's conv; the others are drawn as that was.
            for e, part in enumerate(self.weight.split(self.filters)):
                if e == 0:
                    part.copy_(like.weight)
                else:
                    nn.init.kaiming_normal_(part, mode="fan_out", nonlinearity="relu")

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "n c h w"], gate: Float[Tensor, "n experts"]
    ) -> Float[Tensor, "n filters h2 w2"]:
        """gate: one-hot in value, as `hard_gate` makes it."""
        chosen = gate.argmax(dim=1)
        weights = self.weight.split(self.filters)
        parts, places = [], []
        for e in chosen.unique().tolist():
            rows = (chosen == e).nonzero()[:, 0]
            whole = len(rows) == len(x)
            u = F.conv2d(x if whole else x[rows], weights[e], None, self.stride, self.padding)
            parts.append(u * gate[rows, e][:, None, None, None] if gate.requires_grad else u)
            places.append(rows)
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts)[torch.cat(places).argsort()]
