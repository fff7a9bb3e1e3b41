"""Objectives by name: what a student is taught. Each is a small class with `loss(learner, batch) -> Terms`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from robust_core.methods.absld import SoftLabels
from robust_core.methods.adversarial import Adversarial
from robust_core.methods.ard import ARD
from robust_core.methods.learner import Batch, Learner, RouteTraining, Terms
from robust_core.methods.mtard import TwoTeachers
from robust_core.methods.objective import Objective
from robust_core.methods.standard import Standard
from robust_core.methods.trades import Trades
from robust_core.registry import Registry, unknown
from robust_core.types import UserError

OBJECTIVES: Registry[Callable[..., Objective]] = Registry("objective")
OBJECTIVES.register("standard")(Standard)
OBJECTIVES.register("adversarial")(Adversarial)
OBJECTIVES.register("trades")(Trades)
OBJECTIVES.register("ard")(ARD)
OBJECTIVES.register("rslad")(partial(SoftLabels, temperatures=False))
OBJECTIVES.register("fair_rslad")(partial(SoftLabels, temperatures=False, weights=True))
OBJECTIVES.register("absld")(SoftLabels)
OBJECTIVES.register("mtard")(TwoTeachers)
OBJECTIVES.register("b_mtard")(partial(TwoTeachers, balance_entropies=True))


def make(name: str, **options: Any) -> Objective:
    """An objective with its options. Raises UserError for unknown names, with the nearest known, and for bad values."""
    factory = OBJECTIVES[name]
    known = list(inspect.signature(factory).parameters)
    for option in options:
        if option not in known:
            raise unknown(f"option of objective {name}", option, known)
    try:
        return factory(**options)
    except TypeError as error:
        raise UserError(f"objective {name!r} cannot be made with {options}: {error}") from error


__all__ = ["OBJECTIVES", "Batch", "Learner", "Objective", "RouteTraining", "Terms", "make"]
