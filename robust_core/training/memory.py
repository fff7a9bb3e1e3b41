"""How much memory a recipe takes, before it takes it: refused with the estimate where the machine has less.

An estimate: images, weights in all their copies, what autograd keeps of two passes, and a share for what comes and
goes inside them. Peaks measured on a CPU (residual, AW-Net, MoE; batches of 64 to 512) were 0.8 to 1.15 times it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from robust_core import ranks
from robust_core.device import choose_precision, of_weights
from robust_core.models import build
from robust_core.training.loop import fresh_network
from robust_core.training.recipe import Recipe
from robust_core.types import Classifier, ImageSet, UserError

PROGRAM = 350e6  # bytes: Python with torch, before anything is loaded
COPIES = 8  # of the weights: net, gradient, momentum, frozen view, running mean, validation's two, one to be written
TEACHERS = 2  # copies of a teacher: as loaded, and its frozen view
PASSES = 2  # that autograd keeps at once: clean and adversarial
PASSING = 1.6  # with what comes and goes beside what is kept
JUDGED = 256  # images in a batch of validation, attacked


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes. data: the images, twice, for those held out are a copy. activations: of the largest batch."""

    parameters: int  # a number, not bytes
    data: float
    weights: float
    activations: float
    program: float = PROGRAM

    @property
    def total(self) -> float:
        return self.program + self.data + self.weights + self.activations

    def describe(self) -> str:
        """One line for people, in MB."""
        parts = ("activations", "weights", "data", "program")
        return f"about {self.total / 1e6:,.0f} MB ({', '.join(f'{p} {getattr(self, p) / 1e6:,.0f}' for p in parts)})"


def memory(
    recipe: Recipe, train: ImageSet, device: torch.device, teachers: Mapping[str, Classifier] | None = None
) -> Memory:
    """What one process training this recipe takes there; of several, its part. Runs the network on four images, on the
    CPU. Teachers weigh, but keep no activations."""
    without = memory_of_weights(recipe, train, teachers)
    dtype = choose_precision(recipe.precision, device)
    net = fresh_network(recipe, train).to(of_weights(dtype)).train()
    few, more = _kept(net, train, 2, dtype), _kept(net, train, 4, dtype)
    images = max(recipe.schedule.batch_size * PASSES // ranks.world(), JUDGED)
    return replace(without, activations=(more - few) / 2 * images * PASSING)


def memory_of_weights(recipe: Recipe, train: ImageSet, teachers: Mapping[str, Classifier] | None = None) -> Memory:
    """The same without activations, from shapes alone: a network that would fill the machine is not built to know."""
    parameters = sum(p.numel() for p in bare_network(recipe, train).parameters())
    taught = sum(p.numel() for teacher in (teachers or {}).values() for p in teacher.parameters())
    size = 8.0 if recipe.precision == "float64" else 4.0
    weights = size * (parameters * COPIES + taught * TEACHERS)
    return Memory(parameters=parameters, data=2.0 * train.images.nbytes, weights=weights, activations=0.0)


def bare_network(recipe: Recipe, train: ImageSet) -> Classifier:
    """The recipe's network without its numbers."""
    with torch.device("meta"):
        model, k = recipe.model, len(train.class_names)
        return build(model.architecture, in_channels=train.shape[0], num_classes=k, **model.options)


def available(device: torch.device) -> float:
    """Free bytes on the device; infinite where the system does not tell."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return float(free)
    least = float("inf")
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        least = next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        group = Path("/sys/fs/cgroup")  # a container may have less than its machine
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        if limit.isdigit():
            used = float((group / "memory.current").read_text(encoding="ascii"))
            stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
            least = min(least, float(limit) - used + float(stat.get("inactive_file", 0)))  # caches give way
    except (OSError, StopIteration):
        return least
    return least


def refuse_too_large(needed: Memory, device: torch.device) -> None:
    """Raises UserError, with the estimate, where the device has less than that free."""
    free = available(device)
    several = ranks.beside() if device.type == "cpu" else 1  # on GPUs each has its own
    if needed.total * several > free:
        cure = "a smaller schedule.batch_size, or a narrower network, takes less"
        if not needed.activations:  # by its weights alone
            cure = "a narrower network takes less"
        each = f" in each of {several} processes" if several > 1 else ""
        raise UserError(
            f"this recipe takes {needed.describe()}{each}, and {device} has {free / 1e6:,.0f} MB free: {cure}"
        )


def _kept(net: torch.nn.Module, train: ImageSet, n: int, dtype: torch.dtype) -> int:
    """Bytes that autograd keeps of one pass of n images in this precision, without the weights."""
    ours = {p.untyped_storage().data_ptr() for p in net.parameters()}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # or an address might be given out twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in ours:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    autocast = torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16)
    with autocast, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        x = torch.rand(n, *train.shape, generator=torch.Generator().manual_seed(0))
        net(x.to(of_weights(dtype)))
    return sum(kept.values())
