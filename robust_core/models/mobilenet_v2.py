"""MobileNetV2 in its CIFAR form: as published, with the first two halvings of the resolution left out."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from robust_core.models.backbone import Backbone, check_blocks
from robust_core.models.blocks import Block, Control, Count, MakeNorm, Stage, projected, regulated
from robust_core.types import Trace

STEM = 32  # filters of the stem at width 32; the rows' scale with it
# Of each row: expansion, filters, stride of its first block.
ROWS = ((1, 16, 1), (6, 24, 1), (6, 32, 2), (6, 64, 2), (6, 96, 1), (6, 160, 2), (6, 320, 1))
HEAD = 1280


class InvertedBlock(Block):
    """1×1 conv that expands, 3×3 conv of each channel by itself, 1×1 conv that projects, without a ReLU at the end.

    At stride 1 the input is added, by way of a 1×1 conv and a norm where the number of channels changes.
    A router regulates the 3×3 conv.
    """

    norms = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"), ("shortcut.0", "shortcut.1"))
    open_convs = ("conv2",)

    def __init__(self, name: str, c_in: int, c_out: int, *, expansion: int, stride: int, norm: MakeNorm) -> None:
        super().__init__(name)
        inner = expansion * c_in
        self.stride = stride
        self.conv1 = nn.Conv2d(c_in, inner, 1, bias=False)
        self.bn1 = norm(inner)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner, bias=False)
        self.bn2 = norm(inner)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(inner, c_out, 1, bias=False)
        self.bn3 = norm(c_out)
        self.shortcut = nn.Sequential()
        if stride == 1 and c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, bias=False), norm(c_out))

    def forward(self, x: Tensor, control: Control | None = None) -> Tensor:
        y = self.relu1(regulated(self.conv1, self.bn1, x, control))
        y = self.relu2(regulated(self.conv2, self.bn2, y, control, f"{self.name}.conv2"))
        y = regulated(self.conv3, self.bn3, y, control)
        return y + projected(self.shortcut, x, control) if self.stride == 1 else y


class MobileNetV2(Backbone):
    """3×3 stem, up to seven rows of inverted blocks, a 1×1 conv, global average pool, linear; keys conv1, bn1,
    layers.0 ... layers.16, conv2, bn2, linear. Registered as mobilenet_v2.

    width: filters of the stem; all others scale with it from their numbers at 32. blocks: blocks in each row, fewer
    than seven rows for a smaller net. stem_stride: 2 halves the resolution at once. mean, std: Backbone's.
    `stages` of a trace: "stem", "row1", ..., "head". Raises UserError for blocks of more than seven rows.
    Source: Sandler et al. 2018, arXiv 1801.04381; strides of stem and second row are 1 here, for images of 32 px.
    """

    norms = (("conv1", "bn1"), ("conv2", "bn2"))

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        width: Count = STEM,
        blocks: Sequence[int] = (1, 2, 3, 4, 3, 3, 1),
        stem_stride: Count = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        norm: MakeNorm = nn.BatchNorm2d,
    ) -> None:
        super().__init__(in_channels=in_channels, num_classes=num_classes, mean=mean, std=std)
        check_blocks(blocks, most=len(ROWS))
        self.blocks = tuple(blocks)
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stem_stride, padding=1, bias=False)
        self.bn1 = norm(width)
        self.relu1 = nn.ReLU()
        c_in = width
        rows: list[InvertedBlock] = []
        for depth, (expansion, filters, stride) in zip(blocks, ROWS, strict=False):
            c_out = max(1, round(filters * width / STEM))
            for j in range(depth):
                name, first = f"layers.{len(rows)}", stride if j == 0 else 1
                rows.append(InvertedBlock(name, c_in, c_out, expansion=expansion, stride=first, norm=norm))
                c_in = c_out
        self.layers = Stage(*rows)
        head = max(1, round(HEAD * width / STEM))
        self.conv2 = nn.Conv2d(c_in, head, 1, bias=False)
        self.bn2 = norm(head)
        self.relu2 = nn.ReLU()
        self.linear = nn.Linear(head, num_classes)
        self.draw_weights()

    def run(self, x: Float[Tensor, "n c h w"], control: Control | None = None) -> Trace:
        x = self.relu1(regulated(self.conv1, self.bn1, self.normalize(x), control))
        stages = {"stem": x}
        blocks = iter(self.layers)
        for row, depth in enumerate(self.blocks, start=1):
            for _ in range(depth):
                x = next(blocks)(x, control)
            stages[f"row{row}"] = x
        x = stages["head"] = self.relu2(regulated(self.conv2, self.bn2, x, control))
        return Trace(logits=self.linear(x.mean(dim=(2, 3))), stages=stages)
