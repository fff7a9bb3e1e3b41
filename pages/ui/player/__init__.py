"""The film player as a Streamlit component: packs films for player.js, which asks the server nothing more and tells it,
once it rests, at which step."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.ui.film import Film
from pages.ui.pictures import data_url
from robust_core import charts

HERE = Path(__file__).parent
COLOURS = ("var(--lane-a)", "var(--lane-b)")
PICTURE = 196  # px that a picture's side should about have
MANY, SHOWN = 20, 10  # classes: up to MANY all have a bar, beyond it the SHOWN most probable

_mount = st.components.v2.component(
    "robustlens_player",
    html='<div class="holder"><div class="player"></div></div>',
    css=(HERE / "player.css").read_text(),
    js=(HERE / "player.js").read_text(),
)


def play(
    lanes: Sequence[dict[str, Any]], *, step: int | None, on_step: Callable[[object], None], dark: bool, key: str
) -> None:
    """Mounts the player over one or two lanes, as `lane` packs them.

    step: where the film begins, None at its end. on_step gets what the browser says it rests at, None at its end.
    """
    _mount(
        key=key,
        on_step_change=lambda: on_step(st.session_state[key].step),
        data={
            "lanes": [{**lane, "letter": "ab"[n]} for n, lane in enumerate(lanes)],
            "panels": _panels(lanes),
            # Where any lane has a frame: a black-box attack may end sooner on one network than on the other.
            "ticks": sorted({at for lane in lanes for at in lane["index"]}),
            "unit": lanes[0]["unit"],
            "dark": dark,
            "step": step,
        },
    )


def lane(film: Film, *, title: str, told: str, class_names: Sequence[str], truth: int | None) -> dict[str, Any]:
    """One network's film as plain JSON. title, told: the network's name and what is to say of it. truth: the true
    class, None where nobody knows it."""
    _, height, width = film.x.shape
    change = film.images - film.x
    bound = float(film.settings.eps) if film.settings.norm == "linf" else float(np.abs(change).max())
    magnify = charts.magnification(bound)
    probabilities, clean = film.probabilities, film.clean_probabilities
    rows = _rows(clean, probabilities[-1], truth, film.target)
    black_box = film.settings.name == "square"
    return {
        "title": title,
        "told": told,
        "classes": list(class_names),
        "rows": rows,
        "rowsTold": "" if len(rows) == len(class_names) else f"{len(rows)} of {len(class_names)} classes",
        "truth": truth,
        "target": film.target,
        "width": width,
        "height": height,
        "scale": max(1, round(PICTURE / width)),
        "unit": "query" if black_box else "step",
        # Square numbers its queries from 0; said is how many were made.
        "index": [number + black_box for number in film.index],
        "clean": data_url(charts.picture(film.x, scale=1)),
        "adv": data_url(charts.picture(_strip(film.images), scale=1)),
        "delta": data_url(charts.delta_picture(_strip(change), magnify, scale=1)),
        "cleanTold": "clean" if truth is None else f"clean, true class {class_names[truth]}",
        "deltaTold": f"δ ×{magnify}",
        "reach": [_pixels(v, film.settings.norm) for v in np.abs(change).max(axis=(1, 2, 3))],
        "length": [f"{v:.2f}" for v in np.sqrt((change.astype(np.float64) ** 2).sum(axis=(1, 2, 3)))],
        "probs": np.round(probabilities, 6).tolist(),
        "cleanProbs": np.round(clean, 6).tolist(),
        "loss": _finite(film.loss),
        "margin": _finite(film.margin),
        "pTrue": _finite(probabilities[:, film.y]),
        "verdicts": film.verdicts,
        "pType": None if film.p_adversarial is None else _finite(film.p_adversarial),
        "cleanPType": film.clean_p_adversarial,
        "signals": _signals(film),
    }


def _panels(lanes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    def lines(field: str) -> list[dict[str, Any]]:
        colours = COLOURS if len(lanes) > 1 else ("var(--adv)",)
        return [
            {"values": lane[field], "at": lane["index"], "colour": c}
            for lane, c in zip(lanes, colours, strict=False)
            if lane[field]
        ]

    own = "P(true class)" if lanes[0]["truth"] is not None else "P(clean answer)"
    panels = [
        {"title": "margin, logits (below\u00a00:\u00a0fooled)", "lines": lines("margin"), "zero": True},
        {"title": "loss the attack climbs", "lines": lines("loss")},
        {"title": own, "lines": lines("pTrue"), "range": [0, 1], "share": True},
    ]
    if any(lane["pType"] for lane in lanes):
        panels.append({"title": "P(type = adversarial)", "lines": lines("pType"), "range": [0, 1], "share": True})
    return panels


def _rows(clean: NDArray[Any], adversarial: NDArray[Any], truth: int | None, target: int | None) -> list[int]:
    if len(clean) <= MANY:
        return list(range(len(clean)))
    always = [k for k in (truth, target) if k is not None]
    order = [int(k) for k in np.argsort(-np.maximum(clean, adversarial), kind="stable") if k not in always]
    return sorted([*always, *order[: SHOWN - len(always)]])


def _strip(images: NDArray[Any]) -> NDArray[Any]:
    """S pictures (S, C, H, W) one under the other, (C, S·H, W)."""
    s, c, h, w = images.shape
    return images.transpose(1, 0, 2, 3).reshape(c, s * h, w)


def _pixels(value: float, norm: str) -> str:
    return f"{value:.4f}" + (f" ({value * 255:.1f}/255)" if norm == "linf" else "")


def _signals(film: Film) -> dict[str, Any] | None:
    if not film.signals:
        return None
    reach = max(charts.FAINT, *(float(np.abs(values - 1).max()) for values in film.signals.values()))
    drift = sum(((film.signals[n] - film.clean_signals[n]) ** 2).sum(axis=1) for n in film.signals)
    return {
        "reach": f"{reach:.3g}",
        "drift": [f"{v:.2f}" for v in np.sqrt(drift)],
        "convs": [
            {
                "name": name,
                "filters": values.shape[1],
                "values": base64.b64encode(np.rint((1 + (values - 1) / reach) / 2 * 255).astype(np.uint8)).decode(),
            }
            for name, values in film.signals.items()
        ],
    }


def _finite(values: NDArray[Any]) -> list[float | None]:
    """JSON knows neither NaN nor infinity; a curve has a gap there."""
    return [round(float(v), 6) if np.isfinite(v) else None for v in values]
