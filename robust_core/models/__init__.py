"""Architectures by name. `build("residual", in_channels=1, num_classes=10, width=32)` makes one with fresh weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

from robust_core.models.aw_net import AWNet
from robust_core.models.resnet import ResidualNet
from robust_core.registry import Registry, unknown
from robust_core.types import Classifier, UserError

ARCHITECTURES: Registry[Callable[..., Classifier]] = Registry("architecture")
ARCHITECTURES.register("residual")(ResidualNet)
ARCHITECTURES.register("aw_net")(AWNet)


def build(name: str, *, in_channels: int, num_classes: int, seed: int | None = None, **options: Any) -> Classifier:
    """A fresh network. seed fixes its initial weights and leaves the process-wide generator as it was.

    Raises UserError for an unknown architecture or option, with the nearest known name, or a value it cannot take.
    """
    make = ARCHITECTURES[name]
    known = [p for p in inspect.signature(make).parameters if p not in ("norm", "in_channels", "num_classes")]
    for option in options:
        if option not in known:
            raise unknown(f"option of {name}", option, known)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        try:
            return make(in_channels=in_channels, num_classes=num_classes, **options)
        except UserError:
            raise
        except (TypeError, RuntimeError, ValueError) as error:
            raise UserError(f"architecture {name!r} cannot be built with {options}: {error}") from error


__all__ = ["ARCHITECTURES", "AWNet", "ResidualNet", "build"]
