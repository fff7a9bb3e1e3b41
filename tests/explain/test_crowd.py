"""Many images: variance shares on routers with a known answer, flows that lose nobody, constant routers named."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from robust_core.attacks import run
from robust_core.explain import (
    class_means,
    code_map,
    collapsed,
    collect,
    constant_convs,
    expert_load,
    flows,
    is_constant,
    paths,
    route_states,
    shares_by_conv,
    type_accuracy,
    variance_shares,
)
from robust_core.types import Route, UserError
from tests.explain.routers import PGD, few, made_crowd, tiny_net

Y = torch.tensor([0, 0, 1, 1, 2, 2])


def crowd_with(clean: torch.Tensor, adversarial: torch.Tensor):
    return made_crowd(Route(signals={"a.conv1": clean}), Route(signals={"a.conv1": adversarial}), Y)


def test_a_router_that_sees_the_type_alone_has_all_its_variance_there():
    shares = shares_by_conv(crowd_with(torch.full((6, 2), 0.8), torch.full((6, 2), 1.2)))["a.conv1"]
    assert (shares.types, shares.classes, shares.within) == pytest.approx((1, 0, 0))
    assert shares.total == pytest.approx(2 * 0.04)


def test_a_router_that_sees_the_class_alone_has_it_between_classes():
    values = (1 + Y.float() / 10)[:, None]
    shares = shares_by_conv(crowd_with(values, values))["a.conv1"]
    assert (shares.types, shares.classes, shares.within) == pytest.approx((0, 1, 0))


def test_shares_of_a_router_made_of_three_parts_by_hand():
    # ±1 by type, ±2 between two images of a class, classes alike: 1 and 4 of 5.
    within = torch.tensor([2.0, -2.0] * 3)[:, None]
    shares = shares_by_conv(crowd_with(within - 1, within + 1))["a.conv1"]
    assert (shares.types, shares.classes, shares.within) == pytest.approx((0.2, 0, 0.8))


@given(some.integers(0, 10**6))
def test_shares_add_up_whatever_the_groups(seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(20, 3, generator=generator)
    types, classes = (torch.randint(0, k, (20,), generator=generator) for k in (2, 4))
    shares = variance_shares(values, types, classes)
    assert shares.types + shares.classes + shares.within == pytest.approx(1)
    assert min(shares.types, shares.classes, shares.within) >= 0


def test_a_constant_router_is_said_to_be_so():
    still = crowd_with(torch.ones(6, 2), torch.ones(6, 2) + 1e-6)
    assert is_constant(still.both)
    assert constant_convs(still.both) == ("a.conv1",)
    assert shares_by_conv(still)["a.conv1"].types != shares_by_conv(still)["a.conv1"].types  # NaN
    for drawn in (paths, code_map):
        with pytest.raises(UserError, match="the same for every image"):
            drawn(still)
    moving = crowd_with(torch.ones(6, 2), torch.ones(6, 2) + 0.1)
    assert not is_constant(moving.both)


def test_route_states_find_clusters_that_are_there_and_no_more_than_rows_differ():
    values = torch.tensor([[0.0], [0.1], [5.0], [5.1], [9.0]])
    state = route_states(values, 3)
    assert len(set(state.tolist())) == 3
    assert state[0] == state[1] != state[2] == state[3] != state[4]
    assert torch.equal(state, route_states(values, 3))
    assert route_states(torch.ones(5, 2), 4).unique().tolist() == [0]
    with pytest.raises(UserError, match="1 or more"):
        route_states(values, 0)


@pytest.mark.parametrize(("architecture", "by"), [("aw_net", "type"), ("aw_net", "class"), ("moe", "type")])
def test_flows_sum_to_all_images_at_every_block(small, architecture, by):
    crowd = collect(tiny_net(architecture), small, few(small), PGD)
    found = paths(crowd, states=3, by=by)
    made = flows(found)
    for block in range(len(found.blocks) - 1):
        rows = sorted(row for flow in made if flow.block == block for row in flow.rows)
        assert rows == list(range(2 * len(crowd)))
    for flow in made:
        assert {int(found.groups[row]) for row in flow.rows} == {flow.group}
        assert {int(found.state[flow.block, row]) for row in flow.rows} == {flow.source}
        assert {int(found.state[flow.block + 1, row]) for row in flow.rows} == {flow.target}
    for names, states in zip(found.names, found.state, strict=True):
        assert sorted(states.unique().tolist()) == list(range(len(names)))


def test_the_first_state_holds_the_largest_share_of_clean_rows():
    found = paths(crowd_with(torch.full((6, 2), 3.0), torch.full((6, 2), 1.0)), states=2)
    assert found.state[0].tolist() == [0] * 6 + [1] * 6
    with pytest.raises(UserError, match="unknown grouping"):
        paths(crowd_with(torch.zeros(6, 1), torch.ones(6, 1)), by="colour")


def test_the_map_keeps_distances_of_codes_that_lie_on_a_plane():
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(12, 2, generator=generator) @ torch.randn(2, 7, generator=generator)
    for width in (7, 40):  # fewer and more numbers than rows
        code = torch.cat([flat, torch.ones(12, width - 7)], dim=1)
        found = code_map(crowd_with(code[:6], code[6:]))
        assert torch.allclose(torch.cdist(found.points, found.points), torch.cdist(code, code), atol=1e-4)
        assert sum(found.explained) == pytest.approx(1)
        assert found.explained[0] >= found.explained[1]


def test_a_crowd_is_what_the_attack_makes_of_each_picture(small):
    net, index = tiny_net("aw_net"), torch.tensor([5, 2, 9])
    ticks: list[tuple[int, int]] = []
    crowd = collect(net, small, index, PGD, batch_size=2, progress=lambda done, n: ticks.append((done, n)))
    x, y = small.floats(index), small.labels[index]
    assert torch.allclose(crowd.x_adv, run(PGD, net, x, y, indices=index), atol=1e-6)
    assert torch.allclose(crowd.clean.logits, net(x), atol=1e-6)
    assert ticks == [(2, 3), (3, 3)]
    assert crowd.both.p_type.shape == (6, 2)
    assert crowd.first(2).index.tolist() == [5, 2]


def test_what_cannot_be_collected_is_refused(small):
    net = tiny_net("aw_net")
    with pytest.raises(UserError, match="no images"):
        collect(net, small, torch.zeros(0, dtype=torch.int64), PGD)
    with pytest.raises(UserError, match="numbered 0 to 1999"):
        collect(net, small, torch.tensor([2000]), PGD)
    with pytest.raises(UserError, match="static"):
        collect(tiny_net("residual"), small, few(small, 2), PGD)


def test_type_accuracy_counts_images_taken_for_what_they_are():
    route = Route(p_type=torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]]))
    assert type_accuracy(route, 0) == 0.5
    assert type_accuracy(Route(p_type=route.p_type[[0, 2]]), 0) == 1
    with pytest.raises(UserError, match="tells no types"):
        type_accuracy(Route(), 0)


def test_class_means_by_hand_and_an_absent_class():
    values = torch.arange(6.0)[:, None]
    means = class_means(crowd_with(values, values + 10))["a.conv1"]
    assert means[0, :, 0].tolist() == [0.5, 2.5, 4.5]
    assert means[1, :, 0].tolist() == [10.5, 12.5, 14.5]
    absent = made_crowd(Route(signals={"a": values[:2]}), Route(signals={"a": values[:2]}), Y[:2])
    assert class_means(absent)["a"].isnan().any(dim=(0, 2)).tolist() == [False, True, True]


def test_load_and_collapse():
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    load = expert_load(Route(experts={"a": p, "b": p[:, [0, 0]] + torch.tensor([0.1, 0])}))
    assert load["a"].tolist() == [0.75, 0.25]
    assert collapsed(load) == ("b",)
