"""Work on many images batch by batch, as many batches at once as there are idle cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
Progress = Callable[[int, int], None]


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share() -> int:
    """Those of them that are this process's own: who set OMP_NUM_THREADS gave the others away."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores(), int(told)) if told.isdigit() and int(told) else cores()


def in_batches(
    work: Callable[[slice], T], n: int, batch_size: int, *, progress: Progress | None = None, at_once: int | None = None
) -> list[T]:
    """The answers of `work(rows)` for the rows 0 … n - 1, in their order.

    at_once: batches in work together; as many as torch, at its present number of threads, leaves cores for. Grad mode
    is each thread's own: `work` says what it needs. progress(done, n) is called by the caller's thread after each
    batch; what it raises ends the whole, as an error in `work` does, when the batches under way are done.
    """
    rows = [slice(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]
    together = min(len(rows), max(1, share() // torch.get_num_threads()) if at_once is None else at_once)
    tell = progress or (lambda done, of: None)
    answers = []
    if together <= 1:
        for part in rows:
            answers.append(work(part))
            tell(part.stop, n)
        return answers
    # torch's number of threads is set anew in each: a new thread's OpenMP would take every core.
    with ThreadPoolExecutor(together, "batch", torch.set_num_threads, (torch.get_num_threads(),)) as pool:
        waiting = [pool.submit(work, part) for part in rows]
        try:
            for part, answer in zip(rows, waiting, strict=True):
                answers.append(answer.result())
                tell(part.stop, n)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return answers
