"""Many images: their paths, a map of their codes, what their signals vary with, and who does the work."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st

from pages.ui import link
from pages.ui.flows import ribbon_id, show_flows, told
from pages.ui.frame import look, show
from pages.ui.memory import remember
from pages.ui.perturb_attack import Chosen
from pages.ui.pictures import data_url
from pages.ui.routing_many import about, crowd_of, measured_on
from pages.ui.served import Served
from robust_core import charts
from robust_core.evaluation.measures import in_percent
from robust_core.explain import crowd as crowds
from robust_core.explain.crowd import Crowd
from robust_core.explain.paths import Flow, Paths, code_map, flows, paths
from robust_core.explain.routing import decisions
from robust_core.types import TYPES

COUNTS = (100, 250, 500, 1000)
VIEWS = {"paths": "Paths", "codes": "Map of codes", "shares": "What signals vary with", "load": "Expert load"}
COLOURS = {"type": "type", "class": "class", "right": "right or wrong"}
LISTED = 60  # thumbnails below a ribbon
SIDE = 44  # px of one


def crowd(net: Served, chosen: Chosen) -> None:
    """A button first: attacking many images takes seconds."""
    names = net.card.class_names
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    with bar:
        n = int(
            link.select("Images", {str(n): f"{n:,} clean + {n:,} adversarial" for n in COUNTS}, "n", "250", width=260)
        )
        which = {"all": "every class"} | {str(k): name for k, name in enumerate(names)}
        k = link.select("Of", which, "of_class", "all", width=200)
        started = link.read("many", False, {"1": True}.get)
        if not started:
            st.button("Follow them", type="primary", on_click=link.write, args=("many", "1"), key="follow_many")
    if not started:
        st.caption("Attacks that many test images and keeps every route: a few seconds, once, then remembered.")
        return
    of = None if k == "all" else int(k)
    many = crowd_of(net, chosen, n, of)
    _summary(many)
    if crowds.is_constant(many.both):
        st.info(
            "The router of this network decides the same for every one of these images, clean or adversarial: there "
            "are no paths to tell apart, and a map would show rounding errors.",
            icon=":material/horizontal_rule:",
        )
        return
    experts = bool(many.clean.route.experts)
    views = {v: t for v, t in VIEWS.items() if v != "load" or experts}
    view = link.segments("View", views, "view", "paths")
    measured = measured_on(many, net)
    drawn = {"paths": _paths, "codes": _codes, "shares": _shares, "load": _load}[view]
    drawn(many, about(net, chosen, n, of), f"{net.title}: {measured}")
    st.caption(measured)


def _summary(many: Crowd) -> None:
    clean, adversarial = many.clean.route, many.adversarial.route
    words = []
    if clean.p_type is not None and adversarial.p_type is not None:
        words.append(
            f"The router takes **{in_percent(crowds.type_accuracy(clean, 0))}** of the clean and "
            f"**{in_percent(crowds.type_accuracy(adversarial, 1))}** of the adversarial images for what they are."
        )
    still = crowds.constant_convs(many.both)
    if still and len(still) < len(decisions(clean)):
        words.append(f"Constant over all images: {', '.join(still)}.")
    fallen = crowds.collapsed(crowds.expert_load(many.both))
    if fallen:
        words.append(f"**Collapsed**, one expert takes 99\u00a0% or more: {', '.join(fallen)}.")
    if words:
        st.markdown(" ".join(words))


def _paths(many: Crowd, key: tuple[object, ...], _signed: str) -> None:
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    experts = bool(many.clean.route.experts)
    with bar:
        by = link.segments("Coloured by", {"type": "type", "class": "class"}, "by", "type")
        states = 3 if experts else link.slider("Route states a block", 1, 6, 1, "states", 3, width=260)
    found, made = remember(("paths", *key, states, by), lambda: _clustered(many, states, by), private=False)
    picked = link.read("ribbon", None, lambda text: text if text in {ribbon_id(f) for f in made} else None)
    show_flows(found, made, picked, lambda text: link.write("ribbon", text), look=look(), key="flows")
    what = (
        "A state is the set of experts a block uses."
        if experts
        else f"Route states are k-means clusters of a block's signals, {states} a block (seed 0): a summary of ours, "
        "not something the network has. State 1 holds the largest share of clean images."
    )
    chosen = next((f for f in made if ribbon_id(f) == picked), None)
    if chosen is None:
        st.caption(f"{what} Click a ribbon to see its images.")
        return
    st.markdown(f"**{told(found, chosen)}**")
    _thumbnails(many, chosen.rows)
    st.caption(what)


def _clustered(many: Crowd, states: int, by: str) -> tuple[Paths, list[Flow]]:
    found = paths(many, states=states, by=by)
    return found, flows(found)


def _thumbnails(many: Crowd, rows: tuple[int, ...]) -> None:
    """Rows among 2N as pictures; the adversarial ones as they were attacked."""
    n = len(many)
    cells = []
    for row in rows[:LISTED]:
        image = (many.x if row < n else many.x_adv)[row % n].numpy()
        name, index = many.class_names[int(many.y[row % n])], int(many.index[row % n])
        title = html.escape(f"{name}, test image {index}, {TYPES[row // n]}", quote=True)
        url = data_url(charts.picture(image, scale=max(1, round(SIDE / image.shape[-1]))))
        cells.append(
            f'<figure><img src="{url}" alt="{title}" title="{title}"><figcaption>{index}</figcaption></figure>'
        )
    more = f"<p>and {len(rows) - LISTED} more</p>" if len(rows) > LISTED else ""
    st.html(f'<div class="rl-list">{"".join(cells)}{more}</div>')


def _codes(many: Crowd, key: tuple[object, ...], signed: str) -> None:
    by = link.segments("Coloured by", COLOURS, "colour", "type")
    found = remember(("codes", *key), lambda: code_map(many), private=False)
    groups, names = {
        "type": (many.types, TYPES),
        "class": (many.classes, many.class_names),
        "right": ((~many.right).long(), ("right", "wrong")),
    }[by]
    chart = charts.code_map(found, groups.numpy(), names, index=many.index.repeat(2).numpy(), look=look())
    show(chart, key="code_map", told=signed)
    st.caption(
        "One point an image: all its signals (or expert probabilities) and P(adversarial), on two main axes (PCA)."
    )


def _shares(many: Crowd, key: tuple[object, ...], signed: str) -> None:
    shares = remember(("shares", *key), lambda: crowds.shares_by_conv(many), private=False)
    show(charts.variance_shares(shares, look=look()), key="variance_shares", told=signed)
    st.caption("Exact sums of squares: between the two types, between the classes of a type, and within a class.")
    convs = {name: name for name in decisions(many.clean.route)}
    conv = link.select("Class means of", convs, "means_of", next(iter(convs)), width=280)
    experts = bool(many.clean.route.experts)
    means = crowds.class_means(many)[conv].numpy()
    present = [k for k in range(len(many.class_names)) if np.isfinite(means[0, k]).all()]
    names = [many.class_names[k] for k in present]
    chart = charts.class_signals(means[:, present], names, neutral=0.0 if experts else 1.0, look=look())
    show(chart, key="class_signals", told=f"{conv} of {signed}")


def _load(many: Crowd, _key: tuple[object, ...], signed: str) -> None:
    clean, adversarial = (
        {name: share.numpy() for name, share in crowds.expert_load(seen.route).items()}
        for seen in (many.clean, many.adversarial)
    )
    show(charts.expert_load(clean, adversarial, look=look()), key="expert_load", told=signed)
