"""Which images of a set a network still gets right: untouched, or under one attack. The count behind every accuracy."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from robust_core.attacks.run import run
from robust_core.attacks.settings import AttackSettings
from robust_core.types import ImageSet

Progress = Callable[[int, int], None]


def survivors(
    model: nn.Module,
    images: ImageSet,
    attack: AttackSettings | None,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
    progress: Progress | None = None,
    judge: nn.Module | None = None,
    indices: Int64[Tensor, " n"] | None = None,
) -> Bool[Tensor, " n"]:
    """True where the image is classified right; with an attack, right before and after it.

    model: attacked and asked, in eval mode. judge: asked in the model's place where the model is a faster view of it.
    indices: which image of its data set each is, 0 … n - 1 where not given; the attack's noise goes by it.
    progress(done, n) is called after each batch. The attack runs on images that are right to begin with, no others.
    """
    judge = judge or model
    known = torch.arange(len(images)) if indices is None else indices
    right = torch.zeros(len(images), dtype=torch.bool)
    for start in range(0, len(images), batch_size):
        index = torch.arange(start, min(start + batch_size, len(images)))
        x, y = images.floats(index).to(device), images.labels[index].to(device)
        alive = _right(judge, x, y)
        if attack is not None and bool(alive.any()):
            keep = alive.nonzero()[:, 0]
            x_adv = run(attack, model, x[keep], y[keep], indices=known[index[keep.cpu()]])
            alive[keep] = _right(judge, x_adv, y[keep])
        right[index] = alive.cpu()
        if progress is not None:
            progress(int(index[-1]) + 1, len(images))
    return right


@torch.no_grad()
def _right(model: nn.Module, x: Tensor, y: Tensor) -> Bool[Tensor, " n"]:
    right: Tensor = model(x).argmax(dim=1) == y
    return right
