"""ABSLD: each class its own distillation temperature, sharper for hard classes; and RSLAD, the same with all at 1.

    p_adv = softmax(T(x)/τ_adv[y]),   p_nat = softmax(T(x)/τ_nat[y]),   x' maximising KL(p_adv ‖ S(x'))
    L     = 5/6·KL(p_adv ‖ S(x')) + 1/6·KL(p_nat ‖ S(x))
Once an epoch, for each class k, for adversarial and clean apart, R_k the class mean of CE(S(·), y) over the epoch:
    τ_k ← clip(τ_k - η·(R_k - mean_j R_j) / max_j |R_j - mean_j R_j|, 0.5, 5)
Sources: ABSLD, NeurIPS 2024, arXiv 2312.05508, and its extension 2506.08611; RSLAD: Zi et al. 2021; the class weights:
Fair-ARD (Yue et al. 2023). The released code sums CE over a class; the mean, as here, does not need balanced classes.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from robust_core import ranks
from robust_core.attacks import Step
from robust_core.methods.learner import Batch, Learner, Terms
from robust_core.methods.objective import KLReduction, Objective, away_from, divergence, reduced
from robust_core.types import UserError

TEMPERATURES = (0.5, 5.0)
WEIGHTS = (5 / 6, 5 / 2)
MARGINS = (0.5, 1.5)  # of eps; ours


class SoftLabels(Objective):
    """Distils a robust teacher that sees the clean image only; three levers for hard classes, alone or together.

    temperatures: ABSLD's class temperatures, moved by temperature_rate η (it falls with the learning rate).
    weights: each image weighs as its class: (1/(κ_k + 1e-5))², κ_k the mean number of steps of the inner attack that
    class k survives, rescaled to mean 1, clipped to [5/6, 5/2], in force from the next epoch on (Fair-ARD).
    margins: class k is attacked with its own ε_k, moved like τ but upwards for hard classes, by margin_rate a share of
    ε, within [½, 1½] of ε; the papers leave the rule open, this one is ours. adv_share: 5/6.
    """

    teachers = ("robust",)
    rate_of = MappingProxyType({"temperature_rate": "temperatures", "margin_rate": "margins"})

    def __init__(
        self,
        *,
        temperatures: bool = True,
        weights: bool = False,
        margins: bool = False,
        temperature_rate: float = 0.1,
        margin_rate: float = 0.05,
        adv_share: float = 5 / 6,
        kl_reduction: KLReduction = "batchmean",
    ) -> None:
        if not (temperature_rate >= 0 and margin_rate >= 0 and 0 <= adv_share <= 1):
            raise UserError(
                "soft labels need rates ≥ 0 and adv_share in [0, 1]; "
                f"got {temperature_rate}, {margin_rate}, {adv_share}"
            )
        self.levers = {"temperatures": temperatures, "weights": weights, "margins": margins}
        self.temperature_rate, self.margin_rate = temperature_rate, margin_rate
        self.adv_share, self.kl_reduction = adv_share, kl_reduction
        self.rate = 1.0
        self.levels: dict[str, Tensor] = {}  # per class: tau_adv, tau_nat, weight, margin
        self.sums: dict[str, Tensor] = {}  # per class, over the epoch: n, risk_adv, risk_nat, survived

    def loss(self, learner: Learner, batch: Batch) -> Terms:
        self._start(learner.net.num_classes)
        y, self.rate = batch.y.cpu(), batch.rate
        taught = learner.taught("robust", batch)
        tau_adv, tau_nat, weight, margin = (
            self.levels[name][y].to(taught.dtype).to(taught.device)
            for name in ("tau_adv", "tau_nat", "weight", "margin")
        )
        p_adv = (taught / tau_adv[:, None]).softmax(dim=1)
        p_nat = (taught / tau_nat[:, None]).softmax(dim=1)

        alive = torch.ones_like(y, dtype=torch.bool)
        survived = torch.zeros(len(y), dtype=torch.float64)

        def count(step: Step) -> None:
            if step.index:  # point 0 is the start
                alive.logical_and_(step.margin.cpu() > 0)
                survived.add_(alive)

        eps = learner.ball.eps * margin if self.levers["margins"] else None
        x_adv = learner.perturb(batch, away_from(p_adv), eps=eps, on_step=count if self.levers["weights"] else None)
        clean, adversarial = learner.pair(batch, x_adv)
        self._gather(y, clean, adversarial, survived)
        k = clean.shape[1]
        return Terms(
            values={
                "kl_adv": reduced(weight * divergence(p_adv, adversarial), k, self.kl_reduction),
                "kl_nat": reduced(weight * divergence(p_nat, clean), k, self.kl_reduction),
            },
            weights={"kl_adv": self.adv_share, "kl_nat": 1 - self.adv_share},
        )

    def _start(self, k: int) -> None:
        if not self.levels:
            self.levels = {
                name: torch.ones(k, dtype=torch.float64) for name in ("tau_adv", "tau_nat", "weight", "margin")
            }
        if not self.sums:
            self.sums = {
                name: torch.zeros(k, dtype=torch.float64) for name in ("n", "risk_adv", "risk_nat", "survived")
            }

    def _gather(self, y: Tensor, clean: Tensor, adversarial: Tensor, survived: Tensor) -> None:
        def risk(logits: Tensor) -> Tensor:
            return F.cross_entropy(logits.detach().cpu().double(), y, reduction="none")

        parts = {"n": torch.ones(len(y), dtype=torch.float64), "survived": survived}
        parts |= {"risk_adv": risk(adversarial), "risk_nat": risk(clean)}
        for name, values in parts.items():
            self.sums[name] += ranks.total(torch.zeros_like(self.sums[name]).index_add_(0, y, values))

    def end_epoch(self) -> dict[str, Any]:
        if not self.sums:
            return {}
        present = self.sums["n"] > 0
        means = {name: self.sums[name] / self.sums["n"].clamp(min=1) for name in ("risk_adv", "risk_nat", "survived")}
        if self.levers["temperatures"]:
            for kind in ("adv", "nat"):
                push = lean(means[f"risk_{kind}"], present)
                moved = self.levels[f"tau_{kind}"] - self.rate * self.temperature_rate * push
                self.levels[f"tau_{kind}"] = moved.clamp(*TEMPERATURES)
        if self.levers["margins"]:
            moved = self.levels["margin"] + self.rate * self.margin_rate * lean(means["risk_adv"], present)
            self.levels["margin"] = moved.clamp(*MARGINS)
        if self.levers["weights"]:
            self.levels["weight"] = class_weights(means["survived"], present)
        self.sums = {}
        told = self.levels | {name: torch.where(present, mean, float("nan")) for name, mean in means.items()}
        if not self.levers["weights"]:
            del told["survived"]
        return {f"class_{name}": [None if v != v else v for v in values.tolist()] for name, values in told.items()}

    def state_dict(self) -> dict[str, Any]:
        return {part: {name: v.tolist() for name, v in getattr(self, part).items()} for part in ("levels", "sums")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part in ("levels", "sums"):
            setattr(self, part, {name: torch.tensor(v, dtype=torch.float64) for name, v in state[part].items()})


def lean(risk: Float[Tensor, " k"], present: Tensor) -> Float[Tensor, " k"]:
    """(R_k - mean) / max |R_j - mean| over the classes that are there: ±1 at the extreme class, 0 if all are equal."""
    apart = torch.where(present, risk - risk[present].mean(), 0.0)
    widest = apart.abs().max()
    return apart / widest if widest > 0 else apart


def class_weights(survived: Float[Tensor, " k"], present: Tensor) -> Float[Tensor, " k"]:
    """Fair-ARD's weights from κ: (1/(κ + 1e-5))², rescaled to mean 1, then clipped to [5/6, 5/2]."""
    raw = torch.where(present, 1 / (survived + 1e-5) ** 2, float("nan"))
    scaled = raw / raw[present].mean()
    return torch.where(present, scaled.clamp(*WEIGHTS), 1.0)
