"""What a network costs to ask: parameters, multiply-adds, milliseconds an image, measured here and now."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from statistics import median
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from robust_core.device import synchronise
from robust_core.models import build
from robust_core.types import UserError

BATCH = 64
REPEATS = 30
MOST = 20_000_000  # weights of a network that is built only to be counted
WIDEST = 256  # pixels


Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Cost(BaseModel):
    """multiply_adds: of one image. one_ms: milliseconds of one image alone; batch_ms: of one in a batch. Medians of
    `repeats`; one_low, one_high: the quartiles. images: how many the network was asked for it. threads: of torch.
    processor: which one, "" where that is not known. day: as 2026-11-22.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    multiply_adds: int = Field(ge=0)
    one_ms: Milliseconds
    one_low: Milliseconds
    one_high: Milliseconds
    batch_ms: Milliseconds
    batch: int = Field(ge=1)
    repeats: int = Field(ge=1)
    images: int = Field(ge=1)
    threads: int = Field(ge=1)
    device: str = Field(max_length=40)
    processor: str = Field(default="", max_length=120)
    day: date

    @property
    def here(self) -> bool:
        """Was it timed on this machine's processor? Milliseconds of another one say nothing beside these."""
        return bool(self.processor) and self.processor == processor(self.device)

    def describe(self) -> str:
        """How it was measured, in one line."""
        plural = "" if self.threads == 1 else "s"
        where = f"{self.processor or 'a processor of unknown name'} ({self.device})"
        return (
            f"median of {self.repeats} on {where}, float32, {self.threads} thread{plural}, {self.images:,} images in "
            f"all, {self.day.isoformat()}"
        )


@lru_cache(maxsize=8)
def processor(device: str = "cpu") -> str:
    """The name of what computes on this machine, as "AMD EPYC 7R13 Processor".

    Where the system does not tell it: the architecture, and a number for this machine. "" where nothing is known.
    """
    if device.startswith("cuda"):
        number = int(device.partition(":")[2] or 0)
        return torch.cuda.get_device_name(number) if number < torch.cuda.device_count() else ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            named = next((line.partition(":")[2] for line in lines if line.startswith("model name")), "")
    except OSError:
        named = ""
    told = named.strip() or platform.processor()
    if told not in ("", platform.machine(), "arm", "i386"):
        return told[:120]
    # The name of an architecture alone would make two machines of different speed one.
    node = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    return f"{platform.machine()[:40]}, machine {node}" if platform.node() else ""


def cost(
    net: nn.Module,
    shape: tuple[int, int, int],
    *,
    batch: int = BATCH,
    repeats: int = REPEATS,
    tick: Callable[[], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Cost:
    """Of a net in eval mode, wherever it is. shape: (C, H, W) of an image. tick is called at each repeat, may raise.

    Black images; the time of these nets does not depend on what they see, but for a mixture's choice of experts.
    Raises UserError where batch or repeats are less than 1.
    """
    if batch < 1 or repeats < 1:
        raise UserError(f"batch and repeats must be 1 or more; got {batch} and {repeats}")
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    one, many = torch.zeros(1, *shape, device=device), torch.zeros(batch, *shape, device=device)
    alone = _timed(net, one, repeats, tick, clock)
    rounds = max(3, repeats // 6)
    together = _timed(net, many, rounds, tick, clock)
    return Cost(
        multiply_adds=multiply_adds(net, shape),
        one_ms=median(alone),
        one_low=alone[len(alone) // 4],
        one_high=alone[(3 * len(alone)) // 4],
        batch_ms=median(together) / batch,
        batch=batch,
        repeats=repeats,
        images=repeats + rounds * batch,
        threads=torch.get_num_threads(),
        device=str(device),
        processor=processor(str(device)),
        day=date.today(),
    )


@torch.no_grad()
def _timed(
    net: nn.Module, x: Tensor, repeats: int, tick: Callable[[], None] | None, clock: Callable[[], float]
) -> list[float]:
    """Milliseconds a call, ascending; the first calls, which set things up, are not counted."""
    times = []
    for number in range(repeats + 2):
        if tick is not None:
            tick()
        begun = clock()
        net(x)
        synchronise(x.device)
        elapsed = 1000 * (clock() - begun)
        if number >= 2:
            times.append(elapsed)
    return sorted(times)


@torch.no_grad()
def multiply_adds(net: nn.Module, shape: tuple[int, int, int]) -> int:
    """Of convolutions and matrix products for one black image: what is computed, not what is declared."""
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    counting = _Counting()
    with counting:
        net(torch.zeros(1, *shape, device=device))
    return counting.total


@lru_cache(maxsize=512)
def counted(architecture: str, options: str, shape: tuple[int, int, int], num_classes: int) -> int | None:
    """`multiply_adds` of a network as its card describes it, without its weights; None where that cannot be built.

    options: as JSON. Nothing is allocated, but for a mixture, whose convs must see an image: of MOST weights or fewer,
    else None; images are of WIDEST pixels a side or fewer, else None.
    """
    if max(shape) > WIDEST:
        return None
    try:
        with torch.device("meta"):  # shapes only
            net = build(architecture, in_channels=shape[0], num_classes=num_classes, **json.loads(options)).eval()
        try:
            return multiply_adds(net, shape)
        except NotImplementedError:
            if sum(p.numel() for p in net.parameters()) > MOST:
                return None
            net = build(architecture, in_channels=shape[0], num_classes=num_classes, **json.loads(options)).eval()
            return multiply_adds(net, shape)
    except (UserError, RuntimeError, ValueError, TypeError, OverflowError):
        return None  # a card may describe what no image passes through


class _Counting(TorchDispatchMode):
    """Counts multiply-adds of whatever runs inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.total: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in ("convolution", "_convolution", "mkldnn_convolution"):
            self.total += out.numel() * args[1][0].numel()  # an output is one product with a filter
        elif name in ("mm", "bmm"):
            self.total += out.numel() * args[0].shape[-1]
        elif name in ("addmm", "baddbmm"):
            self.total += out.numel() * args[1].shape[-1]
        return out
