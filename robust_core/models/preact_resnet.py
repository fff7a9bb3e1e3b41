"""The pre-activation residual net in its CIFAR form: each conv comes after its norm and ReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from robust_core.models.backbone import Backbone, check_blocks
from robust_core.models.blocks import Block, Control, Count, MakeNorm, Stage, regulated
from robust_core.types import Trace, UserError

ShortcutFrom = Literal["activated", "input"]


class PreActBlock(Block):
    """conv(ReLU(norm(conv(a)))) + shortcut, a = ReLU(norm(x)); a 1×1 conv is the shortcut where the shape changes."""

    norms = ((None, "bn1"), ("conv1", "bn2"))

    def __init__(
        self, name: str, c_in: int, c_out: int, *, stride: int, norm: MakeNorm, shortcut_from: ShortcutFrom
    ) -> None:
        super().__init__(name)
        self.shortcut_from = shortcut_from
        self.bn1 = norm(c_in)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn2 = norm(c_out)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.shortcut = nn.Sequential()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False))

    def forward(self, x: Tensor, control: Control | None = None) -> Tensor:
        a: Tensor = self.relu1(regulated(None, self.bn1, x, control))
        side = self.shortcut(a) if len(self.shortcut) and self.shortcut_from == "activated" else self.shortcut(x)
        y = self.relu2(regulated(self.conv1, self.bn2, a, control, f"{self.name}.conv1"))
        out: Tensor = regulated(self.conv2, None, y, control, f"{self.name}.conv2") + side
        return out


class PreActResNet(Backbone):
    """3×3 stem, stages of pre-activation blocks, global average pool, linear; registered as preact_resnet18.

    width: filters of the first stage. blocks: blocks in each stage. stem_stride: 2 halves the resolution at once.
    final_norm: a norm and a ReLU before the pool, as some released nets have (`bn.*`). shortcut_from: what a 1×1
    shortcut reads, the "activated" input or the "input" itself: released nets of equal keys differ in it.
    `stages` of a trace: "stem", "layer1", ..., and "head" with final_norm. Source: He et al. 2016, arXiv 1603.05027.
    """

    norms = ((None, "bn"),)

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        width: Count = 64,
        blocks: Sequence[int] = (2, 2, 2, 2),
        stem_stride: Count = 1,
        final_norm: bool = False,
        shortcut_from: ShortcutFrom = "activated",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        norm: MakeNorm = nn.BatchNorm2d,
    ) -> None:
        super().__init__(in_channels=in_channels, num_classes=num_classes, mean=mean, std=std)
        check_blocks(blocks)
        if shortcut_from not in ("activated", "input"):
            raise UserError(f"unknown shortcut_from {shortcut_from!r}; known: activated, input")
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stem_stride, padding=1, bias=False)
        self.stage_names = [f"layer{i}" for i in range(1, len(blocks) + 1)]
        c_in = width
        for i, (name, depth) in enumerate(zip(self.stage_names, blocks, strict=True)):
            c_out = width * 2**i
            rows = []
            for j in range(depth):
                stride = 2 if i > 0 and j == 0 else 1
                rows.append(
                    PreActBlock(f"{name}.{j}", c_in, c_out, stride=stride, norm=norm, shortcut_from=shortcut_from)
                )
                c_in = c_out
            self.add_module(name, Stage(*rows))
        self.bn = norm(c_in) if final_norm else None
        self.relu = nn.ReLU() if final_norm else nn.Identity()
        self.linear = nn.Linear(c_in, num_classes)
        self.draw_weights()

    def run(self, x: Float[Tensor, "n c h w"], control: Control | None = None) -> Trace:
        x = self.conv1(self.normalize(x))
        stages = {"stem": x}
        for name in self.stage_names:
            x = stages[name] = self.get_submodule(name)(x, control)
        if self.bn is not None:
            x = stages["head"] = self.relu(regulated(None, self.bn, x, control))
        return Trace(logits=self.linear(x.mean(dim=(2, 3))), stages=stages)
