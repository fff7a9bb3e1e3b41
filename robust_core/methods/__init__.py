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
from robust_core.registry import Registry, check_options, options

OBJECTIVES: Registry[Callable[..., Objective]] = Registry("objective")
OBJECTIVES.register("standard")(Standard)
OBJECTIVES.register("adversarial")(Adversarial)
OBJECTIVES.register("trades")(Trades)
OBJECTIVES.register("ard")(ARD)
OBJECTIVES.register("rslad")(partial(SoftLabels, temperatures=False, weights=False, margins=False))
OBJECTIVES.register("fair_rslad")(partial(SoftLabels, temperatures=False, weights=True, margins=False))
OBJECTIVES.register("absld")(SoftLabels)
OBJECTIVES.register("mtard")(TwoTeachers)
OBJECTIVES.register("b_mtard")(partial(TwoTeachers, balance_entropies=True))


def options_of(name: str) -> dict[str, inspect.Parameter]:
    """The options of an objective, without those that make it what it is: RSLAD with temperatures would be ABSLD."""
    factory = OBJECTIVES[name]
    fixed = factory.keywords if isinstance(factory, partial) else {}
    return {option: parameter for option, parameter in options(factory).items() if option not in fixed}


def class_of(name: str) -> type[Objective]:
    """The class behind an objective's name: RSLAD and ABSLD have one."""
    factory = OBJECTIVES[name]
    made_by = factory.func if isinstance(factory, partial) else factory
    assert isinstance(made_by, type)
    return made_by


def make(name: str, **given: Any) -> Objective:
    """An objective with its options. Raises UserError for unknown names, with the nearest known, and for bad values."""
    factory = OBJECTIVES[name]
    check_options(f"objective {name}", factory, given, options_of(name))
    return factory(**given)


__all__ = ["OBJECTIVES", "Batch", "Learner", "Objective", "RouteTraining", "Terms", "class_of", "make", "options_of"]
