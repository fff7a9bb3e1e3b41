"""Dividing an image set in two, class by class and repeatably."""

from __future__ import annotations

import torch

from robust_core.types import ImageSet, UserError


def holdout(train: ImageSet, n: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """The images without `n` held-out ones, and those: (rest, held_out), both in their old order.

    Each class gives its share of `n`, to within one image. The same set, n and seed give the same division on every
    machine. Raises UserError unless 0 <= n < len(train).
    """
    if not 0 <= n < len(train):
        raise UserError(f"held-out images: must be in [0, {len(train) - 1}] for {train.name!r}, got {n}")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(train), generator=generator)
    counts = torch.bincount(train.labels, minlength=len(train.class_names))
    shares = counts.double() * n / len(train)
    quota = shares.long()
    # What rounding down left over goes to the largest remainders; equal ones by class number.
    for k in torch.argsort(shares - quota, descending=True, stable=True)[: n - int(quota.sum())]:
        quota[k] += 1
    held = torch.zeros(len(train), dtype=torch.bool)
    for k, share in enumerate(quota.tolist()):
        held[order[train.labels[order] == k][:share]] = True
    return train.subset(~held), train.subset(held)
