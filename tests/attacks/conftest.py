"""What the attack tests share: a classifier with a known distance to its boundary, and a net trained in seconds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robust_core.data import load


class Halves(nn.Module):
    """Logits (s, -s, -40, -40) with s = w·x + b: the nearest point of another class lies at |s| / ‖w‖ (dual norm)."""

    def __init__(self, x: Tensor, distance: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(x[0].numel(), generator=torch.Generator().manual_seed(7)))
        # On average the images lie `distance` (L-inf) on class 0's side.
        self.b = nn.Parameter(distance * self.w.detach().abs().sum() - (x.flatten(1) @ self.w.detach()).mean())

    def forward(self, x: Tensor) -> Tensor:
        s = x.flatten(1) @ self.w + self.b
        far = torch.full_like(s, -40.0)
        return torch.stack([s, -s, far, far], dim=1)

    def distance(self, x: Tensor, norm: str) -> Tensor:
        s = self(x)[:, 0].detach().double()
        return s.abs() / self.w.detach().double().norm(p=1 if norm == "linf" else 2)


@pytest.fixture
def grey() -> Tensor:
    """Eight 8×8 images far from black and white, so that [0, 1] is never in the way."""
    return 0.5 + 0.02 * torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def halves(grey: Tensor) -> Halves:
    return Halves(grey, 0.05)


@pytest.fixture(scope="session")
def trained() -> tuple[nn.Module, Tensor, Tensor]:
    """A small net trained for a moment, with 300 test images and labels."""
    splits = load("fashion_mnist_small")
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * (0.05 if p.ndim > 1 else 0))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for rows in torch.randint(len(splits.train), (300, 100), generator=generator):
        loss = nn.functional.cross_entropy(net(splits.train.floats(rows)), splits.train.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return net.eval().requires_grad_(False), splits.test.floats(slice(300)), splits.test.labels[:300]


def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """In percent."""
    with torch.no_grad():
        return 100 * float((net(x).argmax(dim=1) == y).float().mean())
