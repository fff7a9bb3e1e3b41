"""Perturb's stage: the attack on one or two networks, played step by step in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.ui import link, player, served
from pages.ui.film import Film
from pages.ui.frame import look
from pages.ui.perturb_attack import Chosen
from pages.ui.served import Served, Subject
from robust_core.evaluation.measures import in_percent


def watch(nets: Sequence[Served], subject: Subject, chosen: Chosen) -> list[Film]:
    """Runs the attack on each network, or takes it from the cache, and hands the films to the player."""
    films = [served.film(net, subject, chosen.settings, chosen.target) for net in nets]
    lanes = [
        player.lane(film, title=net.title, told=told(net), class_names=net.card.class_names, truth=subject.label)
        for net, film in zip(nets, films, strict=True)
    ]
    _stage(lanes)
    grey = subject.pixels.shape[0] == 1
    st.caption(
        f"{chosen.settings.describe()}. Picture: {subject.origin}, {_shape(subject)}, shown enlarged pixel by pixel. "
        + ("δ: blue makes darker, orange brighter." if grey else "δ is drawn around mid-grey, which changes nothing.")
    )
    return films


@st.fragment
def _stage(lanes: Sequence[dict[str, Any]]) -> None:
    """The player. Where the film is stopped comes back as a value of the link, and nothing else is run for that."""
    player.play(lanes, step=link.at_step(), on_step=link.rest_at, dark=look().name == "dark", key="player")


def told(net: Served) -> str:
    """The network's card in a line: size, accuracies, what they were measured with."""
    card = net.card
    words = [f"{card.parameters / 1e6:.2f} M parameters"]
    if any(measure and measure.claimed for measure in (card.clean, card.robust)):
        words.append("its card claims")
    if card.clean:
        words.append(f"clean {in_percent(card.clean.accuracy)}")
    if card.robust and card.robust.attack:
        attack = card.robust.attack
        robust = f"{in_percent(card.robust.accuracy)} of {card.robust.n:,}"
        words.append(f"PGD-20 at ε = {attack.eps:.3g}: {robust} (seed {attack.seed})")
    return " · ".join(words)


def _shape(subject: Subject) -> str:
    channels, height, width = subject.pixels.shape
    return f"{width} × {height} pixels, {'grey' if channels == 1 else 'colour'}"
