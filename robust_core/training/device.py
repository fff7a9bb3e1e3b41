"""Where a network is trained and measured: one name, checked against what this machine has."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from robust_core.training.recipe import Recipe
from robust_core.types import UserError


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is cuda where there is one, else mps, else cpu. Raises UserError for a device this machine lacks."""
    present: Iterable[str] = [
        *(["cuda"] if torch.cuda.is_available() else []),
        *(["mps"] if torch.backends.mps.is_available() else []),
        "cpu",
    ]
    if name == "auto":
        return torch.device(next(iter(present)))
    if name.split(":")[0] not in present:
        raise UserError(f"device {name!r} is not here; this machine has: {', '.join(present)}")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r} is not one; write {', '.join(present)}, or cuda:1 for the second") from error


def settled(recipe: Recipe, device: torch.device) -> Recipe:
    """The recipe with its precision named, so that a run is resumed in the one it was begun in, wherever that is."""
    named = "bfloat16" if choose_precision(recipe.precision, device) == torch.bfloat16 else "float32"
    return recipe.model_copy(update={"precision": named})


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type of the passes. "auto" is bfloat16 where the device computes in it rather than imitating it."""
    if name == "auto":
        name = "bfloat16" if _has_bfloat16(device) else "float32"
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))
