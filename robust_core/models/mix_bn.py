"""Two batch norms over one conv, mixed by what a router takes the image for."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_core import ranks
from robust_core.types import TYPES, TypeName

TINY = 1e-12  # in place of a share that nothing has


class MixBN(nn.Module):
    """P[clean]·BN_clean(u) + P[adversarial]·BN_adversarial(u).

    A type given by name runs that half alone (and in training updates its statistics alone). Where P(type) comes image
    by image, a half hears each image as far as it speaks for it: its batch statistics are means weighted by P, which is
    not differentiated there. With P of 0 and 1 these are the two pure batches of the paper's figure, in one pass.
    mix="full" keeps statistics and affine parameters apart; mix="affine" shares the statistics and keeps two affines.
    Source: AW-Net (arXiv 2306.03430), its φ_j; the weights and "affine" are ours, the latter after the
    dual-BN literature.
    """

    def __init__(self, channels: int, *, mix: str = "full") -> None:
        super().__init__()
        self.mix = mix
        if mix == "full":
            self.clean = nn.BatchNorm2d(channels)
            self.adversarial = nn.BatchNorm2d(channels)
        else:
            self.shared = nn.BatchNorm2d(channels, affine=False)
            # Rows are TYPES: one scale and one shift a type.
            self.weight = nn.Parameter(torch.ones(len(TYPES), channels))
            self.bias = nn.Parameter(torch.zeros(len(TYPES), channels))

    def forward(
        self, u: Float[Tensor, "n c h w"], p_type: Tensor | TypeName, signal: Tensor | None = None
    ) -> Float[Tensor, "n c h w"]:
        """signal: ω of the conv before it, (N, C); the norm takes it along so that a frozen view may fold it in."""
        u = scaled(u, signal)
        if self.mix == "affine":
            return self._two_affines(u, p_type)
        if isinstance(p_type, str):
            half: nn.Module = self.clean if p_type == "clean" else self.adversarial
            mixed: Tensor = half(u)
            return mixed
        if self.training:
            with torch.autocast(u.device.type, enabled=False):  # sums over a batch need more than bfloat16's 8 bits
                return self._by_share(u.to(torch.promote_types(u.dtype, torch.float32)), p_type).to(u.dtype)
        p = p_type.to(u.dtype)[:, :, None, None, None]
        mixed = p[:, 0] * self.clean(u) + p[:, 1] * self.adversarial(u)
        return mixed

    def _by_share(self, u: Tensor, p_type: Tensor) -> Tensor:
        """Both halves together are one scale and one shift per image and channel."""
        p = p_type.to(u.dtype)
        centre, spread = Moments.apply(u)
        pixels = u.shape[2] * u.shape[3]
        rows = [
            _scale_and_shift(half, shares, centre, spread, pixels)
            for half, shares in zip((self.clean, self.adversarial), p.detach().T, strict=True)
        ]
        scale, shift = (p @ torch.stack(part) for part in zip(*rows, strict=True))
        return torch.addcmul(shift[:, :, None, None], u, scale[:, :, None, None])

    def _two_affines(self, u: Tensor, p_type: Tensor | TypeName) -> Tensor:
        if isinstance(p_type, str):
            row = TYPES.index(p_type)
            weight, bias = self.weight[row][None], self.bias[row][None]
        else:
            weight, bias = p_type @ self.weight, p_type @ self.bias
        normed: Tensor = self.shared(u)
        return normed * weight[:, :, None, None].to(u.dtype) + bias[:, :, None, None].to(u.dtype)


class Moments(torch.autograd.Function):
    """Mean and variance of each image's channels over its pixels: (N, C, H, W) to (N, C) twice.

    torch.var_mean has them too, but takes ten times as long where channels lie last in memory.
    """

    @staticmethod
    def forward(ctx: Any, u: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]]:
        mean = u.mean(dim=(2, 3))
        apart = u - mean[:, :, None, None]
        ctx.save_for_backward(u, mean)
        return mean, apart.square_().mean(dim=(2, 3))

    @staticmethod
    def backward(ctx: Any, by_mean: Tensor, by_variance: Tensor) -> Tensor:
        """∂mean/∂u = 1/HW and ∂variance/∂u = 2(u - mean)/HW: one multiple of u and one addend per image and channel."""
        u, mean = ctx.saved_tensors
        slope = by_variance * (2 / u[0, 0].numel())
        addend = by_mean / u[0, 0].numel() - slope * mean
        return torch.addcmul(addend[:, :, None, None], u, slope[:, :, None, None])


def _scale_and_shift(
    half: nn.BatchNorm2d,
    shares: Float[Tensor, " n"],
    centre: Float[Tensor, "n c"],
    spread: Float[Tensor, "n c"],
    pixels: int,
) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """What a half makes of a batch that it hears by shares; its running statistics take the batch in.

    centre, spread: each image's mean and variance over its pixels.
    """
    heard, squares = ranks.summed(torch.stack([shares.sum(), shares.square().sum()]))
    weights = shares / heard.clamp_min(TINY)
    mean = ranks.summed(weights @ centre)
    variance = ranks.summed(weights @ (spread + (centre - mean).square()))
    with torch.no_grad():
        _remember(half, mean, variance, heard.square() / squares.clamp_min(TINY) * pixels, heard > 0)
    scale = half.weight * torch.rsqrt(variance + half.eps)
    return scale, half.bias - mean * scale


def _remember(half: nn.BatchNorm2d, mean: Tensor, variance: Tensor, n: Tensor, heard: Tensor) -> None:
    """As torch's own, of n values; a batch of which nothing was heard leaves no trace."""
    assert half.running_mean is not None
    assert half.running_var is not None
    assert half.num_batches_tracked is not None
    half.num_batches_tracked += heard
    # Without a momentum: the mean over all batches.
    momentum = half.momentum if half.momentum is not None else 1 / half.num_batches_tracked.clamp_min(1)
    share = (momentum * heard).to(mean)
    half.running_mean.lerp_(mean, share)
    half.running_var.lerp_(variance * (n / (n - 1).clamp_min(TINY)), share)


def scaled(u: Float[Tensor, "n c h w"], signal: Tensor | None) -> Float[Tensor, "n c h w"]:
    """ω ⊗ u. Scaling a conv's output per sample equals scaling its filters, and keeps the batch in one call."""
    return u if signal is None else u * signal[:, :, None, None].to(u.dtype)
