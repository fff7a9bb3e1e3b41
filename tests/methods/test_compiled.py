"""torch.compile as an option: the same numbers where it works, one warning and the same numbers where it does not."""

from __future__ import annotations

import pytest
import torch
from torch._dynamo.exc import TorchDynamoException

from robust_core.methods.compiled import Compiled


def test_what_cannot_be_compiled_is_called_plainly_with_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(function: object) -> object:
        def fails(x: torch.Tensor) -> torch.Tensor:
            raise TorchDynamoException("no compiler here\nlong story")

        return fails

    monkeypatch.setattr(torch, "compile", broken)
    double = Compiled(lambda x: 2 * x)
    x = torch.ones(3)
    with pytest.warns(RuntimeWarning, match="torch.compile is left out: no compiler here"):
        assert torch.equal(double(x), 2 * x)
    assert torch.equal(double(x), 2 * x)  # warnings are errors here: a second one would fail


def test_what_the_function_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function: function)
    with pytest.raises(ZeroDivisionError):
        Compiled(lambda x: x / 0)(1)


def test_what_can_be_compiled_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function: lambda x: function(x) + 1)
    assert Compiled(lambda x: 2 * x)(3) == 7
