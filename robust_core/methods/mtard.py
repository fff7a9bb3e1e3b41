"""MTARD and B-MTARD: a clean and a robust teacher distil into one student, kept in balance.

    L_nat = KL(softmax(T_clean(x)/τ_nat) ‖ S(x)),   L_adv = KL(softmax(T_robust(x')/τ_adv) ‖ S(x')),   x' maximising CE
    L     = w_nat·L_nat + w_adv·L_adv

Normalisation loss balance, every step, in force at once:  L̃_k = (L_k / L_k at the first step)^β
    w_nat ← w_nat - r_w·(w_nat - L̃_nat/(L̃_nat + L̃_adv)),   w_adv = 1 - w_nat
Entropy balance (B-MTARD), every step, in force from the next on, H the batch mean of a teacher's softened entropy:
    τ_adv ← τ_adv - r_τ·sign(H_adv/H_nat - 1),   τ_nat ← τ_nat - r_τ·sign(H_nat/H_adv - 1),   both in [1, 10]
Source: Zhao et al., ECCV 2022 (MTARD) and TPAMI 2024, arXiv 2306.16170 (B-MTARD).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from robust_core import ranks
from robust_core.methods.learner import Batch, Learner, Terms
from robust_core.methods.objective import KLReduction, Objective, divergence, reduced
from robust_core.types import UserError

TEMPERATURES = (1.0, 10.0)


class TwoTeachers(Objective):
    """balance_losses, balance_entropies: the two balances; MTARD has the first alone, B-MTARD both.

    weight_rate: r_w; temperature_rate: r_τ; both fall with the learning rate, as in the paper. beta: β.
    kl_scale multiplies both losses: the released code for CIFAR-100 has 10.
    """

    teachers = ("clean", "robust")
    rate_of = MappingProxyType({"weight_rate": "balance_losses", "temperature_rate": "balance_entropies"})

    def __init__(
        self,
        *,
        balance_losses: bool = True,
        balance_entropies: bool = False,
        weight_rate: float = 0.025,
        temperature_rate: float = 0.001,
        beta: float = 1.0,
        kl_reduction: KLReduction = "batchmean",
        kl_scale: float = 1.0,
    ) -> None:
        if not (0 <= weight_rate <= 1 and temperature_rate >= 0 and beta > 0 and kl_scale > 0):
            raise UserError(
                f"two teachers need weight_rate in [0, 1], temperature_rate ≥ 0, beta > 0 and kl_scale > 0; "
                f"got {weight_rate}, {temperature_rate}, {beta} and {kl_scale}"
            )
        self.balance_losses, self.balance_entropies = balance_losses, balance_entropies
        self.weight_rate, self.temperature_rate, self.beta = weight_rate, temperature_rate, beta
        self.kl_reduction, self.kl_scale = kl_reduction, kl_scale
        self.w_nat, self.tau_nat, self.tau_adv = 0.5, 1.0, 1.0
        self.first: tuple[float, float] | None = None
        self._seen: dict[str, float] = {}

    def loss(self, learner: Learner, batch: Batch) -> Terms:
        x_adv = learner.perturb(batch)
        p_nat = (learner.taught("clean", batch) / self.tau_nat).softmax(dim=1)
        p_adv = (learner.taught("robust", batch, x_adv) / self.tau_adv).softmax(dim=1)
        clean, adversarial = learner.pair(batch, x_adv)
        k = clean.shape[1]
        values = {
            "kl_nat": reduced(divergence(p_nat, clean), k, self.kl_reduction),
            "kl_adv": reduced(divergence(p_adv, adversarial), k, self.kl_reduction),
        }
        told = [*values.values(), entropy(p_nat), entropy(p_adv)]
        kl_nat, kl_adv, h_nat, h_adv = ranks.mean(torch.stack(told).detach()).tolist()
        self._balance((kl_nat, kl_adv), h_nat, h_adv, batch.rate)
        weights = {"kl_nat": self.kl_scale * self.w_nat, "kl_adv": self.kl_scale * (1 - self.w_nat)}
        return Terms(values=values, weights=weights)

    def _balance(self, now: tuple[float, float], h_nat: float, h_adv: float, rate: float) -> None:
        self.first = self.first or now
        nat, adv = ((loss / max(start, 1e-12)) ** self.beta for loss, start in zip(now, self.first, strict=True))
        if self.balance_losses:
            self.w_nat -= rate * self.weight_rate * (self.w_nat - nat / max(nat + adv, 1e-12))
        if self.balance_entropies:
            step = rate * self.temperature_rate
            self.tau_adv = _clipped(self.tau_adv - step * _sign(h_adv - h_nat))
            self.tau_nat = _clipped(self.tau_nat - step * _sign(h_nat - h_adv))
        self._seen = {"h_nat": h_nat, "h_adv": h_adv, "normalised_nat": nat, "normalised_adv": adv}

    def figures(self) -> dict[str, Any]:
        balances = {"w_nat": self.w_nat, "w_adv": 1 - self.w_nat, "tau_nat": self.tau_nat, "tau_adv": self.tau_adv}
        return balances | self._seen

    def end_epoch(self) -> dict[str, Any]:
        return self.figures()

    def state_dict(self) -> dict[str, Any]:
        return {"w_nat": self.w_nat, "tau_nat": self.tau_nat, "tau_adv": self.tau_adv, "first": self.first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.w_nat, self.tau_nat, self.tau_adv = state["w_nat"], state["tau_nat"], state["tau_adv"]
        self.first = tuple(state["first"]) if state["first"] else None


def entropy(p: Float[Tensor, "n k"]) -> Tensor:
    """The mean over images of the entropy of p, in nats."""
    return -torch.xlogy(p, p).sum(dim=1).mean()


def _sign(value: float) -> float:
    return float((value > 0) - (value < 0))


def _clipped(tau: float) -> float:
    return min(max(tau, TEMPERATURES[0]), TEMPERATURES[1])
