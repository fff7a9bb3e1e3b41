"""A borrowed network comes back as it was: hooks, training flags and what takes a gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from robust_core.explain.borrowed import HOOKS, borrowed


def test_every_kind_of_hook_is_known() -> None:
    assert {"_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"} <= set(HOOKS)


def test_borrowed_takes_off_what_was_hung_on_and_keeps_what_was_there() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[0].weight.requires_grad_(False)
    seen: list[str] = []
    model[1].register_forward_hook(lambda *_: seen.append("mine"))

    def use() -> None:
        with borrowed(model) as lent:
            assert not lent.training
            assert not any(p.requires_grad for p in lent.parameters())
            lent[1].register_forward_hook(lambda *_: seen.append("theirs"))
            lent[0].register_forward_pre_hook(lambda *_: seen.append("theirs"))
            lent[1].input = torch.ones(1)
            raise KeyError("on the way")

    with pytest.raises(KeyError, match="on the way"):
        use()
    assert not hasattr(model[1], "input")
    model(torch.zeros(1, 2))
    assert seen == ["mine"]
    assert model.training
    assert [p.requires_grad for p in model.parameters()] == [False, True]
