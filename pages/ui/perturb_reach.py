"""How little is enough, and how far it carries: the smallest ε that fools, and what other networks say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from numpy.typing import NDArray

from pages.ui import pickers
from pages.ui.film import Film, Ticking, softmax
from pages.ui.frame import guarded, look, show, verbatim
from pages.ui.memory import Progress, remember
from pages.ui.served import Served, Shelf, Subject, looks
from robust_core import charts
from robust_core.attacks import ATTACKS, BALLS, AttackSettings, Noise, smallest_eps
from robust_core.types import Classifier

Array = NDArray[np.floating]
POINTS = 17  # of the curve
ATTACKS_MADE = 6  # about so many: one for the curve, the rest for the smallest ε
UNITS = {"linf": "ε (L∞, pixel units)", "l2": "ε (L2, pixel units)"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One picture under growing budgets: eps (P,), probabilities (P, K); smallest: the least ε that fools, one of them,
    or None."""

    eps: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    smallest: float | None


def smallest(nets: Sequence[Served], subject: Subject, films: Sequence[Film]) -> None:
    """The curve of each network with its smallest ε."""
    with st.container(key="wrap_epsilon"):
        columns = st.columns(len(nets))
    for column, net, film in zip(columns, nets, films, strict=True):
        with column, guarded(net.title):
            curve = curve_of(net, subject, film)
            title = verbatim(net.title)
            told = f"**{title}**: the smallest ε found to fool it is **{curve.smallest:.4g}**" if curve.smallest else (
                f"**{title}** is wrong before any attack" if curve.smallest == 0
                else f"**{title}** is not fooled by any ε up to {curve.eps[-1]:.3g}"
            )  # fmt: skip
            pixels = f" ({curve.smallest * 255:.1f}/255)" if curve.smallest and film.settings.norm == "linf" else ""
            st.markdown(f"{told}{pixels}, as far as this attack can tell.")
            show(_chart(net, subject, film, curve), key=f"epsilon_{net.name}")
    attack = films[0].settings.describe().split(", ε")[0]
    st.caption(
        f"An upper bound: {attack} at each of {POINTS} budgets, refined where it first fools, "
        f"seed {films[0].settings.seed}. A stronger attack may need less."
    )


def _chart(net: Served, subject: Subject, film: Film, curve: Curve) -> go.Figure:
    """The curve with the page's own ε on it: while that moves, the figure is kept and only its points and line move."""
    now, names = look(), net.card.class_names
    attack = film.settings.replace(eps=0.1).model_dump_json()
    key = ("curve drawn", net.sha, subject.sha, film.y, film.target, attack, now.name)
    eps, p_true, p_wrong, answers = _lines(curve, film)
    answers = [names[k] for k in answers]

    def compute() -> go.Figure:
        return charts.epsilon_curve(
            eps,
            p_true,
            p_wrong,
            answers=answers,
            smallest=curve.smallest,
            current=0.0,
            unit=UNITS[film.settings.norm],
            adversarial_name="likeliest other" if film.target is None else names[film.target],
            true_name=names[film.y],
            look=now,
        )

    chart = remember(key, compute, private=True)  # this visitor's own, so that nobody else's line moves
    charts.put_points(chart, eps, p_true, p_wrong, answers=answers)
    at = min(film.settings.eps, float(curve.eps[-1]))
    chart.layout.shapes[-1].update(x0=at, x1=at)
    return chart


def _lines(curve: Curve, film: Film) -> tuple[Array, Array, Array, list[int]]:
    """ε, P(class to leave), P(class led to) and which that is, by ε; the picture on the page is one of the points."""
    on_page = film.settings.eps
    eps, p = curve.eps, curve.probabilities
    if on_page <= eps[-1]:
        at = int(np.searchsorted(eps, on_page))
        same = at < len(eps) and eps[at] == on_page
        eps = eps if same else np.insert(eps, at, on_page)
        p = p if same else np.insert(p, at, film.probabilities[-1], axis=0)
    others = p.copy()
    others[:, film.y] = -1
    led_to = others.argmax(axis=1) if film.target is None else np.full(len(p), film.target)
    return eps, p[:, film.y], p[np.arange(len(p)), led_to], led_to.tolist()


def curve_of(net: Served, subject: Subject, film: Film) -> Curve:
    """Does not depend on the ε on the page, so moving that is free."""
    top = (0.3 if subject.pixels.shape[0] == 1 else 32 / 255) if film.settings.norm == "linf" else 5.0
    settings = film.settings.replace(eps=0.1)
    key = ("curve", net.sha, subject.sha, film.y, film.target, settings.model_dump_json(), top)

    def compute() -> Curve:
        with Progress(f"{net.title}: looking for the smallest ε", ATTACKS_MADE * looks(settings)) as tick:
            return _computed(Ticking(net.net, tick).eval(), subject, film.y, film.target, settings, top)

    return remember(key, compute, private=subject.own)


def _computed(
    net: Classifier, subject: Subject, y: int, target: int | None, settings: AttackSettings, top: float
) -> Curve:
    x, label = subject.floats(), torch.tensor([y])
    eps = torch.linspace(0, top, POINTS, dtype=torch.float64)
    many = torch.full((POINTS,), y)
    x_adv = ATTACKS[settings.name].run(
        net,
        x.expand(POINTS, -1, -1, -1),
        many,
        BALLS[settings.norm](eps),
        target=None if target is None else torch.full_like(many, target),
        generator=Noise(settings.seed, torch.zeros(POINTS, dtype=torch.int64)),
        on_step=None,
        **settings.used,
    )
    with torch.no_grad():
        logits = net(x_adv).numpy()
    found = smallest_eps(net, x, label, attack=settings, hi=top, tolerance=top / 300, target=target)[0]
    budgets, p = eps.numpy(), softmax(logits)
    if found.eps and found.eps not in budgets:
        at = int(np.searchsorted(budgets, found.eps))
        budgets, p = np.insert(budgets, at, found.eps), np.insert(p, at, softmax(found.logits.numpy())[0], axis=0)
    return Curve(eps=budgets, probabilities=p, smallest=found.eps)


def transfer(nets: Sequence[Served], films: Sequence[Film], found: Shelf) -> None:
    """The adversarial picture of each network, shown to every network on the same task."""
    alike = [net for net in found.nets.values() if pickers.same_task(net, nets[0])]
    if len(alike) == 1:
        st.info("There is no second network on the same task yet, so there is nobody to transfer to.")
        return
    for source, film in zip(nets, films, strict=True):
        both = torch.from_numpy(np.stack([film.x, film.x_adv]))
        with torch.no_grad():
            said = [softmax(net.net(both).numpy()) for net in alike]
        answers = [int(p[1].argmax()) for p in said]
        left = verbatim(source.card.class_names[film.y])
        st.markdown(f"Made on **{verbatim(source.title)}**, shown to all: P({left}) before → after.")
        chart = charts.transfer(
            [net.title for net in alike],
            [p[0, film.y] for p in said],
            [p[1, film.y] for p in said],
            [source.card.class_names[k] for k in answers],
            [k != film.y for k in answers],
            source=source.title,
            classes=source.card.class_names,
            look=look(),
        )
        show(chart, key=f"transfer_{source.name}")
    st.caption(f"{films[0].settings.describe()}; one picture, so an example and no statistic.")
