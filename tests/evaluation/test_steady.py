"""An image's logits and gradient do not depend, to the last bit, on the batch it comes in, nor on its place there."""

from __future__ import annotations

import pytest
import torch

from robust_core.evaluation.steady import Steady
from robust_core.frozen import frozen
from robust_core.models import ARCHITECTURES, build
from robust_core.types import Classifier, ImageSet, Routing
from tests.conftest import lived_in, tiny


# A mixture of experts runs each expert on the images that chose it, so there the batch shows, in the last bits.
@pytest.fixture(params=[name for name in ARCHITECTURES.names() if name != "moe"])
def net(request: pytest.FixtureRequest) -> Classifier:
    return frozen(lived_in(build(request.param, in_channels=1, num_classes=10, seed=0, **tiny(request.param))))


def gradient(net: Classifier, x: torch.Tensor) -> torch.Tensor:
    point = x.clone().requires_grad_()
    return torch.autograd.grad(net(point).square().sum(), point)[0]


def test_batches_do_not_show(net: Classifier, small: ImageSet) -> None:
    steady, x = Steady(net), small.floats(slice(0, 40))
    whole, slope = steady.trace(x), gradient(steady, x)
    for rows in ([0], [39, 3], list(range(5, 38))):
        seen = steady.trace(x[rows])
        assert torch.equal(seen.logits, whole.logits[rows])
        assert torch.equal(gradient(steady, x[rows]), slope[rows])
        for name, signal in whole.route.signals.items():
            assert torch.equal(seen.route.signals[name], signal[rows])


def test_it_is_the_network_itself(any_net: Classifier, small: ImageSet) -> None:
    x = small.floats(slice(0, 40))
    steady, plain = Steady(any_net).trace(x), any_net.trace(x)
    torch.testing.assert_close(steady.logits, plain.logits)
    torch.testing.assert_close(gradient(Steady(any_net), x[:3]), gradient(any_net, x[:3]), atol=1e-5, rtol=1e-3)
    for ours, theirs in ((steady.route, plain.route), (steady.free, plain.free)):
        assert ours.signals.keys() == theirs.signals.keys()
        for name, share in theirs.experts.items():
            torch.testing.assert_close(ours.experts[name], share)
        if theirs.p_type is not None:
            torch.testing.assert_close(ours.p_type, theirs.p_type)
    if plain.route.p_type is not None:
        held = Routing(p_type="adversarial")
        torch.testing.assert_close(
            Steady(any_net).trace(x[:5], routing=held).logits, any_net.trace(x[:5], routing=held).logits
        )
