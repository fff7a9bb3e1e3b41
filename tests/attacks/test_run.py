"""What holds for every registered attack, whatever it does inside."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from robust_core.attacks import ATTACKS, BALLS, AttackSettings, Step, margin, run
from robust_core.frozen import frozen
from robust_core.models import build
from robust_core.types import Classifier, UserError, trace
from tests.attacks.checks import check_inside
from tests.attacks.conftest import accuracy
from tests.attacks.test_balls import check_allowed
from tests.conftest import lived_in

Trained = tuple[nn.Module, Tensor, Tensor]
NAMES = [name for name in ATTACKS.names() if not ATTACKS[name].routed]  # those any network can be attacked with
NORMS = sorted(BALLS)


def quick(name: str, norm: str = "linf", **changes: object) -> AttackSettings:
    """Few steps, and a budget that matters."""
    few = {"steps": 4, "queries": 12, "eps": 0.1 if norm == "linf" else 1.0}
    return AttackSettings(**({"name": name, "norm": norm} | few | changes))


@pytest.fixture(scope="module")
def routed() -> Classifier:
    net = build("aw_net", in_channels=1, num_classes=10, width=8, blocks=(1,), seed=0)
    return lived_in(net)


SMALL = nn.Sequential(nn.Flatten(), nn.Linear(36, 5)).requires_grad_(False)
with torch.no_grad():
    SMALL[1].weight.copy_(torch.randn(5, 36, generator=torch.Generator().manual_seed(0)))
    SMALL[1].bias.zero_()


@given(
    name=st.sampled_from(NAMES),
    norm=st.sampled_from(NORMS),
    eps=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1e-8, 2 / 255, 8 / 255, 0.1, 1.0])),
    step_size=st.one_of(st.none(), st.floats(1e-4, 1)),
    seed=st.integers(0, 2**40),
    bytes_only=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_the_budget_is_kept_exactly(
    name: str, norm: str, eps: float, step_size: float | None, seed: int, bytes_only: bool
) -> None:
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.choice([0.0, 1.0, 0.3], (3, 1, 6, 6)).astype(np.float32))
    x[0] = torch.from_numpy(rng.random((1, 6, 6), dtype=np.float32))
    if bytes_only:
        x = (x * 255).to(torch.uint8).float().div_(255)
    y = SMALL(x).argmax(dim=1)
    chosen = quick(name, norm, eps=eps, step_size=step_size, seed=seed, steps=3)
    x_adv = run(chosen, SMALL, x, y)
    check_allowed(x_adv, x, norm, eps)
    if eps == 0:
        assert torch.equal(x_adv, x)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", NAMES)
def test_it_attacks(name: str, norm: str, trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:60], trained[2][:60]
    chosen = quick(name, norm, eps=0.1 if norm == "linf" else 2.5, steps=8, queries=100)
    x_adv = run(chosen, net, x, y)
    assert x_adv.dtype == torch.float32
    assert not x_adv.requires_grad
    check_inside(x_adv, x, norm, chosen.eps)
    assert accuracy(net, x_adv, y) < accuracy(net, x, y) - 20
    assert torch.equal(run(chosen.replace(eps=0), net, x, y), x)
    if ATTACKS[name].targeted:
        target = net(x).scatter(1, y[:, None], float("-inf")).argmax(dim=1)
        aimed = run(chosen, net, x, y, target=target)
        assert accuracy(net, aimed, target) > accuracy(net, x, target) + 20
        assert torch.equal(run(chosen, net, x, y, target=3), run(chosen, net, x, y, target=torch.full_like(y, 3)))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", NAMES)
def test_the_way_is_consistent(name: str, norm: str, routed: Classifier) -> None:
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    y = routed(x).argmax(dim=1)
    chosen = quick(name, norm)
    way: list[Step] = []
    x_adv = run(chosen, routed, x, y, on_step=way.append)
    assert torch.equal(x_adv, run(chosen, routed, x, y))  # watching changes nothing
    assert torch.equal(way[-1].x, x_adv)
    steps = {"fgsm": 1}.get(name, 4)
    indices = [step.index for step in way]
    if name == "square":
        assert indices == sorted(set(indices))
    else:
        assert indices == list(range(steps + 1))
    if not chosen.random or name == "square":
        assert torch.equal(way[0].x, x)
    for step in way:
        check_inside(step.x, x, norm, chosen.eps)
        again = trace(routed, step.x)
        torch.testing.assert_close(step.logits, again.logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(step.margin, margin(step.logits, y))
        assert step.route.p_type is not None
        assert again.route.p_type is not None
        torch.testing.assert_close(step.route.p_type, again.route.p_type, rtol=1e-4, atol=1e-4)
        assert step.route.signals.keys() == again.route.signals.keys() != set()
        for conv, signal in step.route.signals.items():
            torch.testing.assert_close(signal, again.route.signals[conv], rtol=1e-4, atol=1e-4)
        tensors = (step.x, step.logits, step.loss, step.margin, step.route.p_type, *step.route.signals.values())
        assert not any(t.requires_grad for t in tensors)
        if name in ("fgsm", "pgd", "mi_fgsm", "apgd_ce"):
            wanted = nn.functional.cross_entropy(step.logits, y, reduction="none")
            torch.testing.assert_close(step.loss, wanted)
        elif name in ("cw", "square"):
            torch.testing.assert_close(step.loss, -step.margin)
    # The picture moved, and so did what the net says of it.
    assert not torch.equal(way[0].x, way[-1].x)
    assert not torch.equal(way[0].logits, way[-1].logits)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_and_the_world_are_given_back_as_they_were(name: str, routed: Classifier) -> None:
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 1])
    before_x = x.clone()
    weights = {key: value.clone() for key, value in routed.state_dict().items()}
    flags = {key: (module.training, type(module)) for key, module in routed.named_modules()}
    asked = {key: p.requires_grad for key, p in routed.named_parameters()}
    worlds = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]
    run(
        quick(name, restarts=2, random_start=True) if name != "square" else quick(name),
        routed,
        x,
        y,
        on_step=lambda _: None,
    )
    assert torch.equal(torch.get_rng_state(), worlds[0])
    assert random.getstate() == worlds[1]
    assert np.array_equal(np.random.get_state()[1], worlds[2])
    assert all(p.grad is None for p in routed.parameters())
    assert {key: p.requires_grad for key, p in routed.named_parameters()} == asked
    assert {key: (module.training, type(module)) for key, module in routed.named_modules()} == flags
    assert all(torch.equal(value, weights[key]) for key, value in routed.state_dict().items())
    assert torch.equal(x, before_x)
    assert not x.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", NAMES)
def test_seed_and_index_decide_and_batches_do_not(name: str, norm: str, trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:9], trained[2][:9]
    chosen = quick(name, norm, steps=2)
    whole = run(chosen, net, x, y)
    assert torch.equal(whole, run(chosen, net, x, y))
    assert torch.equal(whole, run(chosen, net, x, y, indices=range(9)))
    parts = [run(chosen, net, x[a:b], y[a:b], indices=range(a, b)) for a, b in ((0, 1), (1, 6), (6, 9))]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-5)
    order = torch.tensor([4, 2, 8])
    torch.testing.assert_close(run(chosen, net, x[order], y[order], indices=order), whole[order], rtol=0, atol=1e-5)
    if chosen.random:
        assert not torch.equal(run(chosen.replace(seed=1), net, x, y), whole)
        assert not torch.equal(run(chosen, net, x, y, indices=range(9, 18)), whole)


def test_random_starts_are_equal_bit_for_bit_in_any_batches(trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:50], trained[2][:50]
    for norm in NORMS:
        starts: list[Tensor] = []
        chosen = quick("pgd", norm, steps=1)
        run(chosen, net, x, y, on_step=lambda step, into=starts: into.append(step.x))
        for i in range(0, 50, 7):
            rows = slice(i, i + 7)
            part: list[Tensor] = []
            indices = range(50)[rows]
            run(chosen, net, x[rows], y[rows], indices=indices, on_step=lambda step, into=part: into.append(step.x))
            assert torch.equal(part[0], starts[0][rows])


def test_a_frozen_view_gives_the_same_images(routed: Classifier) -> None:
    x = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    y = routed(x).argmax(dim=1)
    for norm in NORMS:
        a, b = (run(quick("pgd", norm, steps=1), net, x, y) for net in (routed, frozen(routed)))
        assert float(((a - b).abs() > 1e-3).float().mean()) < 0.02  # a sign may turn where the gradient is nearly 0


def test_images_and_classes_that_do_not_fit_are_named(trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:4], trained[2][:4]
    chosen = quick("pgd")
    for wrong, message in (
        ((x * 255, y), r"images must lie in \[0, 1\]; got \[0, 255\]; divide by 255\?"),
        ((x.double(), y), "images must be float32"),
        ((x[0], y), r"images must be float32 \(N, C, H, W\) in \[0, 1\]; got torch.float32 \(1, 28, 28\)"),
        ((x * float("nan"), y), r"images must lie in \[0, 1\]; got \[nan, nan\]"),
        ((x, y[:2]), r"y must be int64 \(4,\); got torch.int64 \(2,\)"),
        ((x, y.float()), r"y must be int64 \(4,\); got torch.float32"),
    ):
        with pytest.raises(UserError, match=message):
            run(chosen, net, *wrong)
    with pytest.raises(UserError, match=r"target must be int64 \(4,\); got torch.int64 \(1,\)"):
        run(chosen, net, x, y, target=y[:1])
    with pytest.raises(UserError, match="indices must be one number an image, 4"):
        run(chosen, net, x, y, indices=[1, 2])
    assert run(chosen, net, x[:0], y[:0]).shape == (0, 1, 28, 28)
