"""How weights are moved: SGD, and Adam for a router where the recipe says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from robust_core.methods import RouteTraining
from robust_core.training.recipe import SchedulePart

# What an optimiser remembers of a weight, and what it is called in a saved state.
REMEMBERED = {"momentum_buffer": "momentum", "exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq", "step": "adam_step"}


class Optimizers:
    """All weights by SGD, or those of the router by Adam and the rest by SGD. Rates follow the schedule together."""

    def __init__(self, net: nn.Module, schedule: SchedulePart, route: RouteTraining) -> None:
        self.net, self.highest = net, schedule.lr
        apart = route.optimizer == "adam"
        routers = [p for name, p in net.named_parameters() if apart and name.startswith("router.")]
        theirs = {id(p) for p in routers}
        self.all: list[torch.optim.Optimizer] = [
            torch.optim.SGD(
                [p for p in net.parameters() if id(p) not in theirs],
                lr=schedule.lr,
                momentum=schedule.momentum,
                weight_decay=schedule.weight_decay,
                nesterov=schedule.nesterov and schedule.momentum > 0,
            )
        ]
        if routers:
            self.all.append(torch.optim.Adam(routers, lr=route.lr))

    def step(self, rate: float) -> None:
        """One step at this rate of the schedule."""
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"] = rate * (optimizer.defaults["lr"] / self.highest)
            optimizer.step()

    def zero_grad(self) -> None:
        for optimizer in self.all:
            optimizer.zero_grad()

    def state_dict(self) -> dict[str, Tensor]:
        """What they remember, by its name and the weight's."""
        return {
            f"{REMEMBERED[key]}.{name}": value
            for name, memory in self._memories()
            for key, value in memory.items()
            if isinstance(value, Tensor)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Takes up again what was remembered; in the memory layout of the weights, for exact sums."""
        weights = dict(self.net.named_parameters())
        for name, memory in self._memories():
            for key, called in REMEMBERED.items():
                value = state.get(f"{called}.{name}")
                if value is not None and key == "step":
                    memory[key] = value.to("cpu", copy=True)  # where Adam itself keeps it
                elif value is not None:
                    memory[key] = torch.empty_like(weights[name]).copy_(value)

    def _memories(self) -> Iterator[tuple[str, dict[str, object]]]:
        names = {id(p): name for name, p in self.net.named_parameters()}
        for optimizer in self.all:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    yield names[id(p)], optimizer.state[p]
