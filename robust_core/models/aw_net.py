"""AW-Net: a router that reads the image turns each filter of a residual net up or down and mixes two batch norms.

Router, on the raw image:  features D(x);  ω_j(x) = gain·sigmoid(Linear_j(D(x)));  P_type(x) = softmax(MLP(D(x)))
Block j:                   u_j = (ω_j ⊗ W_j) * ψ_j;   φ_j = ReLU(BN_mix(u_j) + shortcut(ψ_j))
Source: Wei, Zhao, Li, "Revisiting the Trade-off between Accuracy and Robustness via Weight Distribution of Filters",
TPAMI 2024, arXiv 2306.03430. What the paper leaves open is an option, and its docstring says that the default is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_core.models.backbone import Backbone
from robust_core.models.blocks import Control, Count
from robust_core.models.mix_bn import MixBN
from robust_core.models.resnet import ResidualNet
from robust_core.models.router import Activation, RouterNorm, activation_of, conv_stages
from robust_core.registry import unknown
from robust_core.types import TYPES, Classifier, Route, Routing, Trace, UserError


class Router(nn.Module):
    """Reads the image; answers with one factor per filter of each regulated conv, and with P(type).

    convs: the regulated ones, by name with their filters. width, depth: of the stride-2 conv stages (`conv_stages`).
    norm: "group" by default: batch norm would read the type off the statistics of a pure batch, which a single image
    does not have. gain: ω lies in (0, gain); above 1. type_reaches_features: False stops the type loss at the type head
    in training, so D learns from the task alone. type_hidden: units between the type head's two layers. activation: of
    all its units. These defaults are ours. Raises UserError for options out of range.
    """

    def __init__(
        self,
        in_channels: int,
        convs: dict[str, int],
        *,
        width: int = 16,
        depth: int = 3,
        norm: RouterNorm = "group",
        activation: Activation = "relu",
        gain: float = 2.0,
        type_hidden: int = 32,
        type_reaches_features: bool = True,
    ) -> None:
        super().__init__()
        if not gain > 1:
            raise UserError(f"signal_gain must be above 1, or no filter could stay as it is; got {gain}")
        self.gain, self.type_reaches_features = gain, type_reaches_features
        self.conv_names = list(convs)
        self.features, c_in = conv_stages(in_channels, width=width, depth=depth, norm=norm, activation=activation)
        # Module names may not hold dots, so heads are kept in the order of conv_names.
        self.signal_heads = nn.ModuleList(nn.Linear(c_in, convs[name]) for name in self.conv_names)
        self.type_head = nn.Sequential(
            nn.Linear(c_in, type_hidden), activation_of(activation), nn.Linear(type_hidden, len(TYPES))
        )
        # Zero last layers: ω = 1 and P(type) = (½, ½), so the fresh net computes its static twin.
        for head in (*self.signal_heads, self.type_head[-1]):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.offset = -math.log(gain - 1)  # where the sigmoid is 1/gain

    def forward(self, x: Float[Tensor, "n c h w"]) -> Route:
        d = self.features(x).mean(dim=(2, 3))
        # In training alone: who attacks the finished network follows P(type) back to the image.
        seen = d if self.type_reaches_features or not self.training else d.detach()
        signals = {
            name: self.gain * torch.sigmoid(head(d) + self.offset)
            for name, head in zip(self.conv_names, self.signal_heads, strict=True)
        }
        types = self.type_head(seen)
        at_least = torch.promote_types(types.dtype, torch.float32)
        return Route(signals=signals, p_type=types.softmax(dim=1, dtype=at_least))


def _chosen(convs: dict[str, int], regulate: Sequence[str]) -> dict[str, int]:
    """The convs of which a part of the name is in `regulate`; all where that is empty."""
    parts = {part for name in convs for part in name.split(".")}
    for word in regulate:
        if word not in parts:
            raise unknown("conv to regulate", word, sorted(parts))
    return {name: filters for name, filters in convs.items() if not regulate or set(name.split(".")) & set(regulate)}


class AWNet(Classifier):
    """A residual net, or a MobileNetV2, under a router's control.

    backbone: the static twin's class; width, blocks, stem_stride, mean, std: its options. mix: "full", "affine"
    (MixBN), or "none": one plain batch norm, so that signals act alone and P(type) is only told. signals: False leaves
    MixBN alone. regulate: the convs to give a signal, by any part of their names ("layer3", "conv2"); none named is
    all. The rest: Router's.
    Raises UserError for an unknown mix, and in `trace` for a routing that does not fit.
    """

    typed = True

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        width: Count = 16,
        blocks: Sequence[int] = (2, 2, 2),
        stem_stride: Count = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        backbone: Callable[..., Backbone] = ResidualNet,
        mix: Literal["full", "affine", "none"] = "full",
        signals: bool = True,
        signal_gain: float = 2.0,
        regulate: Sequence[str] = (),
        router_width: Count = 16,
        router_depth: Count = 3,
        router_norm: RouterNorm = "group",
        router_activation: Activation = "relu",
        router_type_hidden: Count = 32,
        type_reaches_features: bool = True,
    ) -> None:
        super().__init__()
        if mix not in ("full", "affine", "none"):
            raise UserError(f"unknown mix {mix!r}; known: full, affine, none")
        self.in_channels, self.num_classes, self.mixes = in_channels, num_classes, mix != "none"
        norm = nn.BatchNorm2d if mix == "none" else partial(MixBN, mix=mix)
        # The backbone first: from one seed it draws the very weights its static twin draws.
        self.backbone = backbone(
            in_channels=in_channels,
            num_classes=num_classes,
            width=width,
            blocks=blocks,
            stem_stride=stem_stride,
            mean=mean,
            std=std,
            norm=norm,
        )
        self.router = Router(
            in_channels,
            _chosen(self.backbone.regulated_convs(), regulate) if signals else {},
            width=router_width,
            depth=router_depth,
            norm=router_norm,
            activation=router_activation,
            gain=signal_gain,
            type_hidden=router_type_hidden,
            type_reaches_features=type_reaches_features,
        )

    def regulated_convs(self) -> dict[str, int]:
        """Name and number of filters of each conv the router regulates."""
        convs = self.backbone.regulated_convs()
        return {name: convs[name] for name in self.router.conv_names}

    def trace(self, x: Float[Tensor, "n c h w"], *, routing: Routing | None = None) -> Trace:
        own = self.router(x)
        route, forced = (own, None) if routing is None else self._overridden(own, routing)
        control = Control(signals=route.signals, p_type=forced or route.p_type)
        seen = self.backbone.run(x, control)
        return Trace(logits=seen.logits, stages=seen.stages, route=route, free=own)

    def _overridden(self, own: Route, routing: Routing) -> tuple[Route, Literal["clean", "adversarial"] | None]:
        """The route after the override, and the one type that is forced on all, if any."""
        for name in (*routing.signals, *(routing.scale if not isinstance(routing.scale, (int, float)) else ())):
            if name not in own.signals:
                known = ", ".join(own.signals) or "none: this network has no signals"
                raise UserError(f"no regulated conv {name!r}; known: {known}")
        if routing.experts:
            raise UserError("this network has no experts to choose; its route is signals and P(type)")
        signals = {name: self._signal(name, own.signals[name], routing) for name in own.signals}
        assert own.p_type is not None
        p_type, forced = own.p_type, None
        if isinstance(routing.p_type, str):
            if routing.p_type not in TYPES:
                raise UserError(f"unknown type {routing.p_type!r}; known: {', '.join(TYPES)}")
            forced = routing.p_type
            p_type = torch.zeros_like(p_type)
            p_type[:, TYPES.index(forced)] = 1
        elif routing.p_type is not None:
            share = torch.as_tensor(routing.p_type, dtype=p_type.dtype, device=p_type.device)
            if share.ndim > 1 or (share.ndim == 1 and len(share) != len(p_type)):
                raise UserError(f"p_type must be one share or one per image ({len(p_type)}), got {tuple(share.shape)}")
            if bool(((share < 0) | (share > 1)).any()):
                raise UserError("p_type is the share of the adversarial batch norm and must lie in [0, 1]")
            share = share.expand(len(p_type))
            p_type = torch.stack([1 - share, share], dim=1)
        return Route(signals=signals, p_type=p_type), forced

    @staticmethod
    def _signal(name: str, own: Tensor, routing: Routing) -> Tensor:
        signal = own
        if name in routing.signals:
            given = routing.signals[name].to(own)
            if (
                given.ndim not in (1, 2)
                or given.shape[-1] != own.shape[1]
                or given.shape[:-1] not in ((), (1,), own.shape[:1])
            ):
                raise UserError(
                    f"signals of {name!r} must be ({own.shape[1]},) or ({own.shape[0]}, {own.shape[1]}), "
                    f"got {tuple(given.shape)}"
                )
            signal = given.expand_as(own)
        factor = routing.scale if isinstance(routing.scale, (int, float)) else routing.scale.get(name, 1.0)
        return signal if factor == 1 else signal * factor
