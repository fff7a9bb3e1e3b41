"""The loss around one image, on a plane: along the attack's δ one way, a random orthogonal direction the other.

Points outside the image cube [0, 1] are evaluated as they are. Clipping them would bend the plane: on images with much
pure black and white half of every step would do nothing, and the surface would look flat where the network is not.
How much of each point lies outside is reported beside the loss, so that nobody takes it for a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from robust_core.attacks.losses import cross_entropy, margin
from robust_core.types import UserError, trace

Draw = Literal["rademacher", "gaussian"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """x(a, b) = x + a·direction_a + b·direction_b on a grid; every grid is indexed [b, a].

    a, b: (n,), in lengths of direction_a; 0 and 1 are always on the grid. loss: cross-entropy, nats. margin: in
    logits, below zero = misclassified. predicted: class, -1 where the logits are not finite (loss and margin are NaN
    there). outside: share of pixels beyond [0, 1]. length: of direction_a, L2, pixel units.
    """

    a: Float[Tensor, " n"]
    b: Float[Tensor, " n"]
    loss: Float[Tensor, "n n"]
    margin: Float[Tensor, "n n"]
    predicted: Int64[Tensor, "n n"]
    outside: Float[Tensor, "n n"]
    true: int
    length: float


def loss_surface(
    model: nn.Module,
    x: Float[Tensor, "c h w"],
    y: int,
    *,
    direction_a: Float[Tensor, "c h w"],
    direction_b: Float[Tensor, "c h w"] | None = None,
    generator: torch.Generator | None = None,
    draw: Draw = "rademacher",
    extent: float = 2.0,
    n: int = 21,
    batch: int = 256,
) -> Surface:
    """The surface over [-extent, extent]² around one image (C, H, W), n × n points, `batch` images a call.

    direction_a: usually the attack's δ, so that (0, 0) is the clean image and (1, 0) the adversarial one. direction_b:
    by default drawn from `generator`; drawn or given, it is made orthogonal to direction_a and as long. The model
    should be in eval mode.
    Raises UserError for a direction of length zero, a missing generator and settings out of range.
    """
    if n < 3 or not extent >= 1:
        raise UserError(
            f"a surface needs n ≥ 3 points a side and extent ≥ 1, to show (1, 0); got n={n}, extent={extent}"
        )
    if x.ndim != 3 or direction_a.shape != x.shape or (direction_b is not None and direction_b.shape != x.shape):
        raise UserError(
            f"image and directions must be one (C, H, W) shape, got {tuple(x.shape)} and directions beside it"
        )
    length = float(direction_a.norm())
    if not 0 < length < float("inf"):
        raise UserError("direction_a has length zero: attack the image first, with eps > 0")
    if direction_b is None:
        direction_b = _drawn(direction_a, generator, draw)
    direction_b = _orthogonal(direction_b, direction_a)
    ticks = _ticks(extent, n).to(x)
    grid_b, grid_a = torch.meshgrid(ticks, ticks, indexing="ij")
    points = torch.stack([grid_a.flatten(), grid_b.flatten()], dim=1)
    parts = [_evaluated(model, x, y, direction_a, direction_b, rows) for rows in points.split(batch)]
    loss, gap, predicted, outside = (torch.cat(column).view(n, n) for column in zip(*parts, strict=True))
    return Surface(
        a=ticks, b=ticks.clone(), loss=loss, margin=gap, predicted=predicted, outside=outside, true=y, length=length
    )


@torch.no_grad()
def _evaluated(
    model: nn.Module, x: Tensor, y: int, along: Tensor, across: Tensor, points: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    a, b = points[:, 0, None, None, None], points[:, 1, None, None, None]
    images = x + a * along + b * across
    logits = trace(model, images).logits
    if not 0 <= y < logits.shape[1]:
        raise UserError(f"y must be a class in [0, {logits.shape[1]}), got {y}")
    classes = torch.full((len(points),), y, dtype=torch.int64, device=x.device)
    finite = logits.isfinite().all(dim=1)
    nothing = torch.full((), float("nan"), dtype=logits.dtype, device=x.device)
    return (
        torch.where(finite, cross_entropy(logits, classes, targeted=False), nothing),
        torch.where(finite, margin(logits, classes), nothing),
        torch.where(finite, logits.argmax(dim=1), -1),
        ((images < 0) | (images > 1)).float().mean(dim=(1, 2, 3)),
    )


def _ticks(extent: float, n: int) -> Tensor:
    """Even steps, but that the ones nearest to 0 and 1 are moved onto them: both images are exactly on the grid."""
    ticks = torch.linspace(-extent, extent, n)
    zero = int(ticks.abs().argmin())
    one = max(int((ticks - 1).abs().argmin()), zero + 1)
    ticks[zero], ticks[one] = 0.0, 1.0
    return ticks


def _drawn(like: Tensor, generator: torch.Generator | None, draw: Draw) -> Tensor:
    if draw not in get_args(Draw):
        raise UserError(f"unknown draw {draw!r}; known: {', '.join(get_args(Draw))}")
    if generator is None:
        raise UserError("a random direction needs a generator: pass torch.Generator().manual_seed(...), or direction_b")
    if draw == "gaussian":
        return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)
    return (torch.randint(0, 2, like.shape, generator=generator) * 2 - 1).to(like)


def _orthogonal(vector: Tensor, to: Tensor) -> Tensor:
    """The part of `vector` at right angles to `to`, as long as `to`."""
    unit = to / to.norm()
    before = vector.norm()
    for _ in range(2):  # the second pass takes away what rounding left
        vector = vector - (vector * unit).sum() * unit
    if not float(vector.norm()) > 1e-4 * float(before):
        raise UserError("direction_b is parallel to direction_a: choose another direction or another seed")
    turned: Tensor = vector / vector.norm() * to.norm()
    return turned
