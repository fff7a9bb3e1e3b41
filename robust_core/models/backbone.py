"""What all static networks share: normalisation inside, no route of their own, and blocks that a router may control."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_core.models.blocks import Block, Control
from robust_core.types import Classifier, Routing, Trace, UserError


class Normalize(nn.Module):
    """(x - mean) / std per channel. Not part of the state dict: it is said in the architecture's options."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[None, :, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[None, :, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = (x - self.mean) / self.std
        return y


class Backbone(Classifier):
    """Abstract. A subclass builds its modules, calls `draw_weights`, and implements `run`.

    mean, std: input normalisation per channel; none by default. Raises UserError for one without the other, for another
    number of them than there are channels, and for a std that divides by nothing.
    """

    def __init__(
        self, *, in_channels: int, num_classes: int, mean: Sequence[float] | None, std: Sequence[float] | None
    ) -> None:
        super().__init__()
        self.in_channels, self.num_classes = in_channels, num_classes
        if (mean is None) != (std is None):
            raise UserError("input normalisation needs both mean and std")
        if mean is not None and std is not None and not (len(mean) == len(std) == in_channels and min(std) > 0):
            raise UserError(
                f"input normalisation needs a mean and a std above 0 for each of {in_channels} channels; got mean = "
                f"{list(mean)} and std = {list(std)}"
            )
        self.normalize = Normalize(mean, std) if mean is not None and std is not None else nn.Identity()

    def draw_weights(self) -> None:
        """Fresh conv weights after He et al. 2015; a depthwise conv, whose filters see one channel, by its fan in."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                dense = module.groups == 1
                nn.init.kaiming_normal_(module.weight, mode="fan_out" if dense else "fan_in", nonlinearity="relu")

    def trace(self, x: Float[Tensor, "n c h w"], *, routing: Routing | None = None) -> Trace:
        if routing is not None:
            raise UserError("this network is static: it has no route to override; choose an AW-Net")
        return self.run(x)

    def run(self, x: Float[Tensor, "n c h w"], control: Control | None = None) -> Trace:
        """The pass itself, under a router's control where there is one."""
        raise NotImplementedError

    def regulated_convs(self) -> dict[str, int]:
        """Every conv a router may regulate, in order, with its number of filters: the 3×3 ones inside blocks."""
        convs: dict[str, int] = {}
        for module in self.modules():
            if isinstance(module, Block):
                convs |= module.regulated_convs()
        return convs


def check_blocks(blocks: Sequence[int], *, most: int | None = None) -> None:
    """Raises UserError unless blocks names at least one stage (and at most `most`), each of one block or more."""
    if not blocks:
        raise UserError("blocks must name at least one stage, for example [1, 1, 1]")
    if most is not None and len(blocks) > most:
        raise UserError(f"blocks may name at most {most} stages here; got {list(blocks)}")
    if min(blocks) < 1:
        raise UserError(f"each stage needs at least one block; got blocks={list(blocks)}")
