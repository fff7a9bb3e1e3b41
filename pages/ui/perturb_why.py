"""Why it says so: attributions of the clean and the adversarial picture, and the loss around them."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray

from pages.ui import link
from pages.ui.film import Film
from pages.ui.frame import guarded, look, show, verbatim
from pages.ui.memory import remember
from pages.ui.pictures import data_url
from pages.ui.served import Served, Subject
from robust_core import charts
from robust_core.explain.attribution import Attribution, attribute
from robust_core.explain.landscape import Surface, loss_surface

METHODS = {  # name → title, unit of its map
    "saliency": ("Saliency", "logits per unit of brightness"),
    "integrated_gradients": ("Integrated gradients", "logits, adding up"),
    "grad_cam": ("Grad-CAM", "activation × its gradient"),
    "occlusion": ("Occlusion", "logits lost when covered"),
}
CLASSES = {"true": "the true class", "clean": "its clean answer", "adversarial": "its adversarial answer"}
SIDE = 168  # px


def attributions(nets: Sequence[Served], subject: Subject, films: Sequence[Film]) -> None:
    """Four methods a row, clean above adversarial, each pair on one scale."""
    options = CLASSES if subject.label is not None else {k: v for k, v in CLASSES.items() if k != "true"}
    which = link.select("Explain the logit of", options, "explain", "adversarial", width=280)
    for net, film in zip(nets, films, strict=True):
        with guarded(net.title):
            _rows(net, film, {"true": film.y, "clean": film.clean_answer, "adversarial": film.answer}[which], subject)
    st.caption(
        "Vermilion speaks for the class, blue against it; saliency and Grad-CAM only say how much. Each method has a "
        "unit of its own. Clean and adversarial share one scale, whose full colour is the 99.5th percentile of both; "
        "methods and networks do not. Pale ink is the picture itself."
    )


def _rows(net: Served, film: Film, k: int, subject: Subject) -> None:
    """A grid: the picture and its maps, clean above adversarial."""
    scale = max(1, round(SIDE / film.x.shape[-1]))
    cells = [[_cell(charts.picture(image, scale), f"{name} picture", name) for name, image in _pair(film)]]
    heads = ["picture"]
    for method, (title, unit) in METHODS.items():
        result = _explained(net, subject, film, method, k)
        maps = [m.numpy() for m in result.map]
        top = charts.reach(*maps)
        told = f"full colour at {top:.2g} {unit}" if top else "zero everywhere"
        heads.append(f"{title}<br><small>{told}</small>")
        cells.append(
            [
                _cell(
                    charts.attribution_image(maps[row], scale, vmax=top, over=image),
                    f"{title} of the {name} picture, {net.title}",
                    _completeness(result, row),
                )
                for row, (name, image) in enumerate(_pair(film))
            ]
        )
    head = "".join(f"<b>{text}</b>" for text in heads)
    body = "".join(column[row] for row in range(2) for column in cells)
    st.markdown(f"**{verbatim(net.title)}**, logit of *{verbatim(net.card.class_names[k])}*")
    st.html(f'<div class="rl-maps" style="--n:{len(heads)}">{head}{body}</div>')


def _pair(film: Film) -> tuple[tuple[str, NDArray[np.float32]], tuple[str, NDArray[np.float32]]]:
    return ("clean", film.x), ("adversarial", film.x_adv)


def _cell(pixels: NDArray[np.uint8], alt: str, told: str) -> str:
    image = f'<img src="{data_url(pixels)}" alt="{html.escape(alt, quote=True)}">'
    return f"<figure>{image}<figcaption>{told}</figcaption></figure>"


def _completeness(result: Attribution, row: int) -> str:
    if result.completeness is None:
        return ""
    error, whole = float(result.completeness.error[row]), float(result.completeness.difference[row])
    return f"completeness error {error:+.3f} of {whole:+.2f}"


def _explained(net: Served, subject: Subject, film: Film, method: str, k: int) -> Attribution:
    key = ("map", net.sha, subject.sha, film.settings.model_dump_json(), film.y, film.target, method, k)

    def compute() -> Attribution:
        with st.spinner(f"{verbatim(net.title)}: {METHODS[method][0]}…"):
            return _attributed(net, film, method, k)

    return remember(key, compute, private=subject.own)


def _attributed(net: Served, film: Film, method: str, k: int) -> Attribution:
    both = torch.from_numpy(np.stack([film.x, film.x_adv]))
    return attribute(net.private(), both, k, method)  # captum may hang hooks, while others attack the shared network


def surface(nets: Sequence[Served], subject: Subject, films: Sequence[Film]) -> None:
    """The loss on the plane through the clean picture, the adversarial one and a random direction."""
    planes = [
        _plane(net, subject, film) if np.abs(film.x_adv - film.x).max() else None
        for net, film in zip(nets, films, strict=True)
    ]
    top = _common_top([plane for plane in planes if plane is not None], len(nets[0].card.class_names))
    with st.container(key="wrap_surface"):
        columns = st.columns(max(2, len(nets)))
    for column, net, plane in zip(columns, nets, planes, strict=False):
        with column, guarded(net.title):
            st.markdown(f"**{verbatim(net.title)}**")
            if plane is None:
                st.info("The adversarial picture is the clean one, so there is no direction to look along. Raise ε.")
                continue
            show(charts.surface(plane, net.card.class_names, look=look(), top=top), key=f"surface_{net.name}")
    shared = (
        "" if top is None else f" Both have one colour scale, which ends where the lower of the two surfaces does, at "
        f"{top:.3g} nats: what lies higher has its last colour."
    )  # fmt: skip
    st.caption(
        "Across: along δ, from the clean picture at 0 to the adversarial one at 1. Up: a random direction of the same "
        f"length at right angles, seed 0. 21 × 21 points, cross-entropy in nats; the strong line is margin 0.{shared}"
    )


def _common_top(planes: Sequence[Surface], classes: int) -> float | None:
    """Where the colour scale of two planes ends: at the lower one's highest loss, but at least at ln K, a guess's.

    At the higher one's, the other plane would be one pale patch. None where there is nothing to share.
    """
    if len(planes) < 2:
        return None
    return max(math.log(classes), min(float(np.nanmax(plane.loss.numpy(), initial=0.0)) for plane in planes))


def _plane(net: Served, subject: Subject, film: Film) -> Surface:
    key = ("plane", net.sha, subject.sha, film.settings.model_dump_json(), film.y, film.target)

    def compute() -> Surface:
        with st.spinner(f"{verbatim(net.title)}: walking around the picture…"):
            return _walked(net, film)

    return remember(key, compute, private=subject.own)


def _walked(net: Served, film: Film) -> Surface:
    x: NDArray[np.float32] = film.x.copy()
    delta = torch.from_numpy(film.x_adv - x)
    generator = torch.Generator().manual_seed(0)
    return loss_surface(net.net, torch.from_numpy(x), film.y, direction_a=delta, generator=generator)
