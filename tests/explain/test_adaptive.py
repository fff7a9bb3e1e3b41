"""The table of attacks on a router: which fit, what a row counts, and the worst case image by image."""

from __future__ import annotations

import pytest
import torch

from robust_core.attacks import AttackSettings, run
from robust_core.explain import fitting_attacks, router_table
from robust_core.types import UserError
from tests.explain.routers import PGD, few, tiny_net


def test_only_attacks_that_the_router_allows_are_offered(small):
    x = small.floats([0])
    soft = fitting_attacks(tiny_net("aw_net").trace(x).route)
    assert {"router_to_clean", "router_to_adversarial", "path_clean", "path_adversarial", "router_type"} <= set(soft)
    assert fitting_attacks(tiny_net("moe").trace(x).route) == ["router_signals"]
    with pytest.raises(UserError, match="static"):
        fitting_attacks(tiny_net("residual").trace(x).route)


def test_rows_count_what_they_say(small):
    net, index = tiny_net("aw_net"), few(small, 10)
    attacks = [PGD, AttackSettings(name="router_type", eps=0.1, steps=3)]
    ticks: list[tuple[int, int]] = []
    table = router_table(net, small, index, attacks, batch_size=4, progress=lambda *at: ticks.append(at))
    assert ticks == [(n, 20) for n in (4, 8, 10, 14, 18, 20)]
    assert [row.attack for row in table.rows] == [None, *attacks]
    x, y = small.floats(index), small.labels[index]
    right = net(x).argmax(dim=1) == y
    x_adv = run(PGD, net, x, y)
    seen = net.trace(x_adv)
    assert torch.equal(table.rows[0].robust, right)
    assert torch.equal(table.rows[1].robust, right & (seen.logits.argmax(dim=1) == y))
    assert table.rows[1].type_accuracy == float((seen.route.p_type.argmax(dim=1) == 1).float().mean())
    assert table.rows[0].type_accuracy == float((net.trace(x).route.p_type.argmax(dim=1) == 0).float().mean())
    assert table.rows[0].moved == 0 < table.rows[2].moved
    assert torch.equal(table.worst, table.rows[0].robust & table.rows[1].robust & table.rows[2].robust)


def test_a_mixture_has_no_types_and_a_static_network_no_table(small):
    table = router_table(tiny_net("moe"), small, few(small, 3), [PGD])
    assert table.rows[1].type_accuracy is None
    assert table.worst_accuracy <= min(row.accuracy for row in table.rows)
    with pytest.raises(UserError, match="static"):
        router_table(tiny_net("residual"), small, few(small, 3), [PGD])
    with pytest.raises(UserError, match="no images"):
        router_table(tiny_net("moe"), small, few(small, 0), [PGD])
