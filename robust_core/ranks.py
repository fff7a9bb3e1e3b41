"""Several processes training one network, as `torchrun` starts them: who this one is, and sums over all of them.

A process that trains alone is rank 0 of 1; then every function here gives back what it was given, to the bit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from robust_core.types import UserError


def together() -> bool:
    """Was this process started as one of several?"""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Joins the processes torchrun started, and parts from them; gives this process's own device."""
    if not together():
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if _several() else 0


def world() -> int:
    return dist.get_world_size() if _several() else 1


def share(n: int) -> slice:
    """This process's rows of a batch of n. Raises UserError where n cannot be shared evenly."""
    if n % world():
        raise UserError(f"batch_size {n} cannot be shared evenly by {world()} processes")
    part = n // world()
    return slice(rank() * part, (rank() + 1) * part)


def total(value: Tensor) -> Tensor:
    """The sum over all processes, without gradient, where the value was."""
    if not _several():
        return value
    summed = value.detach().to("cuda" if dist.get_backend() == "nccl" else "cpu", copy=True)
    dist.all_reduce(summed)
    return summed.to(value.device)


def mean(value: Tensor) -> Tensor:
    """The mean over all processes, without gradient."""
    return total(value) / world() if _several() else value


def any_of(flag: bool) -> bool:
    """Does it hold in any process?"""
    return bool(total(torch.tensor(float(flag))) > 0)


def wait() -> None:
    """Until all are here."""
    if _several():
        dist.barrier()


def leads() -> bool:
    """Is this the first process, the one that writes and speaks? Known before it joins and after it has parted."""
    return os.environ.get("RANK", "0") == "0"


def first_here() -> bool:
    """Is this the first process of its machine, the one that fetches what the others find there?"""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def beside() -> int:
    """How many of the processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def said(text: str, *, by: int = 0) -> str:
    """What the process of rank `by` says, in all of them."""
    if not _several():
        return text
    letters = torch.tensor(list(text.encode()) if rank() == by else [], dtype=torch.int64)
    whole = torch.zeros(int(total(torch.tensor(len(letters)))), dtype=torch.int64)
    if rank() == by:
        whole.copy_(letters)
    return bytes(total(whole).tolist()).decode()


@contextmanager
def agreed() -> Iterator[None]:
    """What is a UserError in one process is one in all, so that none waits for one that is gone. A meeting point."""
    problem = ""
    try:
        yield
    except UserError as error:
        if not _several():
            raise
        problem = str(error)
    told = torch.zeros(world())
    told[rank()] = float(bool(problem))
    wrong = total(told)
    if wrong.any():
        raise UserError(said(problem, by=int(wrong.argmax())))


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


class _Sum(torch.autograd.Function):
    """The sum over all processes, with gradient: what each computes from it reaches all."""

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        summed = value.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        summed = gradient.clone()
        dist.all_reduce(summed)
        return summed


def summed(value: Tensor) -> Tensor:
    """The sum over all processes, with gradient."""
    whole: Tensor = _Sum.apply(value) if _several() else value
    return whole


class SharedBatchNorm(nn.BatchNorm2d):
    """A batch norm whose batch is that of all processes together. torch's own knows CUDA alone."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and _several()):
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        if x.dtype.itemsize < 4:  # sums over a batch need more than the 8 bits of bfloat16
            with torch.autocast(x.device.type, enabled=False):
                return self.forward(x.float()).to(x.dtype)
        n = x.numel() // x.shape[1] * world()
        centre = summed(x.sum(dim=(0, 2, 3))) / n
        apart = x - centre[:, None, None]
        spread = summed(apart.square().sum(dim=(0, 2, 3))) / n
        with torch.no_grad():
            self.num_batches_tracked += 1
            # As torch has it: without a momentum, the mean over all batches.
            share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            self.running_mean.lerp_(centre, share)
            self.running_var.lerp_(spread * (n / (n - 1)), share)
        scale = torch.rsqrt(spread + self.eps) * (1.0 if self.weight is None else self.weight)
        shift = 0.0 if self.bias is None else self.bias[:, None, None]
        return apart * scale[:, None, None] + shift


def share_norms(net: nn.Module) -> None:
    """Exchanges every batch norm for one that sees all processes' batches; weights and state dict stay. In place."""
    for owner in list(net.modules()):
        for name, norm in list(owner.named_children()):
            if type(norm) is nn.BatchNorm2d:
                shared = SharedBatchNorm(norm.num_features, eps=norm.eps, momentum=norm.momentum, affine=norm.affine)
                shared.load_state_dict(norm.state_dict())
                owner.register_module(name, shared.to(norm.running_mean))
