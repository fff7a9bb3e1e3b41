"""The mean of the weights: its weights by hand, and batch statistics that are its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from robust_core.models import build
from robust_core.training import averaging
from robust_core.training.averaging import RunningMean
from robust_core.types import Classifier
from tests.conftest import TINY


@pytest.fixture
def net() -> Classifier:
    return build("aw_net", in_channels=1, num_classes=10, seed=0, router_norm="batch", **TINY).train()


def shaken(net: Classifier, generator: torch.Generator) -> Classifier:
    """As a step at a high rate would: weights elsewhere, and the statistics of a batch taken in."""
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.3)
        net(torch.rand(16, 1, 28, 28, generator=generator))
    return net


def norms(net: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def test_the_weights_are_the_exponential_mean(net: Classifier) -> None:
    generator, mean = torch.Generator().manual_seed(0), RunningMean(net, 0.9)
    expected = next(net.parameters()).clone()
    for step in (0, 1, 300):
        shaken(net, generator)
        mean.follow(net, step, heard=False)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * next(net.parameters())
    torch.testing.assert_close(next(mean.net.parameters()), expected)
    assert not any(weight.requires_grad for weight in mean.net.parameters())


def test_it_answers_by_statistics_of_its_own(net: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(averaging, "HEARD", 3)
    generator, mean = torch.Generator().manual_seed(0), RunningMean(net, 0.9)
    first, seen = mean.net.router.features[0], []
    for step in range(20):
        x, heard = torch.rand(16, 1, 28, 28, generator=generator), mean.listener(step, 10)
        assert (heard is not None) == (step % 10 >= 7)
        if heard is not None:
            with torch.no_grad():
                heard(x)
                seen.append(first(x))  # by the weights that the mean has at this step
        mean.follow(shaken(net, generator), step, heard=heard is not None)
    assert all(int(norm.num_batches_tracked) == 3 for norm in norms(mean.net))
    own, raw = norms(mean.net.router)[0], norms(net.router)[0]
    assert own.running_mean is not None
    assert raw.running_mean is not None
    by_hand = torch.stack([features.mean(dim=(0, 2, 3)) for features in seen[-3:]]).mean(dim=0)
    torch.testing.assert_close(own.running_mean, by_hand)
    torch.testing.assert_close(own.running_var, torch.stack([f.var(dim=(0, 2, 3)) for f in seen[-3:]]).mean(dim=0))
    assert float((raw.running_mean - by_hand).abs().mean()) > 0.05  # theirs would not have done


def test_before_it_hears_it_takes_the_mean_of_theirs(net: Classifier) -> None:
    generator, mean = torch.Generator().manual_seed(0), RunningMean(net, 0.9)
    assert mean.listener(3, 100) is None
    mean.follow(shaken(net, generator), 300, heard=False)
    mine, theirs = norms(mean.net)[0], norms(net)[0]
    assert mine.running_mean is not None
    assert theirs.running_mean is not None
    torch.testing.assert_close(mine.running_mean, 0.1 * theirs.running_mean)


def test_of_a_short_epoch_it_hears_the_last_quarter(net: Classifier) -> None:
    mean = RunningMean(net, 0.9)
    assert [step for step in range(14) if mean.listener(step, 7) is mean.net] == [5, 6, 12, 13]
    assert mean.listener(0, 1) is mean.net
