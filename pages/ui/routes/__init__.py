"""The route of an attack as a Streamlit component: packs a `Way` for routes.js, which scrubs it without the server and
tells it, once it rests, at which step."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from pages.ui.pictures import data_url
from robust_core import charts
from robust_core.evaluation.measures import spaced
from robust_core.explain.routing import (
    PARTED,
    Way,
    block_of,
    chosen_experts,
    decisions,
    distances,
    first_parting,
    parted,
)
from robust_core.types import TYPES

HERE = Path(__file__).parent
UNSURE = 0.05  # P(type) this close to one half is no answer; ours

_mount = st.components.v2.component(
    "robustlens_routes",
    html='<div class="holder"><div class="routes"></div></div>',
    css=(HERE / "routes.css").read_text(),
    js=(HERE / "routes.js").read_text(),
)


def show_way(
    packed: dict[str, Any],
    on_filter: Callable[[str], None],
    *,
    step: int | None,
    on_step: Callable[[object], None],
    key: str,
) -> None:
    """Mounts the maps; on_filter gets "conv:number" when a cell is picked.

    step: where the film begins, None at its end. on_step gets what the browser says it rests at, None at its end.
    """

    def picked() -> None:
        wanted = st.session_state[key].filter
        if isinstance(wanted, str):
            on_filter(wanted)

    _mount(
        key=key,
        data={**packed, "step": step},
        on_filter_change=picked,
        on_step_change=lambda: on_step(st.session_state[key].step),
    )


def pack(
    way: Way,
    *,
    class_names: Sequence[str],
    truth: int | None,
    order: str,
    chosen: tuple[str, int] | None,
    dark: bool,
    mixes: bool,
) -> dict[str, Any]:
    """A way as plain JSON. truth: the true class, None where nobody knows it. order: "change" or "index". mixes: does
    the network's guess at the type decide anything?"""
    experts = bool(way.route.experts)
    neutral = 0.0 if experts else 1.0
    before, after = decisions(way.clean), decisions(way.route)
    reach = _top([*before.values(), *after.values()], neutral)
    apart, blocks = distances(way.clean, way.route), parted(way.clean, way.route)
    used = (chosen_experts(way.clean), chosen_experts(way.route))
    _, _, height, width = way.images.shape
    probabilities = way.logits.softmax(dim=1)
    best, clean_best = way.logits.argmax(dim=1).tolist(), int(way.clean_logits.argmax())
    own = truth is None
    typed = way.route.p_type
    black_box = way.settings.name == "square"
    drift = sum(apart.values()) / max(len(apart), 1)
    return {
        "kind": "experts" if experts else "signals",
        "neutral": neutral,
        "scale": reach,
        "reach": reach,
        "change": _top([after[n] - before[n] for n in before], 0.0),
        "faint": charts.FAINT,
        "threshold": PARTED,
        "farthest": max([PARTED * 1.5, *(float(v.max()) for v in apart.values())]),
        "convs": [
            {
                "name": name,
                "n": values.shape[1],
                "clean": _packed(before[name], neutral, reach),
                "values": _packed(values, neutral, reach),
                "order": _order(after[name][-1] - before[name][0], order),
                "distance": _finite(apart[name]),
                "parted": blocks[block_of(name)].tolist(),
                "used": [f"{int(used[0][name][0])} → {e}" for e in used[1][name].tolist()] if experts else [],
            }
            for name, values in after.items()
        ],
        "drift": _finite(drift) if isinstance(drift, Tensor) else [0.0] * len(way.index),
        "pType": None if typed is None else _finite(typed[:, 1]),
        "cleanPType": None if way.clean.p_type is None else round(float(way.clean.p_type[0, 1]), 4),
        "margin": _finite(way.margin),
        "cleanMargin": _clean_margin(way),
        "told": _told(way, mixes=mixes),
        "index": [number + black_box for number in way.index],
        "unit": "query" if black_box else "step",
        "width": width,
        "height": height,
        "clean": data_url(charts.picture(way.x[0].numpy(), scale=1)),
        "adv": data_url(charts.picture(way.images.permute(1, 0, 2, 3).flatten(1, 2).numpy(), scale=1)),
        "cleanAnswer": _answer(class_names, clean_best, float(way.clean_logits.softmax(dim=1).max())),
        "cleanWrong": not own and clean_best != truth,
        "answers": [_answer(class_names, k, float(probabilities[i, k])) for i, k in enumerate(best)],
        "wrong": [not own and k != truth for k in best],
        "chosen": list(chosen) if chosen else None,
        "dark": dark,
    }


def _told(way: Way, *, mixes: bool) -> list[str]:
    """A sentence a step: do the routes part, by what the router takes the pictures for or by its other decisions?

    A guess at the type that mixes nothing is no part of the route.
    """
    typed, clean = (way.route.p_type, way.clean.p_type) if mixes else (None, None)
    apart = torch.stack([torch.zeros(len(way.index)), *distances(way.clean, way.route).values()]).amax(dim=0)
    words = []
    for i, block in enumerate(first_parting(way.clean, way.route)):
        kinds = None if typed is None or clean is None else _kinds(float(clean[0, 1]), float(typed[i, 1]))
        part = block is not None or (kinds is not None and None not in kinds and kinds[0] != kinds[1])
        details = [_taken(*kinds)] if kinds else []
        if way.route.experts:
            details.append(f"another expert is used in {block}" if block else "the same experts are used")
        elif way.route.signals:
            signals = f"the signals part in {block}" if block else "the signals hardly change"
            details.append(f"{signals} (mean |Δω| at most {float(apart[i]):.3f})")
        words.append(f"The routes {'part' if part else 'do not part'}: {'; '.join(details)}.")
    return words


def _kinds(*p_adversarial: float) -> list[str | None]:
    """What the router takes pictures for; near one half it makes nothing of one."""
    return [None if abs(p - 0.5) < UNSURE else TYPES[p > 0.5] for p in p_adversarial]


def _taken(clean: str | None, now: str | None) -> str:
    if clean is None and now is None:
        return "the router cannot tell what either picture is"
    if clean == now:
        return f"the router takes both pictures for {clean}"
    return f"the router takes the clean picture for {clean or 'neither type'}, this one for {now or 'neither type'}"


def _clean_margin(way: Way) -> float:
    others = way.clean_logits[0].clone()
    others[way.y] = float("-inf")
    return round(float(way.clean_logits[0, way.y] - others.max()), 4)


def _answer(names: Sequence[str], k: int, p: float) -> str:
    return f"{names[k]} {spaced(f'{p:.1%}')}"


def _order(change: Tensor, order: str) -> list[int]:
    values = change.numpy()
    return charts.change_order(values).tolist() if order == "change" else list(range(len(values)))


def _top(values: Sequence[Tensor], neutral: float) -> float:
    """What takes the full colour: the farthest from neutral, but nothing that hardly differs."""
    return max([charts.FAINT, *(float((v - neutral).abs().max()) for v in values)])


def _packed(values: Tensor, neutral: float, reach: float) -> str:
    """Rows of decisions as 16-bit numbers: ±32767 is neutral ± reach."""
    scaled = np.nan_to_num((values.numpy() - neutral) / reach).clip(-1, 1)
    return base64.b64encode(np.rint(scaled * 32767).astype("<i2").tobytes()).decode()


def _finite(values: Tensor) -> list[float | None]:
    return [round(float(v), 5) if np.isfinite(v) else None for v in values.numpy()]
