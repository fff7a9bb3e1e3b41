"""A network with its route held: the counterfactual as a classifier of its own, for attacks and for training."""

from __future__ import annotations

from torch import Tensor

from robust_core.types import Classifier, Routing, Trace


class Routed(Classifier):
    """`net` with `routing` in force on every pass; the net itself is shared, not copied, and keeps its weights."""

    def __init__(self, net: Classifier, routing: Routing) -> None:
        super().__init__()
        self.net, self.routing = net, routing
        self.in_channels, self.num_classes = net.in_channels, net.num_classes

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        return self.net.trace(x, routing=self.routing if routing is None else routing)
