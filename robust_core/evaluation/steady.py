"""A network that answers for an image the same, bit for bit, whatever batch it comes in: for figures that repeat."""

from __future__ import annotations

import torch
from torch import Tensor

from robust_core.types import Classifier, Route, Routing, Trace, trace

# Images; on a CPU larger ones are hardly faster, and the last one of a batch is filled up. A GPU idles on so few.
BLOCK_CPU, BLOCK_GPU = 32, 256


class Steady(Classifier):
    """`net`, asked about blocks of always as many images. The net itself is shared, not copied.

    For another number of images torch takes other kernels, and gets other last bits, from which a hundred steps make
    another image. What fills a block up gets no gradient and is cut off again. Stages are not kept.
    A routing with one value an image does not fit it.
    """

    def __init__(self, net: Classifier) -> None:
        super().__init__()
        self.net = net
        self.in_channels, self.num_classes = net.in_channels, net.num_classes

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        n, block = len(x), BLOCK_CPU if x.device.type == "cpu" else BLOCK_GPU
        missing = -n % block
        if missing:
            x = torch.cat([x, x.detach()[torch.arange(missing, device=x.device) % n]])
        seen = [self._asked(part, routing) for part in x.split(block)]
        if len(seen) == 1:
            only = seen[0]
            return Trace(
                logits=only.logits[:n],
                route=only.route.map(lambda values: values[:n]),
                free=only.free.map(lambda values: values[:n]),
            )
        return Trace(
            logits=torch.cat([part.logits for part in seen])[:n],
            route=_joined([part.route for part in seen], n),
            free=_joined([part.free for part in seen], n),
        )

    def _asked(self, x: Tensor, routing: Routing | None) -> Trace:
        return trace(self.net, x) if routing is None else self.net.trace(x, routing=routing)


def _joined(routes: list[Route], n: int) -> Route:
    """The route of the first n images of the blocks."""
    types = [route.p_type for route in routes if route.p_type is not None]
    return Route(
        signals={name: torch.cat([route.signals[name] for route in routes])[:n] for name in routes[0].signals},
        p_type=torch.cat(types)[:n] if types else None,
        experts={name: torch.cat([route.experts[name] for route in routes])[:n] for name in routes[0].experts},
    )
