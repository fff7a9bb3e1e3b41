"""FAB, the part of AutoAttack that is not ours: borrowed from pyautoattack where that is installed.

Source: Croce & Hein 2020 ("Minimally distorted adversarial examples with a fast adaptive boundary attack").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata, util
from typing import Any

import torch
from torch import Tensor, nn

from robust_core.attacks import BALLS, Ball
from robust_core.cards import Borrowed

PACKAGE = "pyautoattack"
NORMS = {"linf": "Linf", "l2": "L2"}


def fab_is_here() -> bool:
    return util.find_spec(PACKAGE) is not None


@dataclass(frozen=True, kw_only=True)
class Fab:
    """Targeted FAB as in AutoAttack standard: towards each of the `targets` nearest classes, one start at the image.

    It searches the nearest image of another class; what lies further than eps is given back as the image itself.
    With one start it draws no random numbers.
    """

    norm: str = "linf"
    eps: float = 0.1
    steps: int = 100
    targets: int = 9

    @property
    def ball(self) -> Ball:
        return BALLS[self.norm](self.eps)

    def borrowed(self) -> Borrowed:
        settings: dict[str, float | int | str] = {
            "norm": self.norm,
            "eps": self.eps,
            "steps": self.steps,
            "targets": self.targets,
        }
        return Borrowed(package=PACKAGE, version=metadata.version(PACKAGE), name="FAB-T", settings=settings)

    def run(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The images; those already misclassified come back as they are."""
        with torch.no_grad():
            classes = model(x[:1]).shape[1]
        make: Callable[..., Any] = import_module(f"{PACKAGE}.fab_pt").FABAttack_PT
        attack = make(
            model,
            norm=NORMS[self.norm],
            n_restarts=1,
            n_iter=self.steps,
            eps=self.eps,
            seed=0,
            targeted=True,
            device=x.device,
            n_target_classes=min(self.targets, classes - 1),
        )
        here = [x.device.index or 0] if x.device.type == "cuda" else []
        with torch.random.fork_rng(devices=here):  # it seeds the process-wide generators
            images: Tensor = attack.perturb(x, y)
        return images.detach()
