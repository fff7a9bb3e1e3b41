"""The residual family for 28–32 px images: one class, from 0.1 M parameters up, with the usual CIFAR keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from robust_core.models.backbone import Backbone, check_blocks
from robust_core.models.blocks import BasicBlock, Control, Count, MakeNorm, Stage, regulated
from robust_core.types import Trace, UserError


class ResidualNet(Backbone):
    """3×3 stem, stages of basic blocks (each stage doubles the width and, from the second on, halves the resolution),
    global average pool, linear.

    in_channels: 1 or 3. width: filters of the first stage. blocks: blocks in each stage. stem_stride: 2 halves the
    resolution at once, for a quarter of the cost. shortcut, where the shape changes: "B", a 1×1 conv and a norm, or
    "A", without parameters. mean, std: Backbone's. norm: makes the norm over a number of channels.
    `stages` of a trace: "stem", "layer1", "layer2", ... Source: He et al. 2016, in its CIFAR form.
    Registered as resnet18 (width 64, blocks (2, 2, 2, 2)) and resnet56 (width 16, blocks (9, 9, 9)): He et al. train
    the latter with shortcut "A"; the clean teacher that MTARD takes has "B", and so it is the default.
    """

    norms = (("conv1", "bn1"),)

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        width: Count = 16,
        blocks: Sequence[int] = (2, 2, 2),
        stem_stride: Count = 1,
        shortcut: Literal["A", "B"] = "B",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        norm: MakeNorm = nn.BatchNorm2d,
    ) -> None:
        super().__init__(in_channels=in_channels, num_classes=num_classes, mean=mean, std=std)
        check_blocks(blocks)
        if shortcut not in ("A", "B"):
            raise UserError(f"unknown shortcut {shortcut!r}; known: A, B")
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stem_stride, padding=1, bias=False)
        self.bn1 = norm(width)
        self.relu = nn.ReLU()
        self.stage_names = [f"layer{i}" for i in range(1, len(blocks) + 1)]
        c_in = width
        for i, (name, depth) in enumerate(zip(self.stage_names, blocks, strict=True)):
            c_out = width * 2**i
            rows = []
            for j in range(depth):
                stride = 2 if i > 0 and j == 0 else 1
                rows.append(BasicBlock(f"{name}.{j}", c_in, c_out, stride=stride, norm=norm, shortcut=shortcut))
                c_in = c_out
            self.add_module(name, Stage(*rows))
        self.linear = nn.Linear(c_in, num_classes)
        self.draw_weights()

    def run(self, x: Float[Tensor, "n c h w"], control: Control | None = None) -> Trace:
        x = self.relu(regulated(self.conv1, self.bn1, self.normalize(x), control))
        stages = {"stem": x}
        for name in self.stage_names:
            x = stages[name] = self.get_submodule(name)(x, control)
        return Trace(logits=self.linear(x.mean(dim=(2, 3))), stages=stages)
