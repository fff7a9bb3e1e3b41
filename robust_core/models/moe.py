"""A sparse mixture of experts over a residual net: a router reads the image and picks one expert in each conv.

Router, on the raw image:  s_j(x) = Linear_j(D(x)) ∈ R^E;  conv j uses the filters of expert argmax s_j(x)
Source: Zhang et al., "Robust Mixture-of-Expert Training for Convolutional Neural Networks" (AdvMoE), ICCV 2023. There
the experts are slices of one wide layer; here each has filters of its own, and their number is an option.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from robust_core.models.blocks import BasicBlock, Control, Count
from robust_core.models.experts import ExpertConv, hard_gate
from robust_core.models.resnet import ResidualNet
from robust_core.models.router import RouterNorm, conv_stages
from robust_core.types import Classifier, Route, Routing, Trace, UserError


class ExpertRouter(nn.Module):
    """Scores of the experts for each conv; in the order of `conv_names`, as module names may not hold dots."""

    def __init__(
        self, in_channels: int, conv_names: Sequence[str], n_experts: int, *, width: int, depth: int, norm: RouterNorm
    ) -> None:
        super().__init__()
        self.conv_names = list(conv_names)
        self.features, channels = conv_stages(in_channels, width=width, depth=depth, norm=norm)
        self.heads = nn.ModuleList(nn.Linear(channels, n_experts) for _ in self.conv_names)

    def forward(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n experts"]]:
        d = self.features(x).mean(dim=(2, 3))
        return {name: head(d) for name, head in zip(self.conv_names, self.heads, strict=True)}


class MoENet(Classifier):
    """A residual net in which each 3×3 conv of a block holds n_experts groups of filters.

    width, blocks, stem_stride, mean, std: the static twin's (ResidualNet), and an image costs what it costs there.
    n_experts: ≥ 2. router_*: the small CNN that reads the image. Raises UserError for options out of range, and in
    `trace` for a routing that does not fit.
    """

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
        n_experts: int = 2,
        router_width: Count = 16,
        router_depth: Count = 3,
        router_norm: RouterNorm = "group",
    ) -> None:
        super().__init__()
        if n_experts < 2:
            raise UserError(f"n_experts must be ≥ 2, or there is nothing to choose; got {n_experts}")
        self.in_channels, self.num_classes, self.n_experts = in_channels, num_classes, n_experts
        # The backbone first: from one seed it draws the very weights its static twin draws.
        self.backbone = ResidualNet(
            in_channels=in_channels,
            num_classes=num_classes,
            width=width,
            blocks=blocks,
            stem_stride=stem_stride,
            mean=mean,
            std=std,
        )
        for block in self.backbone.modules():
            if isinstance(block, BasicBlock):
                block.conv1, block.conv2 = ExpertConv(block.conv1, n_experts), ExpertConv(block.conv2, n_experts)
        names = list(self.backbone.regulated_convs())
        self.router = ExpertRouter(
            in_channels, names, n_experts, width=router_width, depth=router_depth, norm=router_norm
        )

    def trace(self, x: Float[Tensor, "n c h w"], *, routing: Routing | None = None) -> Trace:
        scores = self.router(x)
        gates = {name: hard_gate(score) for name, score in scores.items()}
        free = Route(experts={name: score.softmax(dim=1) for name, score in scores.items()})
        route = free
        if routing is not None:
            forced = self._forced(routing, len(x), x.device)
            held = {name: nn.functional.one_hot(e, self.n_experts).to(x.dtype) for name, e in forced.items()}
            gates |= held
            route = Route(experts={**free.experts, **held})
        seen = self.backbone.run(x, Control(gates=gates))
        return Trace(logits=seen.logits, stages=seen.stages, route=route, free=free)

    def _forced(self, routing: Routing, n: int, device: torch.device) -> Mapping[str, Int64[Tensor, " n"]]:
        """The experts asked for, per conv one an image."""
        if routing.signals or routing.scale != 1 or routing.p_type is not None:
            raise UserError("this network chooses experts: it has no signals and no types to override")
        names = self.router.conv_names
        wanted = dict.fromkeys(names, routing.experts) if isinstance(routing.experts, int) else routing.experts
        forced = {}
        for name, expert in wanted.items():
            if name not in names:
                raise UserError(f"no conv with experts {name!r}; known: {', '.join(names)}")
            chosen = torch.as_tensor(expert, dtype=torch.int64, device=device)
            if chosen.shape not in ((), (1,), (n,)):
                raise UserError(f"experts of {name!r} must be one, or one an image ({n}); got {tuple(chosen.shape)}")
            if bool(((chosen < 0) | (chosen >= self.n_experts)).any()):
                raise UserError(f"experts of {name!r} must lie in [0, {self.n_experts}); got {expert}")
            forced[name] = chosen.expand(n)
        return forced

    def regulated_convs(self) -> dict[str, int]:
        """Name and number of experts of each conv the router decides about."""
        return dict.fromkeys(self.router.conv_names, self.n_experts)
