"""The values that pass between rooms: image sets, traces, routes. Imports nothing else of the project."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

TypeName = Literal["clean", "adversarial"]
TYPES: tuple[TypeName, TypeName] = ("clean", "adversarial")  # the order of every P(type) in the project


class UserError(ValueError):
    """A mistake the user can mend: the message names the thing, the value and the cure, and is shown as it is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """Labelled images, kept as bytes.

    images: uint8 (N, C, H, W), C is 1 or 3. labels: int64 (N,) in [0, K). class_names: K names.
    origin says in words where the images come from, licence under which terms they may be used.
    Raises UserError where shapes, types or label range do not fit each other.
    """

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    class_names: tuple[str, ...]
    name: str
    origin: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise UserError(
                f"image set {self.name!r}: images must be uint8 (N, C, H, W), "
                f"got {self.images.dtype} {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise UserError(
                f"image set {self.name!r}: labels must be int64 ({len(self.images)},), "
                f"got {self.labels.dtype} {tuple(self.labels.shape)}"
            )
        if len(self) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.class_names):
            raise UserError(f"image set {self.name!r}: labels must lie in [0, {len(self.class_names)})")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        c, h, w = self.images.shape[1:]
        return c, h, w

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over shape, class names, labels and pixels: equal content, equal fingerprint, whatever the name."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.class_names)).encode())
        digest.update(self.labels.contiguous().numpy().tobytes())
        digest.update(self.images.contiguous().numpy().data)
        return digest.hexdigest()

    def floats(self, index: Tensor | slice | list[int] | None = None) -> Float[Tensor, "n c h w"]:
        """The chosen images as float32 in [0, 1], exactly pixel / 255."""
        chosen = self.images if index is None else self.images[index]
        return chosen.float().div_(255)

    def subset(self, index: Tensor | slice | list[int]) -> ImageSet:
        """The chosen images as an image set of their own, under the same name."""
        return ImageSet(
            images=self.images[index],
            labels=self.labels[index],
            class_names=self.class_names,
            name=self.name,
            origin=self.origin,
            licence=self.licence,
        )


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The two halves of a data set. Selection holds out part of `train`; `test` is only ever measured on."""

    train: ImageSet
    test: ImageSet


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """What a dynamic network decided for each image of a batch; empty for a static one.

    signals: per regulated conv the factor of each filter, (N, filters), 1 = unchanged.
    p_type: (N, 2), the probabilities of TYPES; None where the network has no type head.
    experts: per conv that holds experts the router's probability of each, (N, experts); the highest was used.
    """

    signals: Mapping[str, Float[Tensor, "n filters"]] = field(default_factory=dict)
    p_type: Float[Tensor, "n 2"] | None = None
    experts: Mapping[str, Float[Tensor, "n experts"]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.signals) or self.p_type is not None or bool(self.experts)

    def map(self, change: Callable[[Tensor], Tensor]) -> Route:
        """The route with `change` made to each of its tensors."""
        return Route(
            signals={name: change(signal) for name, signal in self.signals.items()},
            p_type=None if self.p_type is None else change(self.p_type),
            experts={name: change(share) for name, share in self.experts.items()},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """All that one forward pass shows.

    stages: named feature maps (N, C, H, W), in the order they are computed. route: the route that was taken.
    free: the route the router chose by itself; differs from `route` only under an override.
    """

    logits: Float[Tensor, "n classes"]
    stages: Mapping[str, Float[Tensor, "n c h w"]] = field(default_factory=dict)
    route: Route = field(default_factory=Route)
    free: Route = field(default_factory=Route)


@dataclass(frozen=True, kw_only=True, eq=False)
class Routing:
    """A route asked for from outside; what is left out stays the router's own choice.

    p_type: "clean" or "adversarial" runs that batch norm alone; a number in [0, 1], or a tensor (N,) of them, is the
    share of the adversarial one. signals: per conv name (N, filters) or (filters,) in place of the router's.
    scale: factor on the signals, for all convs or by conv name, in [0, 2] on the pages, any number here.
    experts: which expert to use, one for all convs, or by conv name one, or one an image (N,).
    """

    p_type: TypeName | float | Tensor | None = None
    signals: Mapping[str, Tensor] = field(default_factory=dict)
    scale: float | Mapping[str, float] = 1.0
    experts: int | Mapping[str, int | Tensor] = field(default_factory=dict)

    @staticmethod
    def like(route: Route) -> Routing:
        """The route another batch took: its signals, its P(type), its experts."""
        return Routing(
            p_type=None if route.p_type is None else route.p_type[:, 1],
            signals=route.signals,
            experts={name: share.argmax(dim=1) for name, share in route.experts.items()},
        )


class Classifier(nn.Module):
    """float images in [0, 1] (N, C, H, W) → logits (N, K). Normalisation is inside; `forward` is `trace`'s logits."""

    in_channels: int
    num_classes: int
    typed: bool = False  # does it tell clean from adversarial images?
    mixes: bool = False  # does it mix its norms by that?

    def trace(self, x: Float[Tensor, "n c h w"], *, routing: Routing | None = None) -> Trace:
        """One pass with its named stages and its route. Raises UserError where `routing` does not fit the network."""
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self.trace(x).logits


def trace(model: nn.Module, x: Tensor) -> Trace:
    """The trace of a Classifier; of any other module its logits alone."""
    return model.trace(x) if isinstance(model, Classifier) else Trace(logits=model(x))
