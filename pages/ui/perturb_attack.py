"""Perturb's knobs: which attack, how large, how long. Only what the attack uses is shown."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.ui import link, pickers
from pages.ui.served import Served
from robust_core.attacks import ATTACKS, AttackSettings

FIRST = ("pgd", "fgsm", "mi_fgsm", "cw", "apgd_ce", "apgd_dlr", "square")  # the order people meet them in
NORMS = {"linf": "L∞", "l2": "L2"}
MANY_CLASSES = 3  # from which on aiming at a class differs from merely leaving one


@dataclass(frozen=True)
class Chosen:
    """An attack and the class it aims at, None for any wrong one."""

    settings: AttackSettings
    target: int | None


def pick_attack(served: Served, kinds: frozenset[str] = frozenset()) -> Chosen:
    """The knobs, in the place where it is called. kinds: of attacks on a router (`Attack.routed`) to offer, too.

    Raises UserError for a combination the core refuses.
    """
    entries = {name: ATTACKS[name] for name in offered(kinds)}
    name = link.select("Attack", {n: entry.label for n, entry in entries.items()}, "attack", "pgd")
    entry = entries[name]
    norms = {norm: NORMS[norm] for norm in entry.norms}
    norm = link.segments("Norm of δ", norms, "norm", next(iter(norms)))
    eps = _pick_eps(norm, colour=served.card.image_shape[0] == 3)
    settings: dict[str, object] = {"name": name, "norm": norm, "eps": eps}
    if "steps" in entry.uses:
        settings["steps"] = link.slider("Steps", 1, 100, 1, f"steps_{name}", entry.uses["steps"])
    if "queries" in entry.uses:
        settings["queries"] = link.slider("Queries", 50, 5000, 50, "queries", entry.uses["queries"])
    target = _pick_target(served) if entry.targeted else None
    with st.expander("Fine print", key="fine_print"):
        settings |= _fine_print(entry.uses, norm)
    if "seed" in entry.uses:
        settings["seed"] = pickers.pick_seed(disabled=not settings.get("random_start", True))
    return Chosen(AttackSettings(**settings), target)


def offered(kinds: frozenset[str] = frozenset()) -> list[str]:
    """The attacks that any network can be attacked with, and those on a router of these kinds."""
    return sorted((n for n in ATTACKS.names() if ATTACKS[n].routed in {"", *kinds}), key=_order)


def _order(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST), name)


def _pick_eps(norm: str, *, colour: bool) -> float:
    told = "The budget, in pixel units: black is 0, white is 1."
    if norm == "l2":
        return link.slider("ε, Euclidean length of δ", 0.0, 5.0, 0.05, "eps_l2", 0.5 if colour else 1.5, help=told)
    if colour:
        return link.slider("ε, in 255ths", 0, 32, 1, "eps_255", 8, help="The most a pixel may change, of 255.") / 255
    return link.slider("ε, the most a pixel may change", 0.0, 0.3, 0.005, "eps", 0.1, format="%.3f", help=told)


def _pick_target(served: Served) -> int | None:
    names = served.card.class_names
    if len(names) < MANY_CLASSES:
        return None
    options = {"any": "any wrong class"} | {str(k): name for k, name in enumerate(names)}
    picked = link.select("Aim at", options, "target", "any")
    return None if picked == "any" else int(picked)


def _fine_print(uses: object, norm: str) -> dict[str, object]:
    picked: dict[str, object] = {}
    if "step_size" in uses:
        size = link.number(
            "Step size", 0.0, 1.0 if norm == "linf" else 5.0, 0.005, "step_size", 0.0, format="%.4f",
            help="Pixel units. 0 stands for 2.5 · ε / steps.",
        )  # fmt: skip
        picked["step_size"] = size or None
    if "random_start" in uses:
        picked["random_start"] = link.toggle("Random start", "random_start", bool(uses["random_start"]))
    if "restarts" in uses:
        alone = not picked.get("random_start", "random_start" not in uses)
        restarts = link.number("Restarts", 1, 10, 1, "restarts", 1, disabled=alone)
        picked["restarts"] = 1 if alone else restarts
    if "momentum" in uses:
        picked["momentum"] = link.slider("Momentum μ", 0.0, 2.0, 0.1, "momentum", float(uses["momentum"]))
    if "route_weight" in uses:
        told = "How much being routed there counts beside being wrong."
        picked["route_weight"] = link.slider("λ, weight of the route", 0.0, 10.0, 0.5, "route_weight", 1.0, help=told)
    if "kappa" in uses:
        picked["kappa"] = link.slider("κ, margin in logits", 0.0, 100.0, 1.0, "kappa", float(uses["kappa"]))
    if not picked:
        st.caption("This attack has no other knobs.")
    return picked
