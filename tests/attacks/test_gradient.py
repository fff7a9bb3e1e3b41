from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from robust_core.attacks import BALLS, Linf, Noise, Step, apgd, cw_pgd, fgsm, margin, mi_fgsm, pgd
from robust_core.types import UserError
from tests.attacks.checks import White, check_boundary
from tests.attacks.conftest import Halves, accuracy

Trained = tuple[nn.Module, Tensor, Tensor]


def seeded(attack: Callable[..., Tensor], **settings: object) -> White:
    return lambda net, x, y, ball: attack(net, x, y, ball, generator=torch.Generator().manual_seed(0), **settings)


WHITE_BOX: dict[str, White] = {
    "fgsm": fgsm,
    "pgd": seeded(pgd),
    "pgd from the image": partial(pgd, random_start=False),
    "pgd, restarts": seeded(pgd, restarts=3),
    "pgd on dlr": seeded(pgd, loss="dlr"),
    "mi_fgsm": partial(mi_fgsm, steps=10),
    "cw": seeded(cw_pgd),
    "apgd_ce": seeded(apgd, steps=20),
    "apgd_dlr": seeded(apgd, steps=20, loss="dlr"),
    "apgd_dlr_t": seeded(apgd, steps=20, loss="dlr_t"),
}


@pytest.mark.parametrize("norm", sorted(BALLS))
@pytest.mark.parametrize("name", WHITE_BOX)
def test_boundary_of_a_linear_classifier(name: str, norm: str, halves: Halves, grey: Tensor) -> None:
    check_boundary(WHITE_BOX[name], halves, grey, norm)


@pytest.mark.parametrize("norm", sorted(BALLS))
@pytest.mark.parametrize("name", ["fgsm", "pgd", "mi_fgsm", "cw", "apgd_ce"])
def test_a_sign_error_is_caught(
    name: str, norm: str, halves: Halves, grey: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = BALLS[norm].ascend
    monkeypatch.setattr(BALLS[norm], "ascend", lambda self, gradient: -true(self, gradient))
    with pytest.raises(AssertionError, match=r"at 1.05 of the true distance"):
        check_boundary(WHITE_BOX[name], halves, grey, norm)


@pytest.mark.parametrize("norm", sorted(BALLS))
@pytest.mark.parametrize("name", ["pgd", "mi_fgsm", "cw", "apgd_ce"])
def test_a_missing_projection_is_caught(
    name: str, norm: str, halves: Halves, grey: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BALLS[norm], "around", lambda self, x: lambda x_adv: x_adv)
    with pytest.raises(AssertionError, match="outside the ball"):
        check_boundary(WHITE_BOX[name], halves, grey, norm)


@pytest.mark.parametrize("norm", sorted(BALLS))
def test_no_steps_are_caught(norm: str, halves: Halves, grey: Tensor) -> None:
    for idle in (seeded(pgd, steps=0), seeded(cw_pgd, steps=0), seeded(pgd, step_size=0.0), lambda net, x, y, ball: x):
        with pytest.raises(AssertionError, match=r"at 1.05 of the true distance"):
            check_boundary(idle, halves, grey, norm)


@pytest.mark.parametrize("norm", sorted(BALLS))
@pytest.mark.parametrize("name", WHITE_BOX)
def test_targeted_attacks_reach_their_target(name: str, norm: str, trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:40], trained[2][:40]
    target = net(x).scatter(1, y[:, None], float("-inf")).argmax(dim=1)
    ball = BALLS[norm](0.3 if norm == "linf" else 5.0)
    attack = WHITE_BOX[name]
    aimed = partial(attack, target=target) if isinstance(attack, partial) or attack is fgsm else None
    if aimed is None:
        settings = {"pgd": (pgd, {}), "pgd, restarts": (pgd, {"restarts": 3}), "pgd on dlr": (pgd, {"loss": "dlr"})}
        settings |= {"cw": (cw_pgd, {})}
        settings |= {f"apgd_{loss}": (apgd, {"loss": loss, "steps": 20}) for loss in ("ce", "dlr", "dlr_t")}
        function, options = settings[name]
        aimed = seeded(function, target=target, **options)
    reached = accuracy(net, aimed(net, x, y, ball), target)
    # One step goes too far, in the wrong measure: it only has to beat the clean images.
    assert reached > (accuracy(net, x, target) if name == "fgsm" else 95)


def test_ce_gradient_of_targeted_fgsm_points_the_other_way(halves: Halves, grey: Tensor) -> None:
    y = torch.zeros(len(grey), dtype=torch.int64)
    away = fgsm(halves, grey, y, Linf(0.01))
    towards_own = fgsm(halves, grey, y, Linf(0.01), target=y)
    assert (margin(halves(away), y) < margin(halves(grey), y)).all()
    assert (margin(halves(towards_own), y) > margin(halves(grey), y)).all()


def test_momentum_is_the_published_sum() -> None:
    """Two steps by hand: the second direction is sign(μ·g₁/‖g₁‖₁ + g₂/‖g₂‖₁)."""

    class Quadratic(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            z = (x.flatten(1) - 0.505).square().sum(dim=1) * 50
            return torch.stack([z, -z], dim=1)

    net = Quadratic()
    x = torch.tensor([[[[0.498, 0.9]]]])
    y = torch.tensor([0])

    def gradient(at: Tensor) -> Tensor:
        point = at.clone().requires_grad_()
        (g,) = torch.autograd.grad(nn.functional.cross_entropy(net(point), y), point)
        return g / g.abs().sum()

    ball = Linf(0.1)
    for decay in (0.0, 1.0):
        first = gradient(x)
        one = x + 0.01 * first.sign()
        two = one + 0.01 * (decay * first + gradient(one)).sign()
        found = mi_fgsm(net, x, y, ball, steps=2, step_size=0.01, momentum=decay)
        torch.testing.assert_close(found, two)
    # The hand-made case does tell them apart.
    plain, kept = (mi_fgsm(net, x, y, ball, steps=2, step_size=0.01, momentum=m) for m in (0.0, 1.0))
    assert not torch.equal(plain, kept)


def test_cw_is_content_at_kappa(halves: Halves, grey: Tensor) -> None:
    y = halves(grey).argmax(dim=1)
    modest = cw_pgd(halves, grey, y, Linf(0.3), steps=200, kappa=1.0, step_size=0.001, random_start=False)
    greedy = cw_pgd(halves, grey, y, Linf(0.3), steps=200, kappa=50.0, step_size=0.001, random_start=False)
    last_step = 2 * 0.001 * float(halves.w.detach().abs().sum())  # by how much a step moves the margin
    lead = -margin(halves(modest), y)
    assert ((lead >= 1.0) & (lead <= 1.0 + last_step)).all()
    assert (-margin(halves(greedy), y) > 1.0 + last_step).all()


@pytest.mark.parametrize("attack", [pgd, cw_pgd, partial(apgd, steps=10), partial(apgd, steps=6, loss="dlr_t")])
def test_restarts_never_hurt_and_watching_changes_nothing(attack: Callable[..., Tensor], trained: Trained) -> None:
    net, x, y = trained[0], trained[1][:30], trained[2][:30]
    ball, noise = Linf(0.02), Noise(0, torch.arange(30))
    wrong = []
    for restarts in (1, 2, 4):
        way: list[Step] = []
        x_adv = attack(net, x, y, ball, restarts=restarts, generator=noise)
        watched = attack(net, x, y, ball, restarts=restarts, generator=noise, on_step=way.append)
        assert torch.equal(x_adv, watched)
        assert torch.equal(way[-1].x, x_adv)
        wrong.append(net(x_adv).argmax(dim=1) != y)
        for step in way:
            torch.testing.assert_close(step.margin, margin(net(step.x), y), rtol=1e-4, atol=1e-4)
    assert (wrong[0] <= wrong[1]).all()
    assert (wrong[1] <= wrong[2]).all()


def test_more_restarts_do_try_more(grey: Tensor) -> None:
    """A net that only a lucky start fools: the loss rises on both sides of 0.5, the class changes on one."""

    class Lucky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            z = (x.flatten(1)[:, 0] - 0.5).square() * 100
            return torch.stack([torch.zeros_like(z), z + torch.where(x.flatten(1)[:, 0] > 0.5, 5.0, -50.0)], dim=1)

    x, y = torch.full((200, 1, 2, 2), 0.49), torch.zeros(200, dtype=torch.int64)
    shares = []
    for restarts in (1, 6):
        x_adv = pgd(Lucky(), x, y, Linf(0.1), steps=3, restarts=restarts, generator=torch.Generator().manual_seed(0))
        shares.append(float((Lucky()(x_adv).argmax(dim=1) == 1).float().mean()))
    assert 0.2 < shares[0] < 0.7
    assert shares[1] > 0.9


def test_wrong_settings_are_named(halves: Halves, grey: Tensor) -> None:
    y = torch.zeros(len(grey), dtype=torch.int64)
    with pytest.raises(UserError, match="a random start needs a generator"):
        pgd(halves, grey, y, Linf(0.1))
    with pytest.raises(UserError, match="steps=-1"):
        pgd(halves, grey, y, Linf(0.1), steps=-1, random_start=False)
    with pytest.raises(UserError, match="restarts=2 without a random start"):
        pgd(halves, grey, y, Linf(0.1), restarts=2, random_start=False)
    with pytest.raises(UserError, match="unknown attack loss 'cee'; did you mean 'ce'"):
        pgd(halves, grey, y, Linf(0.1), loss="cee", random_start=False)


@pytest.mark.parametrize("steps", [1, 5])
def test_default_step_is_two_and_a_half_eps_over_steps(steps: int, halves: Halves, grey: Tensor) -> None:
    y = halves(grey).argmax(dim=1)
    way: list[Step] = []
    pgd(halves, grey, y, Linf(0.1), steps=steps, random_start=False, on_step=way.append)
    assert float((way[1].x - grey).abs().max()) == pytest.approx(min(0.1, 0.25 / steps), rel=1e-4)
