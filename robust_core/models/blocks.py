"""The pieces residual networks are made of, each conv open to a router.

A static network runs its blocks with no `control`. A dynamic one hands each block a `Control`: for every regulated conv
a factor per filter, and for every mixed batch norm the share of its two halves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from robust_core.models.experts import ExpertConv
from robust_core.models.mix_bn import MixBN, scaled
from robust_core.types import TYPES, TypeName

MakeNorm = Callable[[int], nn.Module]
Count = Annotated[int, Field(ge=1)]  # of filters, of layers, of pixels a stride takes


@dataclass(frozen=True, kw_only=True, eq=False)
class Control:
    """A router's decisions for one batch: by conv name signals ω_j (N, C_j), or gates (N, experts) that pick an expert;
    P(type) (N, 2), or one type for all."""

    signals: Mapping[str, Float[Tensor, "n filters"]] = field(default_factory=dict)
    p_type: Float[Tensor, "n 2"] | TypeName | None = None
    gates: Mapping[str, Float[Tensor, "n experts"]] = field(default_factory=dict)


class ScaleShift(nn.Module):
    """What is left of a norm once its statistics are fixed: one scale and one shift per channel and type.

    With P(type) and ω given, norm and signal together are one multiply-add per element. Rows are TYPES (or one row).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, rows: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(rows, channels))
        self.register_buffer("shift", torch.zeros(rows, channels))

    def forward(self, u: Tensor, p_type: Tensor | TypeName | None = None, signal: Tensor | None = None) -> Tensor:
        if len(self.scale) == 1 or p_type is None:
            scale, shift = self.scale[:1], self.shift[:1]
        elif isinstance(p_type, str):
            row = TYPES.index(p_type)
            scale, shift = self.scale[row : row + 1], self.shift[row : row + 1]
        else:
            scale, shift = p_type @ self.scale, p_type @ self.shift
        if signal is not None:
            scale = scale * signal
        scale, shift = scale.to(u.dtype), shift.to(u.dtype)
        return torch.addcmul(shift[:, :, None, None], u, scale[:, :, None, None])


def regulated(
    conv: nn.Module | None, norm: nn.Module | None, x: Tensor, control: Control | None = None, name: str = ""
) -> Float[Tensor, "n c h w"]:
    """norm((ω ⊗ W) * x), with ω and P(type) taken from `control` where there is one.

    conv or norm is None where a norm follows no conv, or a conv is followed by no norm.
    """
    u: Tensor = x
    if conv is not None:
        u = conv(x, control.gates[name]) if control is not None and isinstance(conv, ExpertConv) else conv(x)
    signal = control.signals.get(name) if control is not None else None
    if control is not None and isinstance(norm, (MixBN, ScaleShift)):
        y: Tensor = norm(u, control.p_type, signal)
        return y
    u = scaled(u, signal)
    return u if norm is None else norm(u)


class Block(nn.Module):
    """Abstract: a block of a `Stage`, called as block(x, control).

    name: its path in the network, by which a router calls its convs. norms: each norm's attribute with that of the conv
    whose output it takes, None where it follows none; those a block lacks are passed over. The frozen view reads them.
    open_convs: the attributes of those that a router may regulate, its 3×3 convs.
    """

    norms: ClassVar[tuple[tuple[str | None, str], ...]]
    open_convs: ClassVar[tuple[str, ...]] = ("conv1", "conv2")

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def regulated_convs(self) -> dict[str, int]:
        """Name and number of filters of each conv a router may regulate."""
        convs = {name: self.get_submodule(name) for name in self.open_convs}
        return {f"{self.name}.{name}": conv.out_channels for name, conv in convs.items() if isinstance(conv, nn.Conv2d)}


class Subsampled(nn.Module):
    """The shortcut without parameters: every stride-th pixel, and channels of zeros, half before and half behind."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (c_out - c_in) // 2
        self.behind = c_out - c_in - self.before

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.behind))


class BasicBlock(Block):
    """ReLU(norm(conv) → ReLU → norm(conv) + shortcut).

    shortcut, where the shape changes: "B", a 1×1 conv and a norm, or "A", `Subsampled` (both: He et al. 2016).
    """

    norms = (("conv1", "bn1"), ("conv2", "bn2"), ("shortcut.0", "shortcut.1"))

    def __init__(
        self, name: str, c_in: int, c_out: int, *, stride: int, norm: MakeNorm, shortcut: Literal["A", "B"] = "B"
    ) -> None:
        super().__init__(name)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = norm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = norm(c_out)
        # One ReLU a use, never in place: captum's DeepLift is silently wrong on shared ones.
        self.relu1 = nn.ReLU()
        self.relu2 = nn.ReLU()
        # An empty Sequential is the identity, so that state dicts have the usual keys (shortcut.0, shortcut.1).
        self.shortcut: nn.Module = nn.Sequential()
        if stride != 1 or c_in != c_out:
            projection = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), norm(c_out))
            self.shortcut = projection if shortcut == "B" else Subsampled(c_in, c_out, stride)

    def forward(self, x: Tensor, control: Control | None = None) -> Tensor:
        y = self.relu1(regulated(self.conv1, self.bn1, x, control, f"{self.name}.conv1"))
        y = regulated(self.conv2, self.bn2, y, control, f"{self.name}.conv2")
        out: Tensor = self.relu2(y + projected(self.shortcut, x, control))
        return out


def projected(shortcut: nn.Module, x: Tensor, control: Control | None) -> Tensor:
    """x by way of a block's shortcut: a conv and a norm (under control), or a module without parameters."""
    if isinstance(shortcut, nn.Sequential) and len(shortcut) == 2:
        return regulated(shortcut[0], shortcut[1], x, control)
    side: Tensor = shortcut(x)
    return side


class Stage(nn.Sequential):
    """Blocks in a row at one resolution; a Sequential (and so the usual state dict keys) that passes `control` on."""

    def forward(self, x: Tensor, control: Control | None = None) -> Tensor:
        for block in self:
            x = block(x, control)
        return x
