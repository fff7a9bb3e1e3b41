"""Objectives against numbers worked out by hand, and what a route is taught during training."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from robust_core.attacks import AttackSettings
from robust_core.methods import OBJECTIVES, Batch, Learner, RouteTraining, Terms, make
from robust_core.models import AWNet, build
from robust_core.types import Classifier, UserError
from tests.conftest import TINY, lived_in

ATTACK = AttackSettings(name="pgd", eps=0.1, steps=2)


def batch(n: int = 6, step: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(n, 1, 28, 28, generator=generator)
    return Batch(x=x, y=torch.arange(n) % 10, step=step, generator=generator)


def learner(name: str = "residual", **route: object) -> Learner:
    net = lived_in(build(name, in_channels=1, num_classes=10, seed=0, **TINY))
    teacher = lived_in(build("residual", in_channels=1, num_classes=10, seed=9, **TINY))
    roles = {"clean": teacher, "robust": teacher}
    return Learner(net.train(), ATTACK, RouteTraining(**route), roles)  # type: ignore[arg-type]


def test_terms_by_hand() -> None:
    terms = Terms(values={"a": torch.tensor(2.0), "b": torch.tensor(3.0)}, weights={"b": 0.5})
    assert terms.total.item() == 3.5
    both = terms | Terms(values={"c": torch.tensor(10.0)}, weights={"c": 0.1})
    assert both.total.item() == pytest.approx(4.5)


def test_standard_is_cross_entropy_on_clean_images() -> None:
    student = learner()
    now = batch()
    got = make("standard").loss(student, now).total
    log_p = student.net(now.x).log_softmax(dim=1)  # training mode: the batch's own statistics, the same twice
    by_hand = -sum(log_p[i, int(now.y[i])] for i in range(6)) / 6
    torch.testing.assert_close(got, by_hand)


def test_adversarial_is_cross_entropy_on_what_the_inner_attack_made(monkeypatch: pytest.MonkeyPatch) -> None:
    student, now = learner(), batch()
    x_adv = (now.x + 0.05).clamp(0, 1)
    monkeypatch.setattr(student, "perturb", lambda batch: x_adv)
    got = make("adversarial").loss(student, now)
    torch.testing.assert_close(got.total, F.cross_entropy(student.net(x_adv), now.y))
    mixed = make("adversarial", clean_weight=0.25).loss(student, now)
    clean, adv = F.cross_entropy(student.net(now.x), now.y), F.cross_entropy(student.net(x_adv), now.y)
    torch.testing.assert_close(mixed.total, 0.25 * clean + 0.75 * adv)


@pytest.mark.parametrize("name", ["residual", "aw_net"])
def test_inner_attack_raises_the_loss_inside_its_ball_and_leaves_the_net_alone(name: str) -> None:
    student, now = learner(name), batch()
    before = {k: v.clone() for k, v in student.net.state_dict().items()}
    x_adv = student.perturb(now)
    assert (x_adv - now.x).abs().max() <= 0.1
    assert (x_adv - now.x).abs().max() > 0.05
    student.net.eval()
    assert F.cross_entropy(student.net(x_adv), now.y) > F.cross_entropy(student.net(now.x), now.y)
    assert all(torch.equal(before[k], v) for k, v in student.net.state_dict().items())
    assert all(p.grad is None for p in student.net.parameters())


def test_the_inner_attack_may_begin_close_to_the_image() -> None:
    narrow = learner()
    narrow.attack = ATTACK.replace(steps=1, step_size=1e-6, start="normal")
    moved = (narrow.perturb(batch()) - batch().x).abs()
    assert 0 < float(moved.max()) < 0.01
    wide = learner()
    wide.attack = ATTACK.replace(steps=1, step_size=1e-6)
    assert float((wide.perturb(batch()) - batch().x).abs().max()) > 0.09


def test_experts_are_kept_in_balance_and_their_load_is_told() -> None:
    student, now = learner("moe", balance_weight=0.5), batch()
    # The router keeps no statistics, so a second look shows the same.
    seen = student.net.trace(now.x).free.map(torch.Tensor.detach).experts
    student.clean(now)
    terms = student.take_terms()
    balances, largest = [], []
    for p in seen.values():
        share = [float((p.argmax(dim=1) == e).sum()) / 6 for e in range(2)]
        balances.append(2 * sum(f * float(p[:, e].mean()) for e, f in enumerate(share)))
        largest.append(max(share))
    assert terms.values["balance"].item() == pytest.approx(sum(balances) / len(balances), abs=1e-5)
    assert terms.values["largest_load"].item() == pytest.approx(sum(largest) / len(largest))
    assert terms.total.item() == pytest.approx(0.5 * terms.values["balance"].item(), rel=1e-5)
    kept = student.state_dict()
    load = student.end_epoch()["expert_load"]
    assert load.keys() == seen.keys()
    assert all(sum(shares) == pytest.approx(1) for shares in load.values())
    assert student.end_epoch() == {}
    student.load_state_dict(kept)
    assert student.end_epoch()["expert_load"] == load


def test_the_balance_loss_moves_images_to_the_idle_expert() -> None:
    student, now = learner("moe", balance_weight=1.0), batch(32)
    with torch.no_grad():
        for head in student.net.router.heads:
            head.bias.copy_(torch.tensor([1.0, 0.0]))
            head.weight.mul_(0.1)
    student.clean(now)
    terms = student.take_terms()
    assert terms.values["largest_load"].item() == 1.0
    terms.total.backward()
    # Descending the gradient lowers the score of the expert that takes all.
    assert all(float(head.bias.grad[0]) > 0 > float(head.bias.grad[1]) for head in student.net.router.heads)


def test_inner_attack_follows_the_weights() -> None:
    student = learner()
    first = student.perturb(batch())
    with torch.no_grad():
        for p in student.net.parameters():
            p.neg_()
    assert not torch.equal(first, student.perturb(batch()))


@pytest.mark.parametrize("objective", OBJECTIVES.names())
@pytest.mark.parametrize("mix", ["hard", "soft", "random"])
def test_every_objective_trains_a_routed_net(objective: str, mix: str) -> None:
    student = learner("aw_net", train_mix=mix)
    terms = make(objective).loss(student, batch()) | student.take_terms()
    assert {"type", "type_accuracy"} <= terms.values.keys()
    terms.total.backward()
    assert isinstance(student.net, AWNet)
    assert student.net.router.type_head[-1].weight.grad.abs().sum() > 0
    assert not student.take_terms().values


def test_type_loss_by_hand_and_its_weight() -> None:
    student, now = learner("aw_net", train_mix="hard", type_weight=0.3), batch()
    student.clean(now)
    student.adversarial(now, now.x)
    terms = student.take_terms()
    assert isinstance(student.net, AWNet)
    p = student.net.router(now.x).p_type
    assert p is not None
    by_hand = (-p[:, 0].log().mean() - p[:, 1].log().mean()) / 2
    torch.testing.assert_close(terms.values["type"], by_hand)
    torch.testing.assert_close(terms.total, 0.3 * by_hand)
    right = ((p.argmax(1) == 0).float().mean() + (p.argmax(1) == 1).float().mean()) / 2
    torch.testing.assert_close(terms.values["type_accuracy"], right)


def test_what_each_mix_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    imposed: list[object] = []

    def watched(student: Learner) -> Learner:
        original = student.net.trace

        def trace(x: torch.Tensor, *, routing: object = None) -> object:
            imposed.append((len(x), routing))
            return original(x, routing=routing)  # type: ignore[arg-type]

        monkeypatch.setattr(student.net, "trace", trace)
        return student

    now = batch()
    watched(learner("aw_net", train_mix="hard")).pair(now, now.x)
    assert [(n, r.p_type) for n, r in imposed] == [(6, "clean"), (6, "adversarial")]  # type: ignore[union-attr,misc,attr-defined]
    imposed.clear()
    watched(learner("aw_net", train_mix="soft")).pair(now, now.x)
    assert imposed == [(12, None)]
    imposed.clear()
    watched(learner("aw_net", train_mix="random", skew=3.0)).pair(batch(300), batch(300).x)
    ((n, routing),) = imposed  # type: ignore[misc]
    share = routing.p_type  # type: ignore[attr-defined]
    assert n == 600
    assert share[:300].mean() == pytest.approx(0.25, abs=0.05)  # E[u³] = ¼
    assert share[300:].mean() == pytest.approx(0.75, abs=0.05)
    assert share.min() < 0.05
    assert share[300:].min() < 0.5  # every mixture is met under both types


def test_soft_without_a_type_loss_never_tells_the_halves_apart() -> None:
    """Both begin alike: whatever the mixture, no image is better off, so P(type) stays where it is."""

    def taught(type_weight: float) -> AWNet:
        net = build("aw_net", in_channels=1, num_classes=10, seed=0, **TINY).train()
        student = Learner(net, ATTACK, RouteTraining(train_mix="soft", type_weight=type_weight))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for step in range(3):
            (
                make("adversarial", clean_weight=0.5).loss(student, batch(step=step)) | student.take_terms()
            ).total.backward()
            optimizer.step()
            optimizer.zero_grad()
        assert isinstance(net, AWNet)
        return net

    alone, told = taught(0.0), taught(1.0)
    x = batch().x
    assert torch.equal(alone.router(x).p_type, torch.full((6, 2), 0.5))
    norm = alone.backbone.bn1
    torch.testing.assert_close(norm.clean.weight, norm.adversarial.weight, rtol=0, atol=1e-7)
    assert not torch.equal(told.router(x).p_type, torch.full((6, 2), 0.5))
    assert any(bool((signal != 1).any()) for signal in alone.router(x).signals.values())  # these do learn


def test_noise_of_clean_images_is_not_that_of_the_adversarial_ones() -> None:
    """Else the shares of a pair would always add up to one."""
    now, types = batch(), torch.arange(2).repeat_interleave(6)
    both, alone = now.noise(types).uniform(0, 4), batch().noise(types[:6]).uniform(0, 4)
    assert torch.equal(both[:6], alone)
    assert torch.equal(alone, batch().noise().uniform(0, 4))
    assert bool((both[:6] != both[6:]).any(dim=1).all())
    assert torch.equal(both[6:], batch().noise(types[6:]).uniform(0, 4))


def test_where_the_inner_attack_runs() -> None:
    def effect(way: str, step: int) -> torch.Tensor:
        return learner("aw_net", inner_attack=way).perturb(batch(step=step))

    soft, adv = effect("soft", 0), effect("adv", 0)
    assert not torch.equal(soft, adv)
    assert torch.equal(effect("both", 0), soft)
    assert torch.equal(effect("both", 1), adv)


def test_an_evading_inner_attack_is_taken_for_clean() -> None:
    def p_clean(evade: float, way: str = "soft", name: str = "aw_net") -> tuple[torch.Tensor, torch.Tensor]:
        student, now = learner(name, evade=evade, inner_attack=way), batch(n=8)
        x_adv = student.perturb(now, "ce")
        assert bool(((x_adv - now.x).abs() <= 0.1 + 1e-6).all())
        p_type = student.frozen.refresh().trace(x_adv).route.p_type
        return x_adv, torch.zeros(8) if p_type is None else p_type[:, 0]

    # λ large: the router alone is climbed, and with none it is let be.
    assert (p_clean(1000.0)[1] > p_clean(0.0)[1]).all()
    for way, name in (("adv", "aw_net"), ("soft", "residual")):  # no router that answers: nothing to evade
        assert torch.equal(p_clean(1000.0, way, name)[0], p_clean(0.0, way, name)[0])


def test_mistakes() -> None:
    with pytest.raises(UserError, match="did you mean 'adversarial'"):
        make("adversary")
    with pytest.raises(UserError, match="did you mean 'clean_weight'"):
        make("adversarial", clean_wieght=0.5)
    with pytest.raises(UserError, match=r"\[0, 1\)"):
        make("adversarial", clean_weight=1.0)


def test_static_nets_bring_no_routing_terms(any_net: Classifier) -> None:
    student, now = Learner(any_net.train(), ATTACK, RouteTraining()), batch()
    make("standard").loss(student, now)
    assert bool(student.take_terms().values) == bool(any_net.trace(now.x).free)
