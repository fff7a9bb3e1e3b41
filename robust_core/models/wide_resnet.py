"""The wide residual net in the form that TRADES released: robust teachers of the papers are WRN-34-10 of this kind."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from robust_core.models.backbone import Backbone
from robust_core.models.blocks import Block, Control, Count, MakeNorm, Stage, regulated
from robust_core.types import Trace, UserError


class WideBlock(Block):
    """conv(ReLU(norm(conv(a)))) + shortcut, a = ReLU(norm(x)).

    The shortcut is x; where the number of channels changes, it is a 1×1 conv of a (`convShortcut`, TRADES' name).
    """

    norms = ((None, "bn1"), ("conv1", "bn2"))

    def __init__(self, name: str, c_in: int, c_out: int, *, stride: int, norm: MakeNorm) -> None:
        super().__init__(name)
        self.bn1 = norm(c_in)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn2 = norm(c_out)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.convShortcut = nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False) if c_in != c_out else None

    def forward(self, x: Tensor, control: Control | None = None) -> Tensor:
        a: Tensor = self.relu1(regulated(None, self.bn1, x, control))
        side = x if self.convShortcut is None else self.convShortcut(a)
        y = self.relu2(regulated(self.conv1, self.bn2, a, control, f"{self.name}.conv1"))
        out: Tensor = regulated(self.conv2, None, y, control, f"{self.name}.conv2") + side
        return out


class WideGroup(nn.Module):
    """Blocks in a row under the key `layer`, as the released state dicts have it."""

    def __init__(self, *blocks: WideBlock) -> None:
        super().__init__()
        self.layer = Stage(*blocks)

    def forward(self, x: Tensor, control: Control | None = None) -> Tensor:
        y: Tensor = self.layer(x, control)
        return y


class WideResNet(Backbone):
    """3×3 stem of 16 filters, three groups of (depth - 4) / 6 blocks with 16, 32 and 64 · widen_factor filters, norm,
    ReLU, global average pool, linear; registered as wrn_34_10.

    mean, std: Backbone's. `stages` of a trace: "stem", "block1", "block2", "block3", "head" (after the last ReLU).
    Raises UserError for a depth that is not 6n + 4. Source: Zagoruyko and Komodakis 2016, arXiv 1605.07146; dropout,
    which TRADES leaves at 0, is left out.
    """

    norms = ((None, "bn1"),)

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        depth: int = 34,
        widen_factor: Count = 10,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        norm: MakeNorm = nn.BatchNorm2d,
    ) -> None:
        super().__init__(in_channels=in_channels, num_classes=num_classes, mean=mean, std=std)
        if depth < 10 or (depth - 4) % 6:
            raise UserError(f"depth must be 6n + 4 with n ≥ 1 (10, 16, 22, 28, 34, ...); got {depth}")
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.stage_names = ["block1", "block2", "block3"]
        c_in = 16
        for i, name in enumerate(self.stage_names):
            c_out = 16 * widen_factor * 2**i
            rows = []
            for j in range((depth - 4) // 6):
                stride = 2 if i > 0 and j == 0 else 1
                rows.append(WideBlock(f"{name}.layer.{j}", c_in, c_out, stride=stride, norm=norm))
                c_in = c_out
            self.add_module(name, WideGroup(*rows))
        self.bn1 = norm(c_in)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(c_in, num_classes)
        self.draw_weights()

    def run(self, x: Float[Tensor, "n c h w"], control: Control | None = None) -> Trace:
        x = self.conv1(self.normalize(x))
        stages = {"stem": x}
        for name in self.stage_names:
            x = stages[name] = self.get_submodule(name)(x, control)
        x = stages["head"] = self.relu(regulated(None, self.bn1, x, control))
        return Trace(logits=self.fc(x.mean(dim=(2, 3))), stages=stages)
