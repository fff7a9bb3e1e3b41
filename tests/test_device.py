"""The device a name stands for, and what is settled with it."""

from __future__ import annotations

import pytest
import torch

from robust_core.device import choose_device
from robust_core.types import UserError


def test_devices() -> None:
    assert choose_device().type in ("cpu", "cuda", "mps")
    with pytest.raises(UserError, match="this machine has"):
        choose_device("tpu")
    with pytest.raises(UserError, match="'cpu:x' is not one"):
        choose_device("cpu:x")


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:1"])
def test_float32_is_float32_on_cuda_and_repeats(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    choose_device("cpu")
    assert torch.backends.cudnn.allow_tf32
    assert choose_device(name).type == "cuda"
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic
