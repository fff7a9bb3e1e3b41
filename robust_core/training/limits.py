"""What visitors may ask of the machine: settings of the deployment, in environment variables, with sane defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from robust_core.batches import cores
from robust_core.types import UserError

OFF = ("off", "0", "no", "false")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """running: runs at once. queued: runs that wait. hours: of one run, over all its resumes. disk_mb: of all runs.

    Runs in the background keep to all of them; `train` in the foreground keeps to `training` alone.
    """

    training: bool
    running: int
    queued: int
    hours: float
    disk_mb: float


def limits() -> Limits:
    """The limits as they are set now. Raises UserError, naming the variable, for a value that is no number > 0."""
    return Limits(
        training=os.environ.get("ROBUSTLENS_TRAINING", "on").strip().lower() not in OFF,
        running=max(1, int(_number("ROBUSTLENS_MAX_RUNNING", gpus() or max(1, cores() // 2)))),
        queued=int(_number("ROBUSTLENS_MAX_QUEUED", 20)),
        hours=_number("ROBUSTLENS_MAX_RUN_HOURS", 24),
        disk_mb=_number("ROBUSTLENS_MAX_DISK_MB", 10_000),
    )


def refuse_when_off() -> None:
    """Raises UserError where this deployment does not train."""
    if not limits().training:
        raise UserError("training is switched off here (ROBUSTLENS_TRAINING=off); install RobustLens where it is not")


def gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UserError(f"{variable} must be a number ≥ 0; got {text!r}; unset it for {default:g}")
    return value
