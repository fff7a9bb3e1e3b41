"""The student as an objective sees it: passes for batches of known type, and the inner attack on fixed weights.

An objective says which images are clean and which adversarial; what that means for a route (which batch norm, what the
type head is taught) is settled here once, so every objective trains static and dynamic networks alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from robust_core import ranks
from robust_core.attacks import AttackSettings, Ball, Noise, OnStep, pgd
from robust_core.attacks.losses import AttackLoss
from robust_core.attacks.noise import as_noise
from robust_core.attacks.router import log_type
from robust_core.attacks.steps import Objective, Rows, aim
from robust_core.frozen import Frozen, frozen
from robust_core.methods.compiled import Compiled
from robust_core.methods.remembered import Remembered
from robust_core.routed import Routed
from robust_core.types import TYPES, Classifier, Route, Routing, Trace

Images = Float[Tensor, "n c h w"]
Logits = Float[Tensor, "n k"]
FAR = 2**40  # more than any batch has images: noise of adversarial images is not that of the clean ones


class RouteTraining(BaseModel):
    """How a dynamic network's route is trained; a static one has nothing to do with it. The paper leaves it open.

    train_mix: "hard" runs BN_clean on clean and BN_adversarial on adversarial batches (the paper's figure); "soft"
    trains as it is used at inference; "random" draws the adversarial share per image, so that every mixture an
    attacker can reach has been trained. "soft" without a type loss leaves P(type) at ½ for good: both halves begin
    alike, neither is better for any image, and so they stay alike; what acts then are the signals.
    skew: 1 draws the random share uniformly, larger draws it nearer to the image's own type.
    inner_attack: the path the inner attack takes: "soft" through the router, "adv" with BN_adversarial forced,
    "both" by turns. evade: λ by which a soft inner attack also wants to be taken for clean: it climbs its loss +
    λ·log P(clean), so that the router learns from attacks that know it; ours. type_weight: λ_type. Nearest to the
    paper are train_mix "hard", inner_attack "soft" and evade 0 (recipes/paper); random and skew are ours.
    balance_weight: of the load balance of a mixture of experts, without which one expert soon takes every image.
    optimizer: of the router alone; lr: Adam's highest rate, which follows the schedule; no weight decay. By SGD a
    router without batch norm hardly leaves chance; one with batch norm learns, but to judge an image by what else is in
    its batch, and of that nothing is left at inference. Ours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    train_mix: Literal["hard", "soft", "random"] = "hard"
    skew: float = Field(default=2.0, ge=1.0, le=10.0)
    inner_attack: Literal["soft", "adv", "both"] = "soft"
    evade: float = Field(default=0.0, ge=0.0, le=1000.0)
    type_weight: float = Field(default=1.0, ge=0.0, le=1000.0)
    balance_weight: float = Field(default=0.01, ge=0.0, le=1000.0)
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: float = Field(default=0.003, gt=0.0, le=1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """One training batch. x: float images in [0, 1]; y: classes; step counts from 0 over the whole run.

    generator: all randomness of this step, so that a resumed run draws what the uninterrupted one drew.
    first: where x begins in the whole batch, of which each of several processes has its part.
    places: which training images x are, where no augmentation changed them.
    rate: this step's learning rate as a share of the schedule's highest; methods let their own rates fall with it.
    """

    x: Images
    y: Int64[Tensor, " n"]
    step: int
    generator: torch.Generator
    rate: float = 1.0
    first: int = 0
    places: Int64[Tensor, " n"] | None = None

    def noise(self, types: Int64[Tensor, " m"] | int = 0) -> Noise:
        """Random numbers for the images of this part, the same however the batch is shared out."""
        place = torch.arange(self.first, self.first + len(self.x), device=self.x.device)
        drawn = as_noise(self.generator, self.x)
        if isinstance(types, int):
            return Noise(drawn.seed, place)
        return Noise(drawn.seed, place.repeat(len(types) // len(place)) + types * FAR)


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """The named parts of a loss with their weights; a weight of 0 marks a figure that is only told."""

    values: dict[str, Tensor]
    weights: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        return torch.stack([value * self.weights.get(name, 1.0) for name, value in self.values.items()]).sum()

    def __or__(self, other: Terms) -> Terms:
        return Terms(values=self.values | other.values, weights=self.weights | other.weights)


class Learner:
    """The network in training, with the frozen view its inner attack runs on.

    dtype: bfloat16 runs the passes under autocast, and view and teachers in it; float64 wants a network in it.
    compiled: torch.compile for the passes.
    images: how many there are to train on. Of one that no augmentation changes, a teacher is asked but once.
    listener: a network that hears each training pass beside it, for the sake of its norms' statistics.
    """

    def __init__(
        self,
        net: Classifier,
        attack: AttackSettings,
        route: RouteTraining,
        teachers: Mapping[str, Classifier] | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        compiled: bool = False,
        images: int = 0,
    ) -> None:
        self.net, self.attack, self.route, self.dtype = net, attack, route, dtype
        self.weights_dtype = next(net.parameters()).dtype  # and that of the losses
        self.teachers = {role: frozen(teacher, dtype) for role, teacher in (teachers or {}).items()}
        self._remembered = {
            role: Remembered(teacher, images, self.weights_dtype) for role, teacher in self.teachers.items()
        }
        self._compiled: Callable[..., Trace] | None = Compiled(net.trace) if compiled else None
        self.frozen = Frozen(net, dtype)
        self.listener: Classifier | None = None
        self._terms = Terms(values={})
        self._load: dict[str, list[float]] = {}  # images each expert of each conv took since the epoch began

    @property
    def ball(self) -> Ball:
        """The inner attack's, as it is now."""
        return self.attack.ball

    @torch.no_grad()
    def taught(self, role: str, batch: Batch, x_adv: Images | None = None) -> Logits:
        """A teacher's logits on the batch, or on adversarial images. role: one the objective names in `teachers`."""
        if x_adv is None and batch.places is not None:
            return self._remembered[role](batch.x, batch.places)
        logits: Tensor = self.teachers[role](batch.x if x_adv is None else x_adv)
        return logits

    def view(self, batch: Batch) -> Classifier:
        """The network as this step's inner attack sees it: today's weights, in eval mode, on inner_attack's path."""
        view, way = self.frozen.refresh(), self.route.inner_attack
        if self.net.typed and (way == "adv" or (way == "both" and batch.step % 2)):
            return Routed(view, Routing(p_type="adversarial"))
        return view

    def perturb(
        self,
        batch: Batch,
        loss: str | AttackLoss = "ce",
        *,
        eps: Float[Tensor, " n"] | None = None,
        on_step: OnStep | None = None,
    ) -> Images:
        """The inner attack: PGD on `view`. eps: one an image, else the ball's."""
        view = self.view(batch)
        return pgd(
            view,
            batch.x,
            batch.y,
            self.ball if eps is None else type(self.ball)(eps),
            steps=self.attack.steps,
            step_size=self.attack.step_size,
            loss=loss,
            objective=None if isinstance(view, Routed) else self._evading(batch, loss),
            random_start=self.attack.random_start,
            start=self.attack.start,
            generator=batch.noise(),
            on_step=on_step,
        )

    def _evading(self, batch: Batch, loss: str | AttackLoss) -> Callable[[Rows], Objective] | None:
        """What an inner attack climbs that knows the router; None where it need not."""
        if not (self.net.typed and self.route.evade):
            return None

        def objective(rows: Rows) -> Objective:
            wrong = aim(batch.y[rows], None, loss)
            clean = torch.full_like(batch.y[rows], TYPES.index("clean"))
            return lambda seen: wrong(seen) + self.route.evade * log_type(seen.route, clean)

        return objective

    def clean(self, batch: Batch) -> Logits:
        """The student's logits on the clean batch, in training mode."""
        return self._pass(batch, batch.x, torch.zeros(len(batch.x), dtype=torch.long))

    def adversarial(self, batch: Batch, x_adv: Images) -> Logits:
        """The student's logits on adversarial images, in training mode."""
        return self._pass(batch, x_adv, torch.ones(len(x_adv), dtype=torch.long))

    def pair(self, batch: Batch, x_adv: Images) -> tuple[Logits, Logits]:
        """Both. One joint batch where the norms are to see what inference will show them; two where types are told."""
        if not self.net.typed or self.route.train_mix == "hard":
            return self.clean(batch), self.adversarial(batch, x_adv)
        n = len(batch.x)
        types = torch.arange(2).repeat_interleave(n)
        logits = self._pass(batch, torch.cat([batch.x, x_adv]), types)
        return logits[:n], logits[n:]

    def take_terms(self) -> Terms:
        """The routing terms gathered since the last call."""
        taken, self._terms = self._terms, Terms(values={})
        return taken

    def end_epoch(self) -> dict[str, Any]:
        """What the routes of the epoch come to: of a mixture of experts, each expert's share of the images by conv."""
        taken, self._load = self._load, {}
        if not taken:
            return {}
        return {"expert_load": {name: [n / sum(counts) for n in counts] for name, counts in taken.items()}}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON."""
        return {"load": self._load}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._load = dict(state["load"])

    def _pass(self, batch: Batch, x: Images, types: Int64[Tensor, " m"]) -> Logits:
        if self.net.typed:
            types = types.to(x.device)
            seen = self._student(x, self._training_route(batch, types))
            self._judge_types(seen.free, types)
        else:
            seen = self._student(x, None)
            if seen.free.experts:
                self._weigh_load(seen.free.experts)
        return seen.logits.to(self.weights_dtype)

    def _student(self, x: Images, routing: Routing | None) -> Trace:
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype == torch.bfloat16):
            if self.listener is not None:
                with torch.no_grad():
                    self.listener.trace(x.to(self.weights_dtype), routing=routing)
            return (self._compiled or self.net.trace)(x.to(self.weights_dtype), routing=routing)

    def _judge_types(self, free: Route, types: Int64[Tensor, " n"]) -> None:
        """The type loss, on the head's own answer and not on the mixture that was imposed."""
        own = free.p_type
        assert own is not None
        loss = F.nll_loss(own.clamp_min(torch.finfo(own.dtype).tiny).log(), types)
        right = (own.detach().argmax(dim=1) == types).float().mean()
        self._gather({"type": loss, "type_accuracy": right}, {"type": self.route.type_weight, "type_accuracy": 0.0})

    def _weigh_load(self, experts: Mapping[str, Float[Tensor, "n experts"]]) -> None:
        """The load balance E·Σ_e f_e·P_e, f the shares of the images and P the mean probabilities, meaned over convs: 1
        when even, E when one expert takes all. Source: Fedus et al. 2022 (Switch Transformers), eq. 4."""
        balances, largest = [], []
        for name, p in experts.items():
            counts = ranks.total(torch.bincount(p.argmax(dim=1), minlength=p.shape[1]))
            share = counts / counts.sum()
            balances.append(p.shape[1] * (share * p.mean(dim=0)).sum())
            largest.append(share.max())
            before = self._load.get(name, [0.0] * p.shape[1])
            self._load[name] = [a + b for a, b in zip(before, counts.tolist(), strict=True)]
        values = {"balance": torch.stack(balances).mean(), "largest_load": torch.stack(largest).mean()}
        self._gather(values, {"balance": self.route.balance_weight, "largest_load": 0.0})

    def _training_route(self, batch: Batch, types: Int64[Tensor, " m"]) -> Routing | None:
        if self.route.train_mix == "soft":
            return None
        if self.route.train_mix == "hard":
            return Routing(p_type=TYPES[int(types[0])])
        u = batch.noise(types).uniform(0, 1)[:, 0] ** self.route.skew
        return Routing(p_type=torch.where(types == 1, 1 - u, u))

    def _gather(self, values: dict[str, Tensor], weights: dict[str, float]) -> None:
        """Takes terms up; of two passes in one step, their mean."""
        known = self._terms.values
        mean = {name: (known[name] + value) / 2 if name in known else value for name, value in values.items()}
        self._terms = Terms(values=mean, weights=weights)
