"""How many steps an epoch has, and the learning rate and the random numbers of each."""

from __future__ import annotations

import hashlib
import math

import torch

from robust_core import ranks
from robust_core.training.recipe import Recipe, SchedulePart
from robust_core.types import UserError


def learning_rate(schedule: SchedulePart, step: int, total: int, per_epoch: int) -> float:
    """The rate of one step: linear rise over the warm-up, then the schedule's fall."""
    rise = schedule.warmup * total
    if step < rise:
        return schedule.lr * min(1.0, (step + 1) / rise)  # a rise need not be a whole number of steps
    if schedule.shape == "multistep":
        return schedule.lr * 0.1 ** sum(step >= m * per_epoch for m in schedule.milestones)
    done = (step - rise) / max(total - rise, 1)
    return schedule.lr * ((1 - done) if schedule.shape == "linear" else (1 + math.cos(math.pi * done)) / 2)


def steps_per_epoch(recipe: Recipe, n: int) -> int:
    """Whole batches in the n training images, without those held out; what is left over waits for the next shuffle.

    Raises UserError where there is not one, or where several processes cannot share a batch.
    """
    size, rest = recipe.schedule.batch_size, max(0, n - recipe.data.holdout)
    ranks.share(size)
    if size > rest:
        raise UserError(f"batch_size {size} is larger than the {rest} training images")
    return rest // size


def draw(seed: int, stream: str, number: int) -> torch.Generator:
    """The generator of one place in the run. Hashed: CPU generators look at 32 bits of their seed only."""
    digest = hashlib.blake2s(f"{seed}/{stream}/{number}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big"))
