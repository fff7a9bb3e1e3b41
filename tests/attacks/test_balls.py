from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from robust_core.attacks import BALLS, L2, Ball, Linf, Noise, quantise
from robust_core.types import UserError

SHAPE = (2, 1, 3, 3)
pixels = hnp.arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32)).map(torch.from_numpy)
anything = hnp.arrays(np.float32, SHAPE, elements=st.floats(-3, 3, width=32)).map(torch.from_numpy)
budgets = st.one_of(st.floats(0, 1), st.sampled_from([k / 255 for k in (0, 1, 2, 8, 255)] + [0.1, 1e-9]))
norms = st.sampled_from(sorted(BALLS))


def exact_distance(x_adv: Tensor, x: Tensor, norm: str) -> float:
    change = x_adv.numpy().astype(np.float64) - x.numpy().astype(np.float64)
    flat = change.reshape(len(change), -1)
    return float(np.abs(flat).max() if norm == "linf" else np.sqrt((flat**2).sum(axis=1)).max())


def check_allowed(x_adv: Tensor, x: Tensor, norm: str, eps: float) -> None:
    """In the ball and in [0, 1], in float32 as in float64: also after a trip through a .npz file."""
    file = io.BytesIO()
    np.savez(file, x=x.numpy(), x_adv=x_adv.numpy())
    file.seek(0)
    back = np.load(file)
    assert back["x_adv"].dtype == np.float32
    x, x_adv = torch.from_numpy(back["x"]), torch.from_numpy(back["x_adv"])
    assert float(x_adv.min()) >= 0
    assert float(x_adv.max()) <= 1
    assert exact_distance(x_adv, x, norm) <= eps
    if norm == "linf":
        assert float((x_adv - x).abs().max()) <= eps  # a float32 difference against a float64 eps


@given(x=pixels, wild=anything, eps=budgets, norm=norms)
@settings(deadline=None)
def test_projection_lands_inside_exactly_and_is_idempotent(x: Tensor, wild: Tensor, eps: float, norm: str) -> None:
    ball = BALLS[norm](eps)
    inside = ball.project(wild, x)
    check_allowed(inside, x, norm, eps)
    assert torch.equal(ball.project(inside, x), inside)
    assert torch.equal(ball.project(x, x), x)


@given(x=pixels, share=st.floats(0, 0.99), eps=budgets, norm=norms, seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_inside_stays_put_bit_for_bit(x: Tensor, share: float, eps: float, norm: str, seed: int) -> None:
    near = BALLS[norm](eps * share).random(x, Noise(seed, torch.arange(len(x))))
    assert torch.equal(BALLS[norm](eps).project(near, x), near)


@pytest.mark.parametrize("norm", sorted(BALLS))
def test_outside_lands_on_the_edge_nearest_to_it(norm: str) -> None:
    x = torch.full((1, 1, 8, 8), 0.5)
    for eps in (0.01, 8 / 255, 0.1, 0.4):
        outside = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).sign() * 0.45
        landed = BALLS[norm](eps).project(outside, x)
        assert exact_distance(landed, x, norm) == pytest.approx(eps, rel=1e-4)
        # The nearest point lies on the line to the outside point in L2, and clips each pixel alone in L-inf.
        wanted = x + (outside - x) * (eps / (0.45 if norm == "linf" else 0.45 * 8))
        torch.testing.assert_close(landed, wanted, rtol=0, atol=1e-5)


@given(x=pixels, eps=budgets, norm=norms, seed=st.integers(0, 2**62))
@settings(deadline=None)
def test_random_starts_are_allowed(x: Tensor, eps: float, norm: str, seed: int) -> None:
    check_allowed(BALLS[norm](eps).random(x, torch.Generator().manual_seed(seed)), x, norm, eps)


def test_random_starts_fill_the_ball() -> None:
    x = torch.full((400, 1, 4, 4), 0.5)
    generator = torch.Generator().manual_seed(0)
    inf = (Linf(0.2).random(x, generator) - x).flatten()
    assert float(inf.min()) < -0.199
    assert float(inf.max()) > 0.199
    assert float(inf.std()) == pytest.approx(0.2 / 3**0.5, rel=0.05)
    # In 16 dimensions the length of a uniform point has the distribution function (r / eps)^16.
    shares = ((L2(0.2).random(x, generator) - x).flatten(1).norm(dim=1) / 0.2) ** 16
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(shares.std()) == pytest.approx(12**-0.5, rel=0.1)


@pytest.mark.parametrize("norm", sorted(BALLS))
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_ascent_has_length_one_whatever_the_gradient_and_none_for_none(norm: str, scale: float) -> None:
    gradient = torch.randn(3, 1, 5, 5, generator=torch.Generator().manual_seed(0)) * scale
    gradient[1] = 0
    up = BALLS[norm](0.1).ascend(gradient)
    zero = torch.zeros_like(up)
    torch.testing.assert_close(BALLS[norm](0.1).distance(up, zero), torch.tensor([1.0, 0.0, 1.0]))
    assert (up * gradient >= 0).all()
    broken = gradient.clone()
    broken[0, 0, 0, 0], broken[2, 0, 0, 0] = float("nan"), float("inf")
    assert BALLS[norm](0.1).ascend(broken).isfinite().all()


@pytest.mark.parametrize("norm", sorted(BALLS))
def test_a_budget_an_image_is_the_ball_of_each(norm: str) -> None:
    x = torch.rand(3, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    wild = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    eps = torch.tensor([0.0, 0.1, 0.3], dtype=torch.float64)
    together = BALLS[norm](eps).project(wild, x)
    alone = [BALLS[norm](float(e)).project(wild[i : i + 1], x[i : i + 1]) for i, e in enumerate(eps)]
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(BALLS[norm](eps).of(torch.tensor([2])).project(wild[2:], x[2:]), together[2:])
    with pytest.raises(UserError, match="3 values of eps does not fit 2 images"):
        BALLS[norm](eps).project(wild[:2], x[:2])


@pytest.mark.parametrize("eps", [-0.1, float("nan"), float("inf"), torch.tensor([0.1, -1.0]), torch.tensor(0.1)])
def test_impossible_budgets_are_refused(eps: float | Tensor) -> None:
    with pytest.raises(UserError, match="eps must be a number ≥ 0"):
        Linf(eps)


@given(levels=hnp.arrays(np.uint8, SHAPE).map(torch.from_numpy), wild=anything, eps=budgets, norm=norms)
@settings(deadline=None)
def test_quantised_images_read_back_inside_the_ball(levels: Tensor, wild: Tensor, eps: float, norm: str) -> None:
    x, ball = levels.float().div_(255), BALLS[norm](eps)
    x_adv = ball.project(wild, x)
    stored = quantise(x_adv, x, ball)
    assert stored.dtype == torch.uint8
    check_allowed(stored.float().div_(255), x, norm, eps)


def nearest_by_search(x_adv: float, x: float, eps: float) -> int:
    allowed = [k for k in range(256) if abs(float(np.float32(k) / np.float32(255)) - x) <= eps]
    return min(allowed, key=lambda k: abs(k - x_adv * 255))


@given(level=st.integers(0, 255), change=st.floats(-0.2, 0.2), eps=budgets)
def test_quantised_linf_pixels_are_the_nearest_allowed(level: int, change: float, eps: float) -> None:
    x = torch.full((1, 1, 1, 1), level, dtype=torch.uint8).float().div_(255)
    ball = Linf(eps)
    x_adv = ball.project(x + change, x)
    found = int(quantise(x_adv, x, ball))
    best = nearest_by_search(float(x_adv), float(x), eps)
    assert abs(found - float(x_adv) * 255) == pytest.approx(abs(best - float(x_adv) * 255), abs=1e-4)


def test_quantised_l2_images_stay_near(trained: tuple[object, Tensor, Tensor]) -> None:
    x = trained[1][:8]
    ball: Ball = L2(1.0)
    x_adv = ball.project(x + torch.randn(x.shape, generator=torch.Generator().manual_seed(0)), x)
    stored = quantise(x_adv, x, ball).float().div_(255)
    assert float((stored - x_adv).abs().max()) <= 1 / 255
    assert float((stored - x_adv).abs().mean()) < 0.4 / 255  # plain rounding: 0.25
    assert float(ball.distance(stored, x).min()) > 0.99


def test_no_8_bit_image_in_the_ball_is_an_error() -> None:
    x = torch.full((1, 1, 2, 2), 0.5)  # between 127/255 and 128/255
    for ball in (Linf(0.001), L2(0.001)):
        with pytest.raises(UserError, match="no 8-bit image lies within eps = 0.001"):
            quantise(x, x, ball)
