"""How a network's filters are spread, layer by layer: the observation AW-Net starts from.

Filters of a net trained on clean images and of one trained on adversarial ones differ in their distribution (Wei,
Zhao, Li, arXiv 2306.03430). Under a router a filter counts with its factor: its effective norm on an image is ω·‖W‖.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_core.explain.crowd import Crowd
from robust_core.types import Classifier, UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One conv: norms (F,), the L2 norm of each filter; weights: all of them, flat. Experts follow each other."""

    name: str
    norms: Float[Tensor, " f"]
    weights: Float[Tensor, " w"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPair:
    """The same conv of two networks. norm_distance, weight_distance: Wasserstein-1, in units of a norm, of a weight."""

    a: Layer
    b: Layer
    norm_distance: float
    weight_distance: float

    @property
    def name(self) -> str:
        return self.a.name


def layers(model: nn.Module) -> dict[str, Layer]:
    """Every conv of the network proper (not of a router), by its name in the static twin.

    Give it a network as loaded: in a frozen view norms may be folded into the filters.
    """
    found: dict[str, Layer] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and not name.startswith("router."):
            weight = module.weight.detach().float()
            short = name.removeprefix("backbone.")
            found[short] = Layer(name=short, norms=weight.flatten(1).norm(dim=1), weights=weight.flatten())
    return found


def compare_filters(a: nn.Module, b: nn.Module) -> tuple[LayerPair, ...]:
    """The convs that both networks have, in order. Raises UserError where they share none."""
    mine, theirs = layers(a), layers(b)
    shared = [name for name in mine if name in theirs]
    if not shared:
        raise UserError("these two networks have no conv of one name: choose two of one family")
    return tuple(
        LayerPair(
            a=mine[name],
            b=theirs[name],
            norm_distance=wasserstein(mine[name].norms, theirs[name].norms),
            weight_distance=wasserstein(mine[name].weights, theirs[name].weights),
        )
        for name in shared
    )


def wasserstein(a: Float[Tensor, " n"], b: Float[Tensor, " m"]) -> float:
    """Wasserstein-1 distance of two samples, of any sizes: the area between their distribution functions."""
    if not len(a) or not len(b):
        raise UserError("a distance of distributions needs a value on either side")
    x, y = a.double().sort().values, b.double().sort().values
    points = torch.cat([x, y]).sort().values
    steps = points.diff()
    below_x = torch.searchsorted(x, points[:-1], right=True).double() / len(x)
    below_y = torch.searchsorted(y, points[:-1], right=True).double() / len(y)
    return float(((below_x - below_y).abs() * steps).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Effective:
    """A conv's filter norms after ω. plain: ‖W‖ (F,); clean, adversarial: ω·‖W‖ over all images and filters (N·F,);
    distance: Wasserstein-1 between the two."""

    name: str
    plain: Float[Tensor, " f"]
    clean: Float[Tensor, " c"]
    adversarial: Float[Tensor, " c"]
    distance: float


def effective_filters(model: Classifier, crowd: Crowd) -> tuple[Effective, ...]:
    """Of each regulated conv. Raises UserError where the network has no signals."""
    if not crowd.clean.route.signals:
        raise UserError("this network turns no filters up or down: what its filters are is what they do")
    known = layers(model)
    found = []
    for name in crowd.clean.route.signals:
        norms = known[name].norms
        clean, adversarial = (
            (s.route.signals[name].float().abs() * norms).flatten() for s in (crowd.clean, crowd.adversarial)
        )
        distance = wasserstein(clean, adversarial)
        found.append(Effective(name=name, plain=norms, clean=clean, adversarial=adversarial, distance=distance))
    return tuple(found)
