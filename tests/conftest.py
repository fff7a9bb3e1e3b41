"""What all tests share: one thread (small nets are faster so), the devices present, tiny nets and images."""

from __future__ import annotations

import os

import pytest
import torch

from robust_core.data import load
from robust_core.models import ARCHITECTURES, build
from robust_core.types import Classifier, ImageSet

torch.set_num_threads(1)

DEVICES = [
    "cpu",
    *(["cuda"] if torch.cuda.is_available() else []),
    *(["mps"] if torch.backends.mps.is_available() else []),
]
TINY = {"width": 8, "blocks": (1, 1)}


def tiny(architecture: str) -> dict[str, object]:
    """Options that make a registered architecture tiny."""
    return {"depth": 10, "widen_factor": 1} if architecture == "wrn_34_10" else TINY


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture(params=ARCHITECTURES.names())
def any_net(request: pytest.FixtureRequest) -> Classifier:
    """Each registered architecture, tiny, with statistics and routing heads that are not those of a fresh net."""
    return lived_in(build(request.param, in_channels=1, num_classes=10, seed=0, **tiny(request.param)))


def lived_in(net: Classifier) -> Classifier:
    """Weights and statistics moved off their initial values, so that a mistake cannot hide in ones and zeros."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            if tensor.is_floating_point():
                noise = 0.1 * torch.randn(tensor.shape, generator=generator).to(tensor.device)
                tensor.add_(noise if tensor.ndim > 1 else noise.abs())  # variances stay positive
    return net.eval()


@pytest.fixture(scope="session")
def small() -> ImageSet:
    """The bundled test images."""
    return load("fashion_mnist_small").test


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where everything is meant to be installed (ROBUSTLENS_SKIPS_FAIL=1), a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("ROBUSTLENS_SKIPS_FAIL") and reporter and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = 1
