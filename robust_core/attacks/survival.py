"""Which images of a set a network still gets right: untouched, or under one attack. The count behind every accuracy."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from robust_core.attacks.run import run
from robust_core.attacks.settings import AttackSettings
from robust_core.batches import Progress, in_batches
from robust_core.types import ImageSet


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
    at_once: int | None = None,
) -> Bool[Tensor, " n"]:
    """True where the image is classified right; with an attack, right before and after it.

    model: attacked and asked, in eval mode. judge: asked in the model's place where the model is a faster view of it.
    indices: which image of its data set each is, 0 … n - 1 where not given; the attack's noise goes by it.
    at_once: batches in work together; as `in_batches` has it by default, and one on a GPU. progress(done, n) is called
    after each batch. The attack runs on images that are right to begin with, no others.
    """
    judge = judge or model
    known = torch.arange(len(images)) if indices is None else indices

    def stand(rows: slice) -> Tensor:
        index = torch.arange(rows.start, rows.stop)
        x, y = images.floats(index).to(device), images.labels[index].to(device)
        alive = _right(judge, x, y)
        if attack is not None and bool(alive.any()):
            keep = alive.nonzero()[:, 0]
            x_adv = run(attack, model, x[keep], y[keep], indices=known[index[keep.cpu()]])
            alive[keep] = _right(judge, x_adv, y[keep])
        return alive.cpu()

    if torch.device(device).type != "cpu":
        at_once = 1
    parts = in_batches(stand, len(images), batch_size, progress=progress, at_once=at_once)
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.bool)


@torch.no_grad()
def _right(model: nn.Module, x: Tensor, y: Tensor) -> Bool[Tensor, " n"]:
    right: Tensor = model(x).argmax(dim=1) == y
    return right
