"""What visitors share stays as it is, whatever one of them asks of it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from pages.ui import perturb_why, served
from pages.ui.film import shoot
from robust_core.attacks import AttackSettings
from robust_core.explain.attribution import METHODS, attribute

SETTINGS = AttackSettings(name="pgd", eps=0.1, steps=5)


@pytest.fixture
def net(zoo):
    return served.shelf().nets["fashion_mnist/aw_net"]


def film(net):
    x = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return shoot(net.net, x, 3, SETTINGS, target=None)


def same(a, b):
    return np.array_equal(a.images, b.images) and np.array_equal(a.logits, b.logits)


def test_hooks_of_an_attribution_do_not_reach_another_visitors_attack(net, monkeypatch):
    alone = film(net)
    hooked, attacked = threading.Event(), threading.Event()

    def slow(model, *args):
        hooks = [module.register_forward_hook(lambda _m, _x, y: None) for module in model.modules()]
        hooks += [module.register_forward_pre_hook(lambda _m, _x: 1 / 0) for module in model.modules()]
        hooked.set()
        attacked.wait(60)
        for hook in hooks:
            hook.remove()
        return attribute(model, *args)

    monkeypatch.setattr(perturb_why, "attribute", slow)
    maps = []
    visitor = threading.Thread(target=lambda: maps.append(perturb_why._attributed(net, alone, "saliency", 3)))
    visitor.start()
    assert hooked.wait(60)
    meanwhile = film(net)
    attacked.set()
    visitor.join(60)
    assert same(meanwhile, alone)
    assert maps[0].map.abs().max() > 0


def test_attributions_and_attacks_of_two_visitors_are_those_of_one(net):
    alone = film(net)
    maps = {method: perturb_why._attributed(net, alone, method, 3).map for method in METHODS.names()}
    wrong = []

    def explain():
        for method, known in maps.items():
            if not torch.equal(perturb_why._attributed(net, alone, method, 3).map, known):
                wrong.append(method)

    visitors = [threading.Thread(target=explain) for _ in range(2)]
    for visitor in visitors:
        visitor.start()
    films = []
    while any(visitor.is_alive() for visitor in visitors) or len(films) < 3:
        films.append(film(net))
    assert not wrong
    assert all(same(one, alone) for one in films)
