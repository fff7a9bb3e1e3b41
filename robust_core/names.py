"""Objectives and architectures by the names people give them."""

from __future__ import annotations

CALLED = {
    "standard": "Standard", "adversarial": "PGD-AT", "trades": "TRADES", "ard": "ARD", "rslad": "RSLAD",
    "fair_rslad": "Fair-RSLAD", "absld": "ABSLD", "mtard": "MTARD", "b_mtard": "B-MTARD",
    "residual": "residual net", "aw_net": "AW-Net", "moe": "MoE", "resnet18": "ResNet-18", "resnet56": "ResNet-56",
    "preact_resnet18": "PreActResNet-18", "mobilenet_v2": "MobileNetV2", "wrn_34_10": "WideResNet-34-10",
    "aw_resnet18": "AW-Net over ResNet-18", "aw_mobilenet_v2": "AW-Net over MobileNetV2",
}  # fmt: skip


def called(name: str) -> str:
    """The name among people; what is not known goes by the one it was registered under."""
    return CALLED.get(name, name)
