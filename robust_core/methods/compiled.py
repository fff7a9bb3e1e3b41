"""torch.compile where it works, and the function itself where it does not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch._dynamo.exc import TorchDynamoException


class Compiled:
    """Calls the compiled function; where it cannot be compiled (no C++ compiler, an unknown construct), warns and calls
    the plain one from then on. Results agree up to rounding. What the function itself raises is raised."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._plain = function
        self._fast: Callable[..., Any] | None = torch.compile(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._fast is not None:
            try:
                return self._fast(*args, **kwargs)
            except TorchDynamoException as error:
                reason = str(error).strip().splitlines()
                told = reason[0] if reason else type(error).__name__
                warnings.warn(f"torch.compile is left out: {told}", RuntimeWarning, stacklevel=2)
                self._fast = None
        return self._plain(*args, **kwargs)
