"""Attacks that know the router, all of them on the same images, and the worst case over them."""

from __future__ import annotations

import streamlit as st

from pages.ui import link, pickers
from pages.ui.frame import colours
from pages.ui.memory import Progress, remember
from pages.ui.perturb_attack import Chosen
from pages.ui.routing_many import BATCH, rows_of
from pages.ui.routing_nets import crafted, quick_view, route_of
from pages.ui.served import Served, test_images
from robust_core.attacks import ATTACKS, AttackSettings
from robust_core.evaluation.measures import in_percent, spaced
from robust_core.explain.adaptive import RouterTable, fitting_attacks, router_table

COUNTS = (50, 100, 200, 500)


def attacks(net: Served, chosen: Chosen) -> None:
    """A button first, then the table."""
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    with bar:
        n = int(link.select("Over", {str(n): f"{n} test images" for n in COUNTS}, "attacked_n", "100", width=180))
        started = link.read("table", False, {"1": True}.get)
        if not started:
            st.button("Run them all", type="primary", on_click=link.write, args=("table", "1"), key="run_table")
    every = settings_of(net, chosen)
    if not started:
        st.caption(
            f"{len(every)} attacks one after the other: plain PGD, then those that steer the router, hold its path, or "
            "only confuse it. Some seconds, once, then remembered."
        )
        return
    images = test_images(pickers.data_name(net))
    rows = rows_of(net, n, None)
    key = ("router table", net.sha, images.fingerprint, len(rows), *(s.model_dump_json() for s in every))

    def compute() -> RouterTable:
        with Progress(f"{len(every)} attacks on {len(rows)} images", len(every) * -(-len(rows) // BATCH)) as tick:
            return router_table(
                net.net,
                images,
                rows,
                every,
                view=quick_view(net.sha, net.name),
                batch_size=BATCH,
                progress=lambda _done, _of: tick(),
            )

    table = remember(key, compute, private=False)
    st.html(_table_html(table))
    st.caption(
        f"n = {len(rows)} test images of {images.name}; {every[0].describe()}, the others with the same budget and "
        "steps. Accuracy: right before and after. Told for what they are: the clean row counts images taken for clean, "
        "the others images taken for adversarial. 'To' a route: be wrong and be routed there; 'on' a path: made "
        "against the network held to it; on type or signals: only away from those of the untouched image. The worst "
        f"case counts an image as right where it survives them all.{crafted()}"
    )


def settings_of(net: Served, chosen: Chosen) -> list[AttackSettings]:
    """PGD and every attack on a router that fits, with the page's budget, and its steps where it has them."""
    s = chosen.settings
    common = {"norm": s.norm, "eps": s.eps, "seed": s.seed}
    common |= {key: s.used[key] for key in ("steps", "step_size") if key in s.used}
    names = ["pgd", *fitting_attacks(route_of(net))]
    return [AttackSettings(name=name, **common) for name in names]


def _table_html(table: RouterTable) -> str:
    typed = table.rows[0].type_accuracy is not None
    heads = [
        "attack",
        "accuracy",
        *(["told for what they are", "mean P(adversarial)"] if typed else []),
        "route moved by",
    ]
    lines = []
    for row in table.rows:
        name = ATTACKS[row.attack.name].label if row.attack else "none: the images as they are"
        types = [in_percent(row.type_accuracy), spaced(f"{row.p_adversarial:.1%}")] if typed else []
        cells = "".join(f"<td>{cell}</td>" for cell in (_bar(row.accuracy), *types, f"{row.moved:.3f}"))
        lines.append(f"<tr><th>{name}</th>{cells}</tr>")
    empty = "<td></td>" * (3 if typed else 1)
    lines.append(
        f'<tr class="worst"><th>worst case, image by image</th><td>{_bar(table.worst_accuracy)}</td>{empty}</tr>'
    )
    head = "".join(f"<td>{h}</td>" for h in heads)
    return f'<table class="rl-attacks" style="{colours()}"><tr>{head}</tr>{"".join(lines)}</table>'


def _bar(share: float) -> str:
    return f'<i><u style="width:{100 * share:.1f}%"></u></i> {in_percent(share)}'
