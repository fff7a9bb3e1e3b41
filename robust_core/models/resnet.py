"""The residual family for 28–32 px images: one class, from 0.1 M parameters up, with the usual CIFAR keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_core.models.blocks import BasicBlock, Control, MakeNorm, Stage, regulated
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


class ResidualNet(Classifier):
    """3×3 stem, stages of basic blocks (each stage doubles the width and, from the second on, halves the resolution),
    global average pool, linear.

    in_channels: 1 or 3. width: filters of the first stage. blocks: blocks in each stage. stem_stride: 2 halves the
    resolution at once, for a quarter of the cost.
    mean, std: input normalisation per channel; none by default. norm: makes the norm over a number of channels.
    `stages` of a trace: "stem", "layer1", "layer2", ... Source: He et al. 2016, in its CIFAR form.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        width: int = 16,
        blocks: Sequence[int] = (2, 2, 2),
        stem_stride: int = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        norm: MakeNorm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        self.in_channels, self.num_classes = in_channels, num_classes
        if (mean is None) != (std is None):
            raise UserError("input normalisation needs both mean and std")
        if not blocks:
            raise UserError("blocks must name at least one stage, for example [1, 1, 1]")
        self.normalize = Normalize(mean, std) if mean is not None and std is not None else nn.Identity()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stem_stride, padding=1, bias=False)
        self.bn1 = norm(width)
        self.relu = nn.ReLU()
        self.stage_names = [f"layer{i}" for i in range(1, len(blocks) + 1)]
        c_in = width
        for i, (name, depth) in enumerate(zip(self.stage_names, blocks, strict=True)):
            c_out = width * 2**i
            first_stride = 1 if i == 0 else 2
            rows = []
            for j in range(depth):
                stride = first_stride if j == 0 else 1
                rows.append(BasicBlock(f"{name}.{j}", c_in, c_out, stride=stride, norm=norm))
                c_in = c_out
            self.add_module(name, Stage(*rows))
        self.linear = nn.Linear(c_in, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def trace(self, x: Float[Tensor, "n c h w"], *, routing: Routing | None = None) -> Trace:
        if routing is not None:
            raise UserError("this network is static: it has no route to override; choose an AW-Net")
        return self.run(x)

    def run(self, x: Float[Tensor, "n c h w"], control: Control | None = None) -> Trace:
        """The pass itself, under a router's control where there is one."""
        x = self.relu(regulated(self.conv1, self.bn1, self.normalize(x), control))
        stages = {"stem": x}
        for name in self.stage_names:
            x = stages[name] = self.get_submodule(name)(x, control)
        return Trace(logits=self.linear(x.mean(dim=(2, 3))), stages=stages)

    def regulated_convs(self) -> dict[str, int]:
        """Every 3×3 conv inside a block, in order, with its number of filters."""
        convs: dict[str, int] = {}
        for module in self.modules():
            if isinstance(module, BasicBlock):
                convs |= module.regulated_convs()
        return convs
