"""Objectives by name: what a student is taught. Each is a small class with `loss(learner, batch) -> Terms`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

from robust_core.methods.adversarial import Adversarial
from robust_core.methods.learner import Batch, Learner, RouteTraining, Terms
from robust_core.methods.standard import Standard
from robust_core.registry import Registry, unknown
from robust_core.types import UserError


class Objective(Protocol):
    """The loop knows no method by name, only this."""

    def loss(self, learner: Learner, batch: Batch) -> Terms: ...


OBJECTIVES: Registry[Callable[..., Objective]] = Registry("objective")
OBJECTIVES.register("standard")(Standard)
OBJECTIVES.register("adversarial")(Adversarial)


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
