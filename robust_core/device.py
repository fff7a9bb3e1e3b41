"""Where a network is trained and measured, and in which precision: checked against what this machine has."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from robust_core.registry import unknown
from robust_core.types import UserError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is cuda where there is one, else mps, else cpu. Raises UserError for a device this machine lacks.

    On CUDA convolutions are then made in the float32 that they are given, not in TF32, and the same way each time: what
    is called float32 is, and a run repeats. Who wants speed there takes bfloat16.
    """
    present: Iterable[str] = [
        *(["cuda"] if torch.cuda.is_available() else []),
        *(["mps"] if torch.backends.mps.is_available() else []),
        "cpu",
    ]
    if name == "auto":
        name = next(iter(present))
    if name.split(":")[0] not in present:
        raise UserError(f"device {name!r} is not here; this machine has: {', '.join(present)}")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r} is not one; write {', '.join(present)}, or cuda:1 for the second") from error
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type of the passes. "auto" is bfloat16 where the device computes in it rather than imitating it.

    Raises UserError for a name that is none, and for float64 where the device has none.
    """
    if name == "auto":
        name = "bfloat16" if _has_bfloat16(device) else "float32"
    if name == "float64" and device.type == "mps":
        raise UserError('Apple\'s GPUs have no float64; take precision = "float32", or --device cpu')
    if name not in PRECISIONS:
        raise unknown("precision", name, ["auto", *PRECISIONS])
    return PRECISIONS[name]


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was given: a clock read before that times the giving."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def name_of(precision: torch.dtype) -> str:
    """As recipes and cards have it: "bfloat16"."""
    return str(precision).removeprefix("torch.")


def of_weights(precision: torch.dtype) -> torch.dtype:
    """What weights are kept in where passes are in `precision`: bfloat16 would swallow small steps."""
    return torch.float64 if precision == torch.float64 else torch.float32


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))
