"""Home's miniature: one test image, attacked live on every network that can read it."""

from __future__ import annotations

import html

import streamlit as st

from pages.ui import pickers, served
from pages.ui.film import Film
from pages.ui.frame import colours
from pages.ui.pictures import data_url
from pages.ui.served import Served, Shelf, Subject
from robust_core import charts
from robust_core.attacks import AttackSettings
from robust_core.evaluation.measures import in_percent

SHOWN = 4


def attack_of(net: Served) -> AttackSettings:
    """What Home attacks with: what the card's robust accuracy was measured with, where it was measured here."""
    robust = net.card.robust
    if robust is not None and robust.attack is not None and not robust.claimed:
        return robust.attack
    return AttackSettings(name="pgd", norm="linf", eps=8 / 255 if net.card.image_shape[0] == 3 else 0.1, steps=20)


def live(found: Shelf, net: Served) -> tuple[Subject, list[tuple[Served, Film]]]:
    """Draws the miniature; gives back the picture and the films, for the cards below."""
    name = pickers.data_name(net)
    subject = pickers.test_image(name)
    shown = films(found, net, subject)
    st.html(_table(subject, shown))
    st.caption(f"Computed for you just now: {attack_of(net).describe()}; {subject.origin}.")
    st.button("Another picture", icon=":material/casino:", on_click=pickers.roll, args=(name,))
    return subject, shown


def films(found: Shelf, net: Served, subject: Subject) -> list[tuple[Served, Film]]:
    """The attack on the picture by the chosen network and some others on its task, the most accurate first."""
    others = [other for other in found.nets.values() if pickers.same_task(other, net) and other.name != net.name]
    # The plain one falls where the others hold, and of a routed one there is a card below.
    leaf = {other.name: other.name.rpartition("/")[2] for other in others}
    others.sort(
        key=lambda n: (leaf[n.name] != pickers.PLAIN, leaf[n.name] != pickers.MIXED, not n.net.typed, n.card.imported)
    )
    settings = attack_of(net)
    nets = sorted([net, *others][:SHOWN], key=lambda n: -(n.card.clean.accuracy if n.card.clean else 0))
    return [(n, served.film(n, subject, settings, None)) for n in nets]


def _magnify(settings: AttackSettings) -> int:
    return charts.magnification(settings.eps)


def _table(subject: Subject, films: list[tuple[Served, Film]]) -> str:
    names = films[0][0].card.class_names
    scale = max(1, round(84 / films[0][1].x.shape[-1]))
    truth = html.escape(names[subject.label]) if subject.label is not None else ""
    rows = [
        f'<div class="rl-live" style="{colours()}"><figure><span class="rl-head">the picture</span>',
        _img(charts.picture(films[0][1].x, scale), f"test image: {truth}"),
        f'<figcaption><b>{truth}</b></figcaption></figure><div class="rl-rows"><div class="rl-row">',
        f'<span class="rl-head">δ ×{_magnify(films[0][1].settings)}</span><span class="rl-head">attacked</span></div>',
    ]
    for net, film in films:
        holds = film.answer == subject.label
        delta = charts.delta_picture(film.x_adv - film.x, _magnify(film.settings), scale)
        said = html.escape(names[film.answer])
        told = f"{in_percent(float(film.probabilities[-1].max()), whole=True)} sure"
        before = html.escape(names[film.clean_answer])
        sure = in_percent(float(film.clean_probabilities.max()), whole=True)
        verdict = "holds" if holds else "fooled" if film.clean_answer == subject.label else "wrong anyway"
        rows.append(
            f'<div class="rl-row">{_img(delta, f"perturbation against {net.title}")}'
            f"{_img(charts.picture(film.x_adv, scale), f'adversarial picture, {net.title} sees {names[film.answer]}')}"
            f'<div><b>{html.escape(net.title)}</b> <span class="rl-tag {"ok" if holds else "bad"}">{verdict}</span><br>'
            f"<span class='rl-quiet'>before: {before} {sure}</span><br>"
            f"now: <b>{said}</b>, {told}</div></div>"
        )
    return "".join(rows) + "</div></div>"


def _img(pixels: object, alt: str) -> str:
    return f'<img src="{data_url(pixels)}" alt="{html.escape(alt, quote=True)}">'
