"""The memory of results: bounded, and a long computation can be ended from where it is asked for."""

from __future__ import annotations

import pytest
import torch

from pages.ui.film import shoot
from pages.ui.memory import Memory
from robust_core.attacks import AttackSettings
from robust_core.models import build


def test_the_longest_unused_is_forgotten_first():
    memory = Memory(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a") == 1
    memory.put("c", 3)
    assert memory.get("b") is None
    assert memory.get("a") == 1
    assert len(memory) == 2


def test_an_attack_can_be_ended_while_it_runs():
    net = build("residual", in_channels=1, num_classes=4, seed=0, width=4, blocks=[1]).eval().requires_grad_(False)
    asked = []

    def tick() -> None:
        asked.append(1)
        if len(asked) == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        shoot(net, torch.rand(1, 1, 8, 8), 0, AttackSettings(name="pgd", steps=50), target=None, tick=tick)
    assert len(asked) == 5


def test_counting_changes_no_bit():
    net = build("aw_net", in_channels=1, num_classes=4, seed=0, width=4, blocks=[1]).eval().requires_grad_(False)
    x, settings = torch.rand(1, 1, 8, 8), AttackSettings(name="pgd", steps=5)
    plain = shoot(net, x, 0, settings, target=None)
    counted = shoot(net, x, 0, settings, target=None, tick=lambda: None)
    assert (plain.x_adv == counted.x_adv).all()
    assert (plain.logits == counted.logits).all()
