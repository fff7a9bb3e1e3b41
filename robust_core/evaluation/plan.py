"""Which attacks an evaluation makes, in which order: named groups of named attacks.

table: the attacks of the papers' tables, each on all images. autoattack: AutoAttack standard, attack after attack on
what is left. adaptive: those that know the router, after the end-to-end ones with restarts. The steps of the papers are
given for ε = 8/255; at another ε they are the same share of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from robust_core.attacks import ATTACKS, AttackSettings
from robust_core.cards import AttackResult, Borrowed
from robust_core.evaluation.fab import PACKAGE, Fab, fab_is_here
from robust_core.registry import unknown
from robust_core.types import Classifier, Route, UserError, trace

GROUPS = ("table", "autoattack", "adaptive")
PAPERS_EPS = 8 / 255
RESTARTS = 5  # of each adaptive attack
ROUTED = ("router_to_clean", "router_to_adversarial", "router_type", "router_signals", "path_clean", "path_adversarial")

Chosen = AttackSettings | Fab


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run. attacks: by name. groups: each group's attacks by name, in their order.

    alone: groups each of whose attacks is run on every image; in the others an attack meets those images that the
    earlier ones left. notes: what was left out, and why. Raises UserError where it does not make one worst case.
    """

    attacks: Mapping[str, Chosen]
    groups: Mapping[str, tuple[str, ...]]
    alone: frozenset[str] = frozenset()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        named = [name for names in self.groups.values() for name in names]
        for name in named:
            if name not in self.attacks:
                raise unknown("attack of the plan", name, self.attacks)
        if not named:
            raise UserError("an evaluation needs one attack or more")
        if len({(a.norm, a.eps) for a in self.attacks.values()}) > 1:
            raise UserError("the attacks of one evaluation must share one norm and one eps: a worst case over several")

    @property
    def budget(self) -> tuple[str, float]:
        """(norm, eps)."""
        first = next(iter(self.attacks.values()))
        return first.norm, first.eps

    @property
    def borrowed(self) -> list[Borrowed]:
        """The attacks that are not ours."""
        return [attack.borrowed() for attack in self.attacks.values() if isinstance(attack, Fab)]

    def describe(self) -> dict[str, str]:
        """Each attack in one line."""
        return {name: (a.borrowed() if isinstance(a, Fab) else a).describe() for name, a in self.attacks.items()}


def plan_for(
    net: Classifier,
    shape: tuple[int, int, int],
    groups: Sequence[str] = GROUPS,
    *,
    eps: float | str = 0.1,
    norm: str = "linf",
    seed: int = 0,
) -> Plan:
    """The plan of these groups for this network. shape: (C, H, W) of its images.

    Left out, with a note: the adaptive group for a static network; FAB where its package is not installed; the targeted
    DLR, in favour of the untargeted one or of CE alone, with fewer than 4 classes.
    Raises UserError for an unknown group, for none left, or for a budget that no attack takes.
    """
    for group in groups:
        if group not in GROUPS:
            raise unknown("group of attacks", group, GROUPS)
    common: dict[str, Any] = {"eps": eps, "norm": norm}
    number = AttackSettings(name="fgsm", **common).eps  # checked, and "8/255" as a number
    if number == 0:
        raise UserError("eps must be > 0: with eps = 0 no attack does anything, and clean accuracy is what is measured")
    seeded = {**common, "seed": seed}
    attacks: dict[str, Chosen] = {}
    chosen: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    makers = {"table": _table, "autoattack": _autoattack, "adaptive": _adaptive}
    route = _route(net, shape)
    for group in dict.fromkeys(groups):
        part = makers[group](number, seeded, net.num_classes, route, notes)
        if part:
            attacks |= part
            chosen[group] = tuple(part)
    if not chosen:
        raise UserError(f"no attack is left of the plan {', '.join(groups)}: {'; '.join(notes)}")
    return Plan(attacks=attacks, groups=chosen, alone=frozenset({"table"} & chosen.keys()), notes=tuple(notes))


def called(results: Sequence[AttackResult]) -> str:
    """The attacks as people call them, in one line; one made with several settings stands there once."""
    heads = [r.describe().split(", ")[0] for r in {r.name: r for r in results}.values()]
    times = {head: heads.count(head) for head in heads}
    return ", ".join(f"{head} ({n} settings)" if n > 1 else head for head, n in times.items())


def _route(net: Classifier, shape: tuple[int, int, int]) -> Route:
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    with torch.no_grad():
        return trace(net, torch.zeros(1, *shape, device=device)).route


def _table(eps: float, seeded: dict[str, Any], _: int, __: Route, ___: list[str]) -> dict[str, Chosen]:
    coarse, fine = (2 / 255) / PAPERS_EPS * eps, 0.003 / PAPERS_EPS * eps
    unseeded = {key: value for key, value in seeded.items() if key != "seed"}
    return {
        "fgsm": AttackSettings(name="fgsm", **unseeded),
        "pgd20": AttackSettings(name="pgd", steps=20, step_size=coarse, **seeded),
        "pgd20_fine": AttackSettings(name="pgd", steps=20, step_size=fine, **seeded),
        "cw30": AttackSettings(name="cw", steps=30, step_size=coarse, kappa=50.0, **seeded),
    }


def _autoattack(eps: float, seeded: dict[str, Any], classes: int, _: Route, notes: list[str]) -> dict[str, Chosen]:
    found: dict[str, Chosen] = {"apgd_ce": AttackSettings(name="apgd_ce", **seeded)}
    if classes >= 4:
        found["apgd_dlr_t"] = AttackSettings(name="apgd_dlr_t", **seeded)
    elif classes == 3:
        found["apgd_dlr"] = AttackSettings(name="apgd_dlr", **seeded)
        notes.append("APGD-DLR stands in for the targeted DLR, which needs 4 classes or more; this network has 3")
    else:
        found["apgd_ce_5"] = AttackSettings(name="apgd_ce", restarts=5, **seeded)
        notes.append("APGD-CE with 5 restarts stands in for the DLR losses, which need 3 classes or more")
    if fab_is_here():
        found["fab_t"] = Fab(norm=seeded["norm"], eps=eps)
    else:
        notes.append(f"FAB was left out: the package {PACKAGE} is not installed (pip install {PACKAGE})")
    return found | {"square": AttackSettings(name="square", queries=5000, **seeded)}


def _adaptive(_: float, seeded: dict[str, Any], classes: int, route: Route, notes: list[str]) -> dict[str, Chosen]:
    if not route:
        notes.append("the adaptive attacks were left out: this network is static, it has no router")
        return {}
    there = {"types": route.p_type is not None, "any": bool(route.signals or route.experts)}
    known = [name for name in ROUTED if there[ATTACKS[name].routed]]
    if len(known) < len(ROUTED):
        why = "tells no types" if not there["types"] else "turns no filters"
        notes.append(f"of the attacks on the router only {', '.join(known)} were run: this router {why}")
    found: dict[str, Chosen] = {"apgd_ce": AttackSettings(name="apgd_ce", **seeded)}
    if classes >= 3:
        found["apgd_dlr"] = AttackSettings(name="apgd_dlr", **seeded)
    found["pgd20_restarts"] = AttackSettings(name="pgd", restarts=RESTARTS, **seeded)
    return found | {name: AttackSettings(name=name, restarts=RESTARTS, **seeded) for name in known}
