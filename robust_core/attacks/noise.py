"""Random numbers that belong to an image, not to a batch: an image gets the same noise in any batch, on any device.

Element j of draw d for image i under a seed is a hash of (seed, i, d, j), so nothing is remembered between draws.
Source of the hash: Steele, Lea & Flood 2014 (SplitMix64).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _signed(value: int) -> int:
    """The 64 bits of a Python integer as torch's int64 holds them."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _mix(z: Int64[Tensor, "*n"]) -> Int64[Tensor, "*n"]:
    """SplitMix64's finaliser, in place. int64 shifts keep the sign, hence the masks."""
    z.bitwise_xor_((z >> 30).bitwise_and_(2**34 - 1)).mul_(_signed(_MIX_1))
    z.bitwise_xor_((z >> 27).bitwise_and_(2**37 - 1)).mul_(_signed(_MIX_2))
    return z.bitwise_xor_((z >> 31).bitwise_and_(2**33 - 1))


@dataclass(frozen=True, eq=False)
class Noise:
    """The random numbers of N images. seed: any integer. indices: int64 (N,), which image of the data set each is."""

    seed: int
    indices: Int64[Tensor, " n"]

    def of(self, rows: Int64[Tensor, " m"] | slice) -> Noise:
        """The noise of some of the images."""
        return Noise(self.seed, self.indices[rows])

    def bits(self, draw: int, *shape: int) -> Int64[Tensor, n * shape]:
        """64 random bits for each element of an image of this shape."""
        key = _mix(self.indices * _signed(_GOLDEN) + _signed(self.seed))
        key = _mix(key + _signed(_GOLDEN * (draw + 1)))
        steps = torch.arange(1, math.prod(shape) + 1, device=key.device) * _signed(_GOLDEN)
        return _mix(key[:, None] + steps).view(-1, *shape)

    def uniform(self, draw: int, *shape: int) -> Float[Tensor, n * shape]:
        """float32 in [0, 1), multiples of 2⁻²⁴."""
        return (self.bits(draw, *shape) >> 40).bitwise_and_(2**24 - 1).float().mul_(2.0**-24)

    def signs(self, draw: int, *shape: int) -> Float[Tensor, n * shape]:
        """-1 or 1, evenly."""
        return (self.bits(draw, *shape) >= 0).float().mul_(2).sub_(1)

    def normal(self, draw: int, *shape: int) -> Float[Tensor, n * shape]:
        """Standard normal float32. Source: Box & Muller 1958."""
        first, second = self.uniform(draw, 2, *shape).unbind(1)
        return (1 - first).log_().mul_(-2).sqrt_() * second.mul_(2 * math.pi).cos_()


def as_noise(source: torch.Generator | Noise, x: Float[Tensor, "n c h w"]) -> Noise:
    """The noise of the images x, drawn on their device: the one given, or one seeded by the generator's next number."""
    if isinstance(source, Noise):
        return Noise(source.seed, source.indices.to(x.device))
    seed = torch.randint(2**62, (), generator=source, device=source.device)
    return Noise(int(seed), torch.arange(len(x), device=x.device))
