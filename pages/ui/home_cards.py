"""Home's three cards, one a method: what it does in two sentences, and a miniature of it computed here and now."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.ui import link
from pages.ui.film import Film, softmax
from pages.ui.frame import colours, verbatim
from pages.ui.served import Served, Subject
from robust_core.evaluation.measures import in_percent

Films = Sequence[tuple[Served, Film]]


def cards(subject: Subject, films: Films) -> None:
    """The three, side by side."""
    with st.container(key="wrap_cards"):
        columns = st.columns(3)
    for column, card in zip(columns, (_aw_net, _mtard, _absld), strict=True):
        with column, st.container(border=True, height="stretch"):
            card(subject, films)


def _aw_net(subject: Subject, films: Films) -> None:
    st.markdown(
        "#### AW-Net\nA router reads the picture and turns each filter up or down for it. It also guesses whether "
        "the picture is clean or attacked, and mixes two batch norms accordingly."
    )
    told = [(net, film) for net, film in films if film.p_adversarial is not None]
    routed = next((one for one in told if one[0].net.mixes), told[0] if told else None)
    if routed is None:
        st.caption(
            "No routed network here yet. "
            "`python -m robust_core train recipes/zoo/fashion_mnist_aw_net_mixed.toml` makes one."
        )
        return
    net, film = routed
    before, after = film.clean_p_adversarial or 0.0, float(film.p_adversarial[-1])
    st.html(_bars("P(type = adversarial)", [("clean", before, "var(--c)"), ("attacked", after, "var(--a)")]))
    moved = after - before
    verdict = "tells the two apart" if moved > 0.2 else "is misled" if moved < -0.2 else "hardly sees a difference"
    idle = "" if net.net.mixes else " Here the guess mixes nothing: this network's filters alone follow the picture."
    st.caption(f"{verbatim(net.title)} on this one picture: under PGD not aimed at the router, it {verdict}.{idle}")
    st.page_link("pages/2_Routing.py", label="See its route, and what many pictures say", icon=":material/alt_route:",
                 query_params=link.params() | {"model": net.name})  # fmt: skip


def _mtard(subject: Subject, films: Films) -> None:
    st.markdown("#### MTARD and B-MTARD\nTwo teachers, one accurate, one robust, and one student who listens to both. "
                "B-MTARD tunes the teachers' temperatures until both speak with equal entropy.")  # fmt: skip
    pair = _teachers(films)
    if pair is None:
        st.caption("This needs an accurate and a robust network on the same task as teachers.")
        return
    (accurate, plain), (robust, hardened) = pair
    heat = link.slider("Temperature τ of the accurate teacher", 1.0, 10.0, 0.1, "tau_nat", 1.0)
    h_nat, h_adv = entropy(softmax(plain.clean_logits / heat)), entropy(softmax(hardened.logits[-1]))
    top = float(np.log(len(plain.clean_logits)))
    rows = [
        (accurate.title, h_nat / top, "var(--c)", f"{h_nat:.2f}"),
        (robust.title, h_adv / top, "var(--a)", f"{h_adv:.2f}"),
    ]
    st.html(_bars("entropy of the soft labels, nats", rows))
    level = "They are level: B-MTARD would rest" if abs(h_nat - h_adv) < 0.02 else (
        "B-MTARD would now raise τ" if h_nat < h_adv else "B-MTARD would now lower τ")  # fmt: skip
    teachers = verbatim(accurate.title), verbatim(robust.title)
    st.caption(f"{teachers[0]} on the clean picture, {teachers[1]} on its own attacked one at τ = 1. {level}. "
               "One picture; training compares batch means.")  # fmt: skip


def _absld(subject: Subject, films: Films) -> None:
    st.markdown(
        "#### ABSLD\nClasses differ in how hard they are to defend. ABSLD gives each class its own temperature: "
        "sharp labels for the hard ones, soft labels for the easy ones."
    )
    teacher = _most_robust(films)
    if teacher is None:
        st.caption("This needs a network with a measured robust accuracy as the teacher.")
        return
    net, film = teacher
    heat = link.slider("Temperature τ of this class", 0.5, 5.0, 0.1, "tau_class", 1.0)
    soft = softmax(film.clean_logits / heat)
    order = np.argsort(-soft)[:4]
    rows = [(net.card.class_names[k], float(soft[k]), "var(--c)" if k == subject.label else "var(--q)") for k in order]
    st.html(_bars(f"soft label of the picture above, {net.title} as teacher", rows))
    st.caption(
        f"Entropy {entropy(soft):.2f} nats. ABSLD moves τ once an epoch, by how far the class's error lies above or "
        "below the mean."
    )


def _teachers(films: Films) -> tuple[tuple[Served, Film], tuple[Served, Film]] | None:
    """The most accurate network and the most robust one, where they are two; one measured here before a claim."""
    known = [f for f in films if f[0].card.clean]
    accurate = max(known, key=lambda f: (not f[0].card.clean.claimed, f[0].card.clean.accuracy), default=None)
    robust = _most_robust(films)
    return None if accurate is None or robust is None or accurate[0].name == robust[0].name else (accurate, robust)


def _most_robust(films: Films) -> tuple[Served, Film] | None:
    known = [f for f in films if f[0].card.robust]
    return max(known, key=lambda f: (not f[0].card.robust.claimed, f[0].card.robust.accuracy), default=None)


def entropy(p: NDArray[np.floating]) -> float:
    """In nats; 0·log 0 = 0."""
    return float(-(p * np.log(np.maximum(p, 1e-30))).sum())


def _bars(title: str, rows: Sequence[tuple]) -> str:
    """Small bars: name, share in [0, 1], colour, and what to write behind it (by default the share)."""
    lines = [f'<div class="rl-bars" style="{colours()}"><div class="t">{html.escape(title)}</div>']
    for name, share, colour, *text in rows:
        said = text[0] if text else in_percent(share, whole=True)
        lines.append(
            f"<span>{html.escape(name)}</span>"
            f'<i><b style="width:{100 * min(max(share, 0), 1):.1f}%;background:{colour}"></b></i>'
            f"<em>{said}</em>"
        )
    return "".join(lines) + "</div>"
