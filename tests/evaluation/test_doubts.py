"""Planted networks whose gradients lie are caught; one that was trained adversarially passes every check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from robust_core import checkpoints
from robust_core.cards import Doubt
from robust_core.evaluation.doubts import CHECKS, Effort, Subject, examine
from robust_core.types import Classifier, ImageSet, Routing, Trace, UserError
from tests.evaluation.own import Brightness, greys

FAST = Effort(steps=8, more_steps=12, queries=60, draws=4)
N = 32


class Wrapped(Classifier):
    """The shipped adversarially trained network with something done to its images and logits."""

    in_channels, num_classes = 1, 10

    def __init__(self, net: Classifier, before: Callable[[Tensor], Tensor], after: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        return Trace(logits=self.after(self.net(self.before(x))))


class Jitter:
    """Different noise at every call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        generator = torch.Generator().manual_seed(self.calls)
        return (x + 0.15 * torch.randn(x.shape, generator=generator)).clamp(0, 1)


def same(x: Tensor) -> Tensor:
    return x


@pytest.fixture(scope="module")
def honest() -> Classifier:
    return checkpoints.load(checkpoints.find("fashion_mnist/pgd_at"))


def raised(checks: tuple[Doubt, ...]) -> set[str]:
    return {check.name for check in checks if check.passed is False}


def test_an_honest_network_passes_all(honest: Classifier, small: ImageSet) -> None:
    told: list[tuple[int, int]] = []
    checks = examine(
        honest, small, n=128, eps=0.1, effort=FAST, progress=lambda _, at, checks: told.append((at, checks))
    )
    assert [check.name for check in checks if not check.passed] == []
    assert told == [(number, len(CHECKS)) for number in range(1, len(CHECKS) + 1)]
    figures = {check.name: check.figure for check in checks}
    assert figures["rises"] > 0.95  # type: ignore[operator]
    assert figures["noise"] < -0.02  # type: ignore[operator]


@pytest.mark.parametrize(
    ("before", "after", "caught"),
    [
        (same, lambda z: 1e3 * z, {"zeros", "rises"}),
        (same, lambda z: 1e4 * z, {"zeros", "rises", "large_eps"}),
        (lambda x: (x * 8).round() / 8, same, {"zeros", "rises", "large_eps", "black_box"}),
        (Jitter(), same, {"repeats"}),
    ],
    ids=["saturated 1e3", "saturated 1e4", "quantised", "randomised"],
)
def test_masked_gradients_are_caught(
    before: Callable[[Tensor], Tensor],
    after: Callable[[Tensor], Tensor],
    caught: set[str],
    honest: Classifier,
    small: ImageSet,
) -> None:
    effort = replace(FAST, queries=400)  # with fewer, so few images would leave Square undecided
    found = raised(examine(Wrapped(honest, before, after).eval(), small, n=N, eps=0.1, effort=effort))
    assert caught <= found


def test_where_nothing_is_right_nothing_is_checked() -> None:
    checks = examine(Brightness(), greys().subset([0]), eps=0.1, effort=FAST)
    assert {check.passed for check in checks} == {None}
    assert "none of the 1 images is right" in checks[0].told
    with pytest.raises(UserError, match=r"n must be in \[1, 8\]"):
        examine(Brightness(), greys(), n=9, eps=0.1)


def test_gradients_that_are_no_numbers_are_no_gradients() -> None:
    class Rootless(Brightness):
        """Right values; in the gradient the slope of a root at zero, times zero."""

        def trace(self, x: Tensor, *, routing: object = None) -> Trace:
            nothing = (x - x.detach()).sqrt().sum(dim=(1, 2, 3)) * 0
            return Trace(logits=super().trace(x).logits + nothing[:, None])

    checks = {check.name: check for check in examine(Rootless(), greys(), eps=0.1, effort=FAST)}
    assert checks["zeros"].figure == 1
    assert raised(tuple(checks.values())) >= {"zeros", "rises", "large_eps"}
    assert raised(examine(Brightness(), greys(), eps=0.1, effort=FAST)) == set()


def test_too_few_images_leave_a_check_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Square beats PGD on one image, on five, of eight: the first may be chance, the second is not."""
    stands = {"pgd": torch.ones(8, dtype=torch.bool), "square": torch.ones(8, dtype=torch.bool)}
    monkeypatch.setattr(Subject, "standing", lambda self, attack: stands[attack.name])
    subject = Subject.of(Brightness(), greys(), 8, 0.1, "linf", 0, "cpu", 8)
    check = next(check for check in CHECKS if check.name == "black_box")
    assert check.run(subject, FAST).passed is True
    stands["square"][0] = False
    one = check.run(subject, FAST)
    assert one.passed is None
    assert one.figure == 0.125
    assert "so few images do not decide it (p = 0.50)" in one.told
    stands["square"][:5] = False
    assert check.run(subject, FAST).passed is False
