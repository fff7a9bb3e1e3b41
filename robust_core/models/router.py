"""What the routers of all dynamic networks share: the small CNN that reads the raw image."""

from __future__ import annotations

from math import gcd
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from robust_core.types import UserError

RouterNorm = Literal["group", "batch", "none"]
Activation = Literal["relu", "leaky"]
SLOPE = 0.1  # of a leaky unit below zero


class GroupNorm(nn.GroupNorm):
    """Of images laid out channel by channel: on a CPU torch's bfloat16 kernel for channels_last takes up to 26 times as
    long, at sizes as here."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return super().forward(x.contiguous())


def _norm(kind: RouterNorm, channels: int) -> nn.Module:
    if kind not in ("group", "batch", "none"):
        raise UserError(f"unknown router_norm {kind!r}; known: group, batch, none")
    if kind == "group":
        return GroupNorm(gcd(8, channels), channels)
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.Identity()


def activation_of(kind: Activation) -> nn.Module:
    """The unit of a router. A ReLU that is never active has no gradient and stays so for good; a leaky one comes back.

    Raises UserError for an unknown kind.
    """
    if kind not in ("relu", "leaky"):
        raise UserError(f"unknown router_activation {kind!r}; known: relu, leaky")
    return nn.ReLU() if kind == "relu" else nn.LeakyReLU(SLOPE)


def conv_stages(
    in_channels: int, *, width: int, depth: int, norm: RouterNorm, activation: Activation = "relu"
) -> tuple[nn.Sequential, int]:
    """`depth` stride-2 conv stages, and the channels that come out; the first has `width` filters, the others 2·width.

    Raises UserError for a depth below 1 or an unknown norm.
    """
    if depth < 1 or width < 1:
        raise UserError(f"a router needs depth ≥ 1 and width ≥ 1; got depth={depth}, width={width}")
    rows: list[nn.Module] = []
    c_in = in_channels
    for stage in range(depth):
        c_out = width if stage == 0 else 2 * width
        rows += [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), _norm(norm, c_out), activation_of(activation)]
        c_in = c_out
    return nn.Sequential(*rows), c_in
