"""The geometry of an attack: a Ball says which perturbations are allowed, which way is up, and how to come back.

The promise: for every image the ball hands out, |x' - x| ≤ eps and 0 ≤ x' ≤ 1 hold exactly in float32, not nearly.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from robust_core.attacks.noise import Noise, as_noise
from robust_core.types import UserError

Images = Float[Tensor, "n c h w"]
Project = Callable[[Images], Images]

LAST_BIT = 2.0**-25  # by how much a number in [0, 1] moves, at most, when it is rounded to float32


def per_image(values: Float[Tensor, " n"]) -> Float[Tensor, "n 1 1 1"]:
    """One number an image, shaped to act on the image's pixels."""
    return values[:, None, None, None]


def _wide_type(like: Tensor) -> torch.dtype:
    """float64, where sums of float32 are exact enough to judge by; Apple's GPUs have none and judge in float32."""
    return torch.float32 if like.device.type == "mps" else torch.float64


def _wide(values: Tensor) -> Tensor:
    return values.to(_wide_type(values))


def _length(flat: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
    """Euclidean length of each row, summed in the wide type."""
    length: Tensor = torch.linalg.vector_norm(flat, dim=1, keepdim=True, dtype=_wide_type(flat))
    return length


def _rounded_down(eps: Tensor) -> Tensor:
    """The largest float32 not above each eps: bounds computed from it hold in float32 and in float64."""
    nearest = eps.float()
    return torch.where(nearest.double() > eps.double(), torch.nextafter(nearest, nearest.new_tensor(-1.0)), nearest)


@dataclass(frozen=True)
class Ball(ABC):
    """All images within eps of x (pixel units of [0, 1]) that are images: 0 ≤ x' ≤ 1.

    eps: one number for all images, or a tensor (N,), one for each. Raises UserError for eps < 0 or not finite.
    """

    eps: float | Float[Tensor, " n"]

    def __post_init__(self) -> None:
        if isinstance(self.eps, Tensor):
            fits = self.eps.ndim == 1 and bool((self.eps.isfinite() & (self.eps >= 0)).all())
        else:
            fits = math.isfinite(self.eps) and self.eps >= 0
        if not fits:
            raise UserError(f"eps must be a number ≥ 0 in pixel units of [0, 1], or one such an image; got {self.eps}")

    def of(self, rows: Int64[Tensor, " m"] | slice) -> Self:
        """The ball of some of the images."""
        if not isinstance(self.eps, Tensor):
            return self
        return type(self)(self.eps[rows.to(self.eps.device) if isinstance(rows, Tensor) else rows])

    def radius(self, x: Images) -> Float[Tensor, "n 1 1 1"]:
        """eps per image, rounded down to float32 (then a float32 bound is a bound in real numbers too)."""
        if not isinstance(self.eps, Tensor):
            return per_image(_rounded_down(torch.tensor([self.eps], dtype=torch.float64)).to(x.device).expand(len(x)))
        if len(self.eps) != len(x):
            raise UserError(f"a ball with {len(self.eps)} values of eps does not fit {len(x)} images")
        return per_image(_rounded_down(self.eps.cpu()).to(x.device))

    @abstractmethod
    def ascend(self, gradient: Images) -> Images:
        """The steepest direction of length one (in the ball's norm), per image; zero where the gradient is zero."""

    @abstractmethod
    def around(self, x: Images) -> Project:
        """`project` for one x and many x': what depends on x alone is worked out once."""

    def project(self, x_adv: Images, x: Images) -> Images:
        """An allowed image on the edge, near x_adv; images already allowed come back unchanged, bit for bit.

        L-inf: the nearest. L2: clipped to [0, 1], then shrunk towards x: the nearest unless pixels were clipped.
        """
        nearest: Images = self.around(x)(x_adv)
        return nearest

    @abstractmethod
    def random(self, x: Images, generator: torch.Generator | Noise, *, draw: int = 0) -> Images:
        """One allowed image per x, uniform in the ball, then clipped to [0, 1]. draw: which of a Noise's draws."""

    @abstractmethod
    def distance(self, x_adv: Images, x: Images) -> Float[Tensor, " n"]:
        """The ball's norm of x' - x per image."""


@dataclass(frozen=True)
class Linf(Ball):
    """No pixel changes by more than eps."""

    def ascend(self, gradient: Images) -> Images:
        return gradient.sign()

    def around(self, x: Images) -> Project:
        lower, upper = self.bounds(x)
        return lambda x_adv: torch.clamp(x_adv, lower, upper)

    def bounds(self, x: Images) -> tuple[Images, Images]:
        """The lowest and highest allowed image. x ± radius may round outwards by one step: then one step back."""
        r = self.radius(x)
        lower, upper = (x - r).clamp_(min=0), (x + r).clamp_(max=1)
        exact, most = _wide(x), _wide(r)
        lower = torch.where(exact - _wide(lower) > most, torch.nextafter(lower, x), lower)
        upper = torch.where(_wide(upper) - exact > most, torch.nextafter(upper, x), upper)
        return lower, upper

    def random(self, x: Images, generator: torch.Generator | Noise, *, draw: int = 0) -> Images:
        uniform = as_noise(generator, x).uniform(draw, *x.shape[1:]).to(x)
        return self.project(x + uniform.mul_(2).sub_(1) * self.radius(x), x)

    def distance(self, x_adv: Images, x: Images) -> Tensor:
        largest: Tensor = (x_adv - x).abs().flatten(1).amax(dim=1)
        return largest


@dataclass(frozen=True)
class L2(Ball):
    """The Euclidean length of the change is at most eps."""

    def ascend(self, gradient: Images) -> Images:
        # Squares of gradients as small as 1e-30 would vanish in float32. A broken gradient leads nowhere.
        flat = gradient.flatten(1)
        length = _length(flat).clamp_(min=1e-37).to(flat.dtype)
        direction: Images = (flat / length).nan_to_num_(0, 0, 0).view_as(gradient)
        return direction

    def around(self, x: Images) -> Project:
        most = self.radius(x).to(_wide_type(x))
        # A hair short of the edge, so that rounding x + δ to float32 cannot carry it over.
        edge = (most * (1 - 1e-5) - LAST_BIT * math.sqrt(x[0].numel() if len(x) else 0)).clamp_(min=0)

        def project(x_adv: Images) -> Images:
            # Clip, then shrink: x is itself an image, so shrinking towards it stays in [0, 1].
            clipped = x_adv.clamp(0, 1)
            change = clipped - x
            length = per_image(_length(change.flatten(1))[:, 0])
            if bool(((length - most).abs() <= 1e-6 * most).any()):  # too near to tell from rounded differences
                length = per_image(_length(_wide(clipped).sub_(_wide(x)).flatten(1))[:, 0])
            shrunk = torch.addcmul(x, change, (edge / length.clamp(min=1e-37)).to(x.dtype))
            return torch.where(length <= most, clipped, shrunk)

        return project

    def random(self, x: Images, generator: torch.Generator | Noise, *, draw: int = 0) -> Images:
        noise = as_noise(generator, x)
        share = noise.uniform(2 * draw, 1, 1, 1).pow_(1 / x[0].numel()).to(x)
        direction = self.ascend(noise.normal(2 * draw + 1, *x.shape[1:]).to(x))
        return self.project(x + direction * (share * self.radius(x)), x)

    def distance(self, x_adv: Images, x: Images) -> Tensor:
        return _length((_wide(x_adv) - _wide(x)).flatten(1))[:, 0].to(x.dtype)


BALLS: dict[str, type[Ball]] = {"linf": Linf, "l2": L2}


def quantise(x_adv: Images, x: Images, ball: Ball) -> UInt8[Tensor, "n c h w"]:
    """The 8-bit images near x_adv that, read back as pixel / 255 in float32, are still in the ball around x.

    L-inf: the nearest such image. L2: rounding is undone, towards x, at the pixels where that costs least for what it
    saves, until the image is inside. Raises UserError where there is none (x is not 8-bit itself, and eps is tiny).
    """
    grid = torch.arange(256, device=x.device, dtype=torch.uint8).float().div_(255)
    nearest = (x_adv.clamp(0, 1) * 255).round_()
    if isinstance(ball, Linf):
        lower, upper = ball.bounds(x)
        first = torch.searchsorted(grid, lower.contiguous()).float()
        last = torch.searchsorted(grid, upper.contiguous(), right=True).float() - 1
        chosen, fits = nearest.clamp(first, last), bool((first <= last).all())
    else:
        chosen = _shortened(nearest, x_adv * 255, x, grid, ball)
        length = (_wide(grid[chosen.long()]) - _wide(x)).flatten(1).norm(dim=1)
        fits = bool((length <= _wide(ball.radius(x)).flatten()).all())
    if not fits:
        raise UserError(f"no 8-bit image lies within eps = {ball.eps} of these images: they are not 8-bit themselves")
    return chosen.to(torch.uint8)


def _shortened(nearest: Images, wanted: Images, x: Images, grid: Tensor, ball: Ball) -> Images:
    """`nearest` with as few pixels as needed moved to the other side of `wanted` (all in 1/255), towards x."""
    closer = torch.where(x * 255 > wanted, wanted.ceil(), wanted.floor())
    closer = torch.where((closer - nearest).abs() > 0, closer, nearest).clamp_(0, 255)

    def square(pixels: Images) -> Tensor:
        return (_wide(grid[pixels.long()]) - _wide(x)).square().flatten(1)

    full = square(nearest)
    saved = full - square(closer)
    cost = ((closer - wanted).abs() - (nearest - wanted).abs()).flatten(1).clamp(min=0)
    order = (saved / (cost + 1e-9)).argsort(dim=1, descending=True)
    excess = full.sum(dim=1, keepdim=True) - _wide(ball.radius(x)).flatten(1).square()
    gathered = saved.gather(1, order).cumsum(dim=1)
    # A pixel is moved while those before it have not yet saved enough; a hair more, for the rounding of the sums.
    moved = (gathered - saved.gather(1, order)) < excess + 1e-9
    chosen = torch.zeros_like(moved).scatter(1, order, moved & (excess > 0))
    return torch.where(chosen.view_as(nearest), closer, nearest)
