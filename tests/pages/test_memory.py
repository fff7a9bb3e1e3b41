"""The memory of results: bounded, and a long computation can be ended from where it is asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pages.ui.film import shoot
from pages.ui.memory import Memory, weight
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


def test_the_bytes_of_all_results_together_are_bounded():
    memory = Memory(100, limit_bytes=10_000)
    for n in range(20):
        memory.put(n, np.zeros(500, dtype=np.float32))
    assert len(memory) == 5
    assert memory.nbytes == 10_000
    assert memory.get(14) is None
    assert memory.get(15) is not None
    memory.put(19, np.zeros(1, dtype=np.float32))
    assert memory.nbytes == 8_004
    memory.put("too large", np.zeros(10_001, dtype=np.uint8))
    assert memory.get("too large") is None
    assert len(memory) == 5


def test_a_film_weighs_what_its_arrays_do():
    net = build("aw_net", in_channels=3, num_classes=4, seed=0, width=4, blocks=[1]).eval().requires_grad_(False)
    film = shoot(net, torch.rand(1, 3, 8, 8), 0, AttackSettings(name="pgd", steps=9), target=None)
    pictures = 10 * 3 * 8 * 8 * 4
    signals = sum(s.nbytes for s in film.signals.values())
    assert signals > 0
    assert pictures + signals < weight(film) < 1.5 * (pictures + signals)
    assert weight({"a": [torch.zeros(3), (np.zeros(2), b"12345")]}) == 12 + 16 + 5


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
