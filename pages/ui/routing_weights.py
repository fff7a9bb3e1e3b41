"""Filter weights of any two networks, layer by layer, and what a router makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui import link, pickers
from pages.ui.frame import guarded, look, show
from pages.ui.memory import remember
from pages.ui.perturb_attack import Chosen
from pages.ui.routing_many import about, crowd_of, measured_on
from pages.ui.routing_nets import route_of
from pages.ui.served import Served, Shelf
from robust_core import charts, checkpoints
from robust_core.explain.filters import Effective, Layer, LayerPair, compare_filters, effective_filters

KINDS = {"norms": "filter norms", "weights": "single weights", "effective": "norms after ω"}
FEW = 128  # images whose signals are looked at


def weights(found: Shelf, net: Served, chosen: Chosen) -> None:
    """Two networks side by side; for one that turns filters up and down, its effective filters."""
    kinds = dict(KINDS)
    if not route_of(net).signals:
        del kinds["effective"]
    kind = link.segments("Of", kinds, "filters", "norms")
    if kind == "effective":
        _effective(net, chosen)
        return
    titles = found.titles()
    left, right = _defaults(found, net)
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    with bar:
        a = link.select("One network", titles, "left", left, width=260)
        b = link.select("The other", titles, "right", right, width=260)
    with guarded("These two cannot be compared"):
        pairs = _pairs(found.nets[a], found.nets[b])
        norms = kind == "norms"
        show(
            charts.distributions(
                {p.name: (p.a.norms if norms else p.a.weights, p.b.norms if norms else p.b.weights) for p in pairs},
                (titles[a], titles[b]),
                distances={p.name: p.norm_distance if norms else p.weight_distance for p in pairs},
                unit="L2 norm of a filter" if norms else "weight",
                look=look(),
            ),
            key="filter_weights",
            told=" ".join(
                [
                    _counted(titles[a], [p.a for p in pairs], norms),
                    _counted(titles[b], [p.b for p in pairs], norms),
                    "Weights as stored, whatever the image; W₁: Wasserstein-1 distance.",
                ]
            ),
        )
        st.caption(
            "W₁: Wasserstein-1 distance of the two distributions, in the unit across. A batch norm behind a conv "
            "undoes any common factor of a filter, so shapes say more than places. What lies beyond the 0.1\u00a0% "
            "tails stands in the last bins."
        )


def _counted(title: str, layers: Sequence[Layer], norms: bool) -> str:
    n = sum(len(layer.norms if norms else layer.weights) for layer in layers)
    return f"{title}: n = {n:,} {'filters' if norms else 'weights'} of {len(layers)} convs."


def _defaults(found: Shelf, net: Served) -> tuple[str, str]:
    """The chosen network against the plain one of its task; the plain one itself against a hardened one."""
    alike = [n for n, other in found.nets.items() if n != net.name and pickers.same_task(other, net)]
    wanted = (pickers.PLAIN, *pickers.PREFERRED)
    other = next((n for last in wanted for n in alike if n.endswith(f"/{last}")), next(iter(alike), net.name))
    return net.name, other


def _pairs(a: Served, b: Served) -> tuple[LayerPair, ...]:
    def compute() -> tuple[LayerPair, ...]:
        return compare_filters(*(checkpoints.load(checkpoints.find(net.name)) for net in (a, b)))

    return remember(("filters", a.sha, b.sha), compute, private=False)


def _effective(net: Served, chosen: Chosen) -> None:
    many = crowd_of(net, chosen, FEW)
    key = ("effective", *about(net, chosen, FEW))

    def compute() -> tuple[Effective, ...]:
        return effective_filters(checkpoints.load(checkpoints.find(net.name)), many)

    found = remember(key, compute, private=False)
    now = look()
    show(
        charts.distributions(
            {e.name: (e.plain, e.clean, e.adversarial) for e in found},
            ("‖W‖, as trained", "ω·‖W‖, clean images", "ω·‖W‖, adversarial images"),
            distances={e.name: e.distance for e in found},
            colours=(now.muted, now.clean, now.adversarial),
            look=now,
        ),
        key="filter_effective",
        told=f"{net.title}: {measured_on(many, net)}",
    )
    st.caption(f"W₁: between clean and adversarial images. {measured_on(many, net)}")
