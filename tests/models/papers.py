"""The papers' networks once more, written plainly and apart from robust_core, under the keys of the released files."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv3(c_in: int, c_out: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, stride, 1, groups=groups, bias=False)


def conv1(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 1, stride, bias=False)


class Basic(nn.Module):
    def __init__(self, c_in: int, c_out: int, stride: int, side: str) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3(c_in, c_out, stride), nn.BatchNorm2d(c_out)
        self.conv2, self.bn2 = conv3(c_out, c_out), nn.BatchNorm2d(c_out)
        self.side = side if c_in != c_out else "same"
        self.pad = (c_out - c_in) // 2
        if self.side in ("shortcut", "downsample"):
            setattr(self, side, nn.Sequential(conv1(c_in, c_out, stride), nn.BatchNorm2d(c_out)))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.side == "same":
            return F.relu(y + x)
        if self.side == "padded":
            side = torch.zeros_like(y)
            side[:, self.pad : self.pad + x.shape[1]] = x[:, :, ::2, ::2]
            return F.relu(y + side)
        return F.relu(y + getattr(self, self.side)(x))


class ResNet(nn.Module):
    """side: "shortcut", "downsample" (both with parameters, under that name) or "padded". head: "linear" or "fc"."""

    def __init__(
        self, width: int, blocks: Sequence[int], classes: int = 10, side: str = "shortcut", head: str = "linear"
    ):
        super().__init__()
        self.conv1, self.bn1 = conv3(3, width), nn.BatchNorm2d(width)
        c_in = width
        for i, n in enumerate(blocks):
            c_out, rows = width * 2**i, []
            for j in range(n):
                rows.append(Basic(c_in, c_out, 2 if i and not j else 1, side))
                c_in = c_out
            setattr(self, f"layer{i + 1}", nn.Sequential(*rows))
        self.depth, self.head = len(blocks), head
        setattr(self, head, nn.Linear(c_in, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for i in range(self.depth):
            x = getattr(self, f"layer{i + 1}")(x)
        return getattr(self, self.head)(F.adaptive_avg_pool2d(x, 1).flatten(1))


class PreAct(nn.Module):
    def __init__(self, c_in: int, c_out: int, stride: int, reads_input: bool) -> None:
        super().__init__()
        self.reads_input = reads_input
        self.bn1, self.conv1 = nn.BatchNorm2d(c_in), conv3(c_in, c_out, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(c_out), conv3(c_out, c_out)
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(conv1(c_in, c_out, stride))

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x))
        side = self.shortcut(x if self.reads_input else a) if hasattr(self, "shortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(a)))) + side


class PreActResNet(nn.Module):
    def __init__(self, width: int, blocks: Sequence[int], final_norm: bool = False, reads_input: bool = False) -> None:
        super().__init__()
        self.conv1 = conv3(3, width)
        c_in = width
        for i, n in enumerate(blocks):
            c_out, rows = width * 2**i, []
            for j in range(n):
                rows.append(PreAct(c_in, c_out, 2 if i and not j else 1, reads_input))
                c_in = c_out
            setattr(self, f"layer{i + 1}", nn.Sequential(*rows))
        self.depth, self.final_norm = len(blocks), final_norm
        if final_norm:
            self.bn = nn.BatchNorm2d(c_in)
        self.linear = nn.Linear(c_in, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for i in range(self.depth):
            x = getattr(self, f"layer{i + 1}")(x)
        if self.final_norm:
            x = F.relu(self.bn(x))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Inverted(nn.Module):
    def __init__(self, c_in: int, c_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner, self.stride = expansion * c_in, stride
        self.conv1, self.bn1 = conv1(c_in, inner), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = conv3(inner, inner, stride, groups=inner), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = conv1(inner, c_out), nn.BatchNorm2d(c_out)
        project = stride == 1 and c_in != c_out
        self.shortcut = nn.Sequential(*((conv1(c_in, c_out), nn.BatchNorm2d(c_out)) if project else ()))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        y = self.bn3(self.conv3(y))
        return y if self.stride == 2 else y + self.shortcut(x)


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3(3, 32), nn.BatchNorm2d(32)
        rows, c_in = [], 32
        for repeats, expansion, c_out, stride in (
            (1, 1, 16, 1),
            (2, 6, 24, 1),
            (3, 6, 32, 2),
            (4, 6, 64, 2),
            (3, 6, 96, 1),
            (3, 6, 160, 2),
            (1, 6, 320, 1),
        ):
            for repeat in range(repeats):
                rows.append(Inverted(c_in, c_out, expansion, stride if repeat == 0 else 1))
                c_in = c_out
        self.layers = nn.Sequential(*rows)
        self.conv2, self.bn2 = conv1(320, 1280), nn.BatchNorm2d(1280)
        self.linear = nn.Linear(1280, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Wide(nn.Module):
    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(c_in), conv3(c_in, c_out, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(c_out), conv3(c_out, c_out)
        if c_in != c_out:
            self.convShortcut = conv1(c_in, c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x))
        side = self.convShortcut(a) if hasattr(self, "convShortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(a)))) + side


class WideGroup(nn.Module):
    def __init__(self, n: int, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(*(Wide(c_out if j else c_in, c_out, 1 if j else stride) for j in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class WideResNet(nn.Module):
    """sub_block: the copy of the first group that TRADES builds, saves and never runs."""

    def __init__(self, depth: int, factor: int, sub_block: bool = False) -> None:
        super().__init__()
        n, a, b, c = (depth - 4) // 6, 16 * factor, 32 * factor, 64 * factor
        self.conv1 = conv3(3, 16)
        self.block1 = WideGroup(n, 16, a, 1)
        if sub_block:
            self.sub_block1 = WideGroup(n, 16, a, 1)
        self.block2, self.block3 = WideGroup(n, a, b, 2), WideGroup(n, b, c, 2)
        self.bn1, self.fc = nn.BatchNorm2d(c), nn.Linear(c, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.block3(self.block2(self.block1(self.conv1(x))))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Behind(nn.Module):
    """A network behind a layer that normalises its input, with mean and std in the state dict."""

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.normalize = nn.Module()
        self.normalize.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.normalize.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model((x - self.normalize.mean) / self.normalize.std)


def with_history(net: nn.Module) -> nn.Module:
    """Eval mode, with weights and statistics such as training leaves: no two norms alike, signals of order one."""
    generator = torch.Generator().manual_seed(3)

    def draw(tensor: Tensor | None, low: float, high: float) -> None:
        if tensor is not None:
            tensor.data.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))

    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 1.5),
            ):
                draw(tensor, low, high)
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            bound = (3 / module.weight[0].numel()) ** 0.5
            draw(module.weight, -bound, bound)
    return net.eval()
