"""One image's route: maps that move with the attack's steps, and a closer look at one filter."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st
import torch

from pages.ui import link
from pages.ui.frame import guarded, look
from pages.ui.memory import Progress, remember
from pages.ui.perturb_attack import Chosen
from pages.ui.pictures import data_url
from pages.ui.routes import pack, show_way
from pages.ui.served import Served, Subject, looks
from robust_core import charts
from robust_core.evaluation.measures import spaced
from robust_core.explain.routing import PARTED, FilterView, Way, decisions, follow, look_at_filter

ORDERS = {"change": "most changed first", "index": "filter index"}
SIDE = 132  # px of a response map


def way_of(net: Served, subject: Subject, chosen: Chosen) -> Way:
    """The attack's way on this picture; from memory where it has been followed before."""
    key = ("way", net.sha, subject.sha, subject.label, chosen.settings.model_dump_json(), chosen.target)

    def compute() -> Way:
        x, y = subject.floats(), subject.label
        with Progress(f"{net.title}: {chosen.settings.describe()}", looks(chosen.settings)) as tick:
            if y is None:
                with torch.no_grad():
                    y = int(net.net(x).argmax())
            return follow(net.net, x, y, chosen.settings, target=chosen.target, tick=tick)

    return remember(key, compute, private=subject.own)


def stage(net: Served, subject: Subject, chosen: Chosen) -> Way:
    """The maps of one image, and the filter that was picked in them."""
    way = way_of(net, subject, chosen)
    _maps(net, subject, way)
    return way


@st.fragment
def _maps(net: Served, subject: Subject, way: Way) -> None:
    """Where the film is stopped comes back as a value of the link; nothing below is run for that, or for a filter."""
    experts = bool(way.route.experts)
    order = "index" if experts else link.segments("Order of the filters", ORDERS, "order", "change")
    picked = link.read("filter", None, lambda text: _filter(text, way))
    packed = pack(
        way,
        class_names=net.card.class_names,
        truth=subject.label,
        order=order,
        chosen=picked,
        dark=look().name == "dark",
        mixes=net.net.mixes,
    )
    show_way(packed, lambda text: link.write("filter", text), step=link.at_step(), on_step=link.rest_at, key="routes")
    st.caption(_told(way, subject, order, experts, net.net.mixes))
    if picked is not None:
        with guarded("This filter cannot be shown"):
            _filter_panel(net, subject, way, *picked)


def _told(way: Way, subject: Subject, order: str, experts: bool, mixes: bool) -> str:
    cell = (
        "A cell is an expert, full green at probability 1"
        if experts
        else f"A cell is a filter: blue turned down, vermilion turned up, pale at ω = 1; {ORDERS[order]}"
        + (" (at the attack's last step)" if order == "change" else "")
    )
    parted = (
        "Routes part where another expert is used"
        if experts
        else f"Signals part in the first block with a conv of mean "
        f"|Δω| > {PARTED:g} (the line in the bars; that threshold is ours)"
    )
    if way.route.p_type is not None and not mixes:
        parted += "; P(type) is told and decides nothing: this network has one batch norm"
    return f"{cell}. {parted}. {way.settings.describe()}. Picture: {subject.origin}. Click a cell to look at it alone."


def _filter(text: str, way: Way) -> tuple[str, int] | None:
    conv, _, number = text.rpartition(":")
    known = decisions(way.clean)
    if conv in known and number.isdecimal() and int(number) < known[conv].shape[1]:
        return conv, int(number)
    return None


def _filter_panel(net: Served, subject: Subject, way: Way, conv: str, number: int) -> None:
    key = ("filter", net.sha, subject.sha, way.y, way.target, way.settings.model_dump_json(), conv, number)
    seen = remember(
        key, lambda: look_at_filter(net.private(), way.x, way.images[-1:], conv, number), private=subject.own
    )
    expert = seen.weights is None
    with st.container(key="filter_panel", border=True):
        bar = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
        with bar:
            st.markdown(f"#### {conv}, {'expert' if expert else 'filter'} {number}")
            st.button("Close", key="close_filter", on_click=link.forget, args=("filter",), type="tertiary")
        st.html(_filter_html(seen, net.card.class_names))
        st.caption(
            "Made to use it: this conv uses this expert on both pictures, all else as routed. Response: mean |output|."
            if expert
            else "Put back alone: this filter's ω on each picture is that of the other one, all else as routed. "
            "Responses, ω included, share one scale; at the attack's last step."
        )


def _filter_html(seen: FilterView, names: tuple[str, ...]) -> str:
    top = charts.reach(seen.response.numpy())
    cells = []
    if seen.weights is not None:
        cells.append(
            _cell(
                _kernels(seen),
                "its weights",
                f"one 3 × 3 square an input channel, ‖W‖ = {float(seen.weights.norm()):.3f}",
            )
        )
    for n, name in enumerate(("clean", "adversarial")):
        response = seen.response[n].numpy()
        scale = max(1, round(SIDE / response.shape[-1]))
        word = "P" if seen.weights is None else "ω"
        picture = data_url(charts.attribution_image(response, scale, vmax=top))
        image = f'<img src="{picture}" alt="response on the {name} picture" style="width:{SIDE}px">'
        cells.append(_cell(image, f"response, {name}", f"{word} = {float(seen.signal[n]):.3f}"))
    before, after = seen.logits.softmax(dim=1), seen.swapped.softmax(dim=1)
    rows = "".join(
        f"<tr><td>{name}</td><td>{_said(before[n], names)}</td><td>{_said(after[n], names)}</td></tr>"
        for n, name in enumerate(("clean", "adversarial"))
    )
    word = "made to use it" if seen.weights is None else "put back alone"
    table = f"<table><tr><th>picture</th><th>as routed</th><th>{word}</th></tr>{rows}</table>"
    return f'<div class="rl-filter">{"".join(cells)}{table}</div>'


def _cell(image: str, title: str, told: str) -> str:
    return f"<figure>{image}<figcaption><b>{title}</b><br>{told}</figcaption></figure>"


def _said(p: torch.Tensor, names: tuple[str, ...]) -> str:
    k = int(p.argmax())
    return f"{html.escape(names[k])} {spaced(f'{p[k]:.2%}')}"


def _kernels(seen: FilterView) -> str:
    """The filter's kernels as a mosaic, a hairline between them."""
    assert seen.weights is not None
    weights = seen.weights.numpy()
    n, high, wide = weights.shape
    across = max(1, int(np.ceil(np.sqrt(n))))
    down = -(-n // across)
    sheet = np.full((down * (high + 1) - 1, across * (wide + 1) - 1), 0.0, dtype=np.float32)
    for k in range(n):
        y, x = divmod(k, across)
        sheet[y * (high + 1) : y * (high + 1) + high, x * (wide + 1) : x * (wide + 1) + wide] = weights[k]
    scale = max(1, round(SIDE / sheet.shape[-1]))
    picture = data_url(charts.attribution_image(sheet, scale))
    return f'<img src="{picture}" alt="weights of the filter" style="width:{SIDE}px">'
