"""Files of tensors that nobody vouches for (.pt, .pth, .safetensors), read without running anything in them."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from robust_core.types import UserError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PREFIXES = ("module.", "model.", "net.", "basic_net.")


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by key, without wrappers, prefixes and counters (`num_batches_tracked`, of no use here).

    Raises UserError where the file cannot be read, holds code, no state dict, or tensors that are not finite.
    """
    held = _read(path)
    while isinstance(held, Mapping) and (inside := [k for k in WRAPPERS if isinstance(held.get(k), Mapping)]):
        held = held[inside[0]]
    if not isinstance(held, Mapping):
        raise UserError(f"{path.name} holds no state dict but a {type(held).__name__}")
    if not any(isinstance(value, Tensor) for value in held.values()):
        raise UserError(f"{path.name} holds no state dict; its keys are: {listed(map(str, held)) or 'none'}")
    tensors = {str(key): value for key, value in held.items() if not str(key).endswith("num_batches_tracked")}
    strange = [key for key, value in tensors.items() if not _is_plain(value)]
    if strange:
        raise UserError(f"{path.name} is not a plain state dict: no dense tensor of floats under {listed(strange)}")
    broken = [key for key, value in tensors.items() if not bool(value.isfinite().all())]
    if broken:
        raise UserError(f"{path.name}: {listed(broken)} hold numbers that are not finite")
    bare = [bare_key(key) for key in tensors]
    twice = [key for key, count in Counter(bare).items() if count > 1]
    if twice:
        raise UserError(f"{path.name} holds several networks: {listed(twice)} are there more than once; save one alone")
    return dict(zip(bare, tensors.values(), strict=True))


def _read(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        _refuse_packed(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise UserError(f"{path.name} is not a .safetensors file: {error}") from error
    except Exception as error:  # whatever the reader trips over: the file is no plain state dict
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        why = f"it would run code ({code[1]})" if code else "it cannot be read as one"
        raise UserError(
            f"{path.name} is not a plain state dict: {why}; save it with torch.save(net.state_dict(), path)"
        ) from error


def _is_plain(value: Any) -> bool:
    """Whether a value of a state dict is a dense tensor of floats with its numbers in memory."""
    return (
        isinstance(value, Tensor)
        and value.dtype in FLOATS
        and value.layout == torch.strided
        and not (value.is_quantized or value.is_meta)
        # An expanded view claims more numbers than the file holds: looking at them would fill the memory.
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def bare_key(key: str) -> str:
    """Without the prefixes that wrappers put before a network's own keys."""
    while prefix := next((p for p in PREFIXES if key.startswith(p)), ""):
        key = key.removeprefix(prefix)
    return key


def _refuse_packed(path: Path) -> None:
    """torch.save stores its zip without packing it: one that unpacks to far more was made to fill the memory."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as held:
        total = sum(info.file_size for info in held.infolist())
    if total > 2 * path.stat().st_size + 2**20:
        raise UserError(
            f"{path.name} unpacks to {total / 2**20:.0f} MiB, far more than it holds; save it with torch.save"
        )


def listed(names: Any, most: int = 3) -> str:
    """The first names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
