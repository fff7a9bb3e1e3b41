"""Architectures by name. `build("residual", in_channels=1, num_classes=10, width=32)` makes one with fresh weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from robust_core.models.aw_net import AWNet
from robust_core.models.mobilenet_v2 import MobileNetV2
from robust_core.models.moe import MoENet
from robust_core.models.preact_resnet import PreActResNet
from robust_core.models.resnet import ResidualNet
from robust_core.models.wide_resnet import WideResNet
from robust_core.registry import Registry, check_options, options
from robust_core.types import Classifier, UserError

ARCHITECTURES: Registry[Callable[..., Classifier]] = Registry("architecture")
ARCHITECTURES.register("residual")(ResidualNet)
ARCHITECTURES.register("aw_net")(AWNet)
ARCHITECTURES.register("moe")(MoENet)
# The papers' networks: a preset is its class with other defaults, and so takes the class's options.
RESNET18: dict[str, Any] = {"width": 64, "blocks": (2, 2, 2, 2)}
MOBILENET_V2: dict[str, Any] = {"width": 32, "blocks": (1, 2, 3, 4, 3, 3, 1)}
ARCHITECTURES.register("resnet18")(partial(ResidualNet, **RESNET18))
ARCHITECTURES.register("resnet56")(partial(ResidualNet, width=16, blocks=(9, 9, 9)))
ARCHITECTURES.register("preact_resnet18")(PreActResNet)
ARCHITECTURES.register("mobilenet_v2")(MobileNetV2)
ARCHITECTURES.register("wrn_34_10")(WideResNet)
ARCHITECTURES.register("aw_resnet18")(partial(AWNet, **RESNET18))
ARCHITECTURES.register("aw_mobilenet_v2")(partial(AWNet, backbone=MobileNetV2, **MOBILENET_V2))

NOT_OPTIONS = ("in_channels", "num_classes", "norm", "backbone")  # named in `build` itself, or not text


def build(name: str, *, in_channels: int, num_classes: int, seed: int | None = None, **given: Any) -> Classifier:
    """A fresh network. seed fixes its initial weights and leaves the process-wide generator as it was.

    Raises UserError for an unknown architecture or option, with the nearest known name, or a value it cannot take.
    """
    make = ARCHITECTURES[name]
    check_options(name, make, given, [option for option in options(make) if option not in NOT_OPTIONS])
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        try:
            return make(in_channels=in_channels, num_classes=num_classes, **given)
        except UserError:
            raise
        except (TypeError, RuntimeError, ValueError) as error:
            raise UserError(f"architecture {name!r} cannot be built with {given}: {error}") from error


__all__ = ["ARCHITECTURES", "AWNet", "MoENet", "ResidualNet", "build"]
