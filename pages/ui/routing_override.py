"""Overrides: another route than the router's, and what the prediction and the accuracy then do."""

from __future__ import annotations

import html

import streamlit as st
import torch

from pages.ui import link
from pages.ui.frame import colours, guarded
from pages.ui.memory import Progress, remember
from pages.ui.perturb_attack import Chosen
from pages.ui.routing_many import BATCH, about, crowd_of, measured_on
from pages.ui.routing_nets import route_of
from pages.ui.served import Served, Subject
from robust_core.attacks import margin
from robust_core.evaluation.measures import in_percent, spaced
from robust_core.explain.crowd import Crowd, Seen, alone, class_means
from robust_core.explain.overrides import Effect, Override, apply, attack_anew, effect
from robust_core.explain.routing import Way, blocks_of, decisions
from robust_core.types import Route

PATHS = {"own": "the router's own", "clean": "clean", "adversarial": "adversarial", "between": "in between"}
SOURCES = {
    "own": "the router's own",
    "clean": "the clean image's",
    "adversarial": "the adversarial image's",
    "class_mean": "the mean of its true class",
    "shuffled": "its own, shuffled",
    "ones": "all one",
}
COUNTS = (64, 128, 256, 512, 1000)


def overrides(net: Served, subject: Subject, chosen: Chosen, way: Way) -> None:
    """Controls, the one picture under them, and many."""
    route = route_of(net)
    wanted = _pick_experts(route) if route.experts else _pick(route, net.net.mixes)
    one = alone(way, net.card.class_names)
    with guarded("This override"):
        means = None
        if wanted.signals == "class_mean":
            known = class_means(crowd_of(net, chosen, _count()))
            means = {conv: both[0] for conv, both in known.items()}
        held = apply(net.net, one, wanted, means=means)
        st.html(_one_html(way, (one.clean, one.adversarial), held, net, subject))
        _many(net, chosen, wanted)


def _pick(route: Route, mixes: bool) -> Override:
    with st.container(key="wrap_override"):
        left, right = st.columns([2, 3], gap="large") if mixes else 2 * [st.container()]
    p_type: str | float | None = None
    with left:
        if mixes:
            path = link.segments("Batch norm", PATHS, "path", "own")
            p_type = None if path == "own" else path
            if path == "between":
                p_type = link.slider("Share of the adversarial one", 0.0, 1.0, 0.05, "share", 0.5)
    source, scale, where = "own", 1.0, "all"
    if route.signals:
        places = {"all": "every block"} | {b: b for b in blocks_of(route)} | {c: c for c in decisions(route)}
        with right:
            first, second = st.columns(2)
            with first:
                source = link.select("Signals ω", SOURCES, "signals", "own")
            with second:
                where = link.select("In", places, "where", "all")
            scale = link.slider("Signals times", 0.0, 2.0, 0.05, "scale", 1.0)
    return Override(
        p_type=p_type,  # type: ignore[arg-type]
        signals=source,  # type: ignore[arg-type]
        where=() if where == "all" else (where,),
        scale=scale,
    )


def _pick_experts(route: Route) -> Override:
    held: dict[str, int] = {}
    with st.container(key="wrap_override"):
        columns = st.columns(min(4, len(route.experts)))
    for n, (conv, p) in enumerate(route.experts.items()):
        options = {"own": "the router's own"} | {str(e): f"expert {e}" for e in range(p.shape[1])}
        with columns[n % len(columns)]:
            picked = link.select(conv, options, f"expert_{conv}", "own")
        if picked != "own":
            held[conv] = int(picked)
    return Override(experts=held)


def _one_html(way: Way, free: tuple[Seen, Seen], held: tuple[Seen, Seen], net: Served, subject: Subject) -> str:
    """A row a picture: answer and margin on the free route and on the held one, with the true class's probability."""
    y = torch.tensor([way.y])
    names = net.card.class_names
    rows = []
    for word, before, after in zip(("clean", "adversarial"), free, held, strict=True):
        cells = []
        for seen in (before, after):
            p = seen.logits.softmax(dim=1)[0]
            k = int(p.argmax())
            wrong = subject.label is not None and k != subject.label
            own = float(p[way.y])
            told = f"P({html.escape(names[way.y])}) {spaced(f'{own:.1%}')}, margin {float(margin(seen.logits, y)):+.3f}"
            sure = spaced(f"{p[k]:.1%}")
            cells.append(
                f'<td><b class="{"wrong" if wrong else ""}">{html.escape(names[k])} {sure}</b>'
                f'<i><u style="width:{100 * own:.1f}%"></u></i><small>{told}</small></td>'
            )
        changed = int(before.logits.argmax()) != int(after.logits.argmax())
        tag = '<span class="rl-tag bad">another answer</span>' if changed else ""
        rows.append(f'<tr><th>{word} picture</th>{cells[0]}<td class="to">→</td>{cells[1]}<td>{tag}</td></tr>')
    head = "<tr><th></th><td>free route</td><td></td><td>held route</td><td></td></tr>"
    return f'<table class="rl-held" style="{colours()}">{head}{"".join(rows)}</table>'


def _count() -> int:
    return int(link.read("held_n", "256", {str(n): str(n) for n in COUNTS}.get))


def _many(net: Served, chosen: Chosen, wanted: Override) -> None:
    """The same over many test images; nothing to compute while nothing is held."""
    if wanted.free:
        st.caption(
            "Nothing is held yet: both routes are the router's own. Hold something, and the accuracy over many test "
            "images follows. The adversarial picture is the one made against the free network."
        )
        return
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    with bar:
        n = int(link.select("Over", {str(n): f"{n:,} test images" for n in COUNTS}, "held_n", "256", width=180))
        told = "Makes new adversarial images against the network as it is held: an attacker who knows of it."
        anew = link.toggle("Attack the held network, too", "anew", False, help=told)
    many = crowd_of(net, chosen, n)
    key = ("held", *about(net, chosen, n), repr(wanted))

    def compute() -> tuple[Effect, Effect]:
        with Progress(f"{wanted.describe()}, on {len(many)} images", -(-len(many) // BATCH)) as tick:
            after = apply(net.net, many, wanted, batch_size=BATCH, progress=lambda _d, _o: tick())
        return effect(many, many.clean, many.adversarial), effect(many, *after)

    free, held = remember((*key, "same images"), compute, private=False)
    rows = [
        ("clean accuracy", free.clean, held.clean),
        ("accuracy on the adversarial images made against the free route", free.robust, held.robust),
    ]
    if anew:
        knowing = remember((*key, "anew"), lambda: _attacked_anew(net, many, wanted), private=False)
        rows.append(("accuracy when the attack knows the held route", free.robust, knowing))
    st.html(_many_html(rows, free, held))
    st.caption(
        f"{measured_on(many, net)} Right means right before and after the attack. {held.changed} of {held.n} "
        f"adversarial images get another answer. Held: {wanted.describe()}."
        + (
            ""
            if anew
            else " These images were not made against the held network: an attacker who knows of it gets further."
        )
    )


def _attacked_anew(net: Served, many: Crowd, wanted: Override) -> int:
    with Progress(f"attacking the held network, on {len(many)} images", -(-len(many) // BATCH)) as tick:
        seen = attack_anew(net.net, many, wanted, batch_size=BATCH, progress=lambda _d, _o: tick())
        clean, _ = apply(net.net, many, wanted)
    return effect(many, clean, seen).robust


def _many_html(rows: list[tuple[str, int, int]], free: Effect, held: Effect) -> str:
    lines = "".join(
        f"<tr><th>{name}</th><td><b>{in_percent(before / free.n)}</b><small>{before} of {free.n}</small></td>"
        f'<td class="to">→</td><td><b>{in_percent(after / held.n)}</b><small>{after} of {held.n}</small></td>'
        f"<td>{100 * (after - before) / held.n:+.1f} points</td></tr>"
        for name, before, after in rows
    )
    head = "<tr><th></th><td>free route</td><td></td><td>held route</td><td></td></tr>"
    return f'<table class="rl-held" style="{colours()}">{head}{lines}</table>'
