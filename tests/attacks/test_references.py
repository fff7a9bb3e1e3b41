"""The same attacks as others wrote them: the same net, images and settings, robust accuracy within one point."""

from __future__ import annotations

import warnings

import pytest
import torch
from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
from pyautoattack.square import SquareAttack
from torch import Tensor, nn

from robust_core.attacks import BALLS, AttackSettings, Linf, fgsm, margin, pgd, run
from tests.attacks.conftest import accuracy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports from a module of scipy that has moved
    import foolbox

Trained = tuple[nn.Module, Tensor, Tensor]


class Contrast(nn.Module):
    """The net on images of less contrast. Others scale, then clip to [0, 1]; we clip, then scale, and so spend the
    whole L2 budget. To compare the attacks and not the clipping, black and white are kept out of reach."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net((x - 0.3) / 0.4)
        return y


def case(norm: str, trained: Trained) -> tuple[nn.Module, Tensor, Tensor, float]:
    net, x, y = trained
    return (net, x, y, 0.04) if norm == "linf" else (Contrast(net).eval(), 0.3 + 0.4 * x, y, 0.3)


def by_foolbox(attack: foolbox.Attack, net: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Foolbox draws from the process-wide generator."""
    model = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, clipped, _ = attack(model, x, y, epsilons=eps)
    result: Tensor = clipped
    return result


@pytest.mark.parametrize("norm", sorted(BALLS))
@pytest.mark.parametrize("random_start", [False, True])
def test_pgd_against_foolbox(norm: str, random_start: bool, trained: Trained) -> None:
    net, x, y, eps = case(norm, trained)
    make = foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD
    theirs = by_foolbox(make(steps=20, abs_stepsize=eps / 8, random_start=random_start), net, x, y, eps)
    settings = AttackSettings(name="pgd", norm=norm, eps=eps, step_size=eps / 8, random_start=random_start)
    ours = run(settings, net, x, y)
    assert 10 < accuracy(net, theirs, y) < accuracy(net, x, y) - 20  # neither idle nor trivial
    assert accuracy(net, ours, y) == pytest.approx(accuracy(net, theirs, y), abs=1)


def test_fgsm_against_foolbox_pixel_by_pixel(trained: Trained) -> None:
    net, x, y = trained
    theirs = by_foolbox(foolbox.attacks.LinfFastGradientAttack(random_start=False), net, x, y, 0.02)
    torch.testing.assert_close(fgsm(net, x, y, Linf(0.02)), theirs, rtol=0, atol=1e-6)


def test_pgd_from_the_image_against_foolbox_pixel_by_pixel(trained: Trained) -> None:
    net, x, y = trained
    attack = foolbox.attacks.LinfPGD(steps=5, abs_stepsize=0.01, random_start=False)
    ours = pgd(net, x, y, Linf(0.03), steps=5, step_size=0.01, random_start=False)
    torch.testing.assert_close(ours, by_foolbox(attack, net, x, y, 0.03), rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", sorted(BALLS))
@pytest.mark.parametrize("name", ["apgd_ce", "apgd_dlr", "apgd_dlr_t"])
def test_apgd_against_its_authors(name: str, norm: str, trained: Trained) -> None:
    net, x, y, eps = case(norm, trained)
    steps = 10 if name == "apgd_dlr_t" else 20
    common = dict(n_iter=steps, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, seed=0, device="cpu")
    if name == "apgd_dlr_t":
        attack = APGDAttack_targeted(net, n_target_classes=9, **common)
    else:
        attack = APGDAttack(net, loss=name.removeprefix("apgd_"), **common)
    with torch.random.fork_rng(devices=[]):
        theirs = attack.perturb(x, y)
    ours = run(AttackSettings(name=name, norm=norm, eps=eps, steps=steps), net, x, y)
    assert 10 < accuracy(net, theirs, y) < accuracy(net, x, y) - 20
    assert accuracy(net, ours, y) == pytest.approx(accuracy(net, theirs, y), abs=1)


@pytest.mark.parametrize("norm", sorted(BALLS))
@pytest.mark.parametrize("queries", [30, 100])
def test_square_against_its_authors(norm: str, queries: int, trained: Trained) -> None:
    """Mean margins over seeds: theirs draws one place for the whole batch, so that one run of it says little."""
    net, x, y, eps = case(norm, trained)
    x, y = x[:150], y[:150]
    right = net(x).argmax(dim=1) == y
    x, y, eps = x[right], y[right], 1.5 * eps
    # Theirs does not count the look at the clean image, nor that at the first pattern.
    theirs = SquareAttack(net, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, n_queries=queries - 2, device="cpu")
    theirs.init_hyperparam(x)
    settings = AttackSettings(name="square", norm=norm, eps=eps, queries=queries)
    they, we = torch.zeros(6), torch.zeros(6)
    for seed in range(6):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            they[seed] = margin(net(theirs.attack_single_run(x, y)[1]), y).mean()
        we[seed] = margin(net(run(settings.replace(seed=seed), net, x, y)), y).mean()
    gain = float(margin(net(x), y).mean() - they.mean())
    assert gain > 0.5
    assert float(we.mean()) == pytest.approx(float(they.mean()), abs=0.1 * gain)
