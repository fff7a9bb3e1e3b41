"""Home's lecture: six stops from a picture that falls to what it costs and who pays, each a link that sets its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from pages.ui import link, pickers
from pages.ui.served import Served, Shelf

BESIDE = 3
ATTACK = {"source": "gallery", "attack": "pgd", "target": "any", "seed": "0"}
AT_END = {link.AT: str(link.LAST)}  # wherever the film was left at the stop before


@dataclass(frozen=True, kw_only=True)
class Stop:
    """nets: parameter → the last part of a network's name, of the set under the lens; rather: the same, taken instead
    where it is there; params: the rest of the link."""

    page: str
    icon: str
    title: str
    told: str
    nets: Mapping[str, str]
    rather: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


STOPS = (
    Stop(
        page="1_Perturb",
        icon=":material/play_circle:",
        title="One falls, one stands",
        told="Press play. The plain network loses the picture in a few steps of an attack that you hardly see; does "
        "the one that met attacks in its training hold?",
        nets={"model": "standard", "versus": "pgd_at"},
        params=ATTACK | {"at_step": "0"},
    ),
    Stop(
        page="1_Perturb",
        icon=":material/landscape:",
        title="Cliff and plain",
        told="The loss around the same picture, for both networks on one scale: what makes a step so small so costly.",
        nets={"model": "standard", "versus": "pgd_at"},
        params=ATTACK | AT_END | {"closer": "surface"},
    ),
    Stop(
        page="5_Compare",
        icon=":material/balance:",
        title="The price",
        told="Every network by both accuracies, with intervals. Is any best at both? How much of the one buys how much "
        "of the other?",
        nets={"models": "standard,pgd_at,mtard"},
    ),
    Stop(
        page="5_Compare",
        icon=":material/groups:",
        title="Who pays",
        told="The same, class by class. The mean hides that some classes keep almost everything, and one or two lose "
        "most of it.",
        nets={"models": "standard,pgd_at,absld"},
        params={"compare": "classes"},
    ),
    Stop(
        page="3_Temperatures",
        icon=":material/device_thermostat:",
        title="A temperature for each class",
        told="ABSLD sharpens the labels of hard classes, epoch by epoch. Beside RSLAD, which does not: did the hard "
        "ones gain, and who paid?",
        nets={"model": "absld", "beside": "rslad"},
    ),
    Stop(
        page="2_Routing",
        icon=":material/alt_route:",
        title="A network that looks first",
        told="AW-Net's router sets the filters for each picture. It guesses whether it was attacked, too, though not "
        "every network follows the guess. Watch both on one picture and on many; then attack the router itself.",
        nets={"model": "aw_net"},
        rather={"model": pickers.MIXED},
        params=AT_END,
    ),
)


def tour(found: Shelf, net: Served) -> None:
    """The stops whose networks are here, numbered; none where they are too few for a story."""
    folder = net.name.rpartition("/")[0]
    stops = [(stop, params) for stop in STOPS if (params := _link(stop, folder, found)) is not None]
    if len(stops) < len(STOPS) / 2:
        return
    st.markdown("### A lecture, stop by stop")
    for first in range(0, len(stops), BESIDE):
        with st.container(key=f"wrap_tour_{first}"):
            columns = st.columns(BESIDE)
        for n, (stop, params) in enumerate(stops[first : first + BESIDE]):
            with columns[n], st.container(border=True, height="stretch"):
                label = f"**{first + n + 1} · {stop.title}**"
                st.page_link(f"pages/{stop.page}.py", label=label, icon=stop.icon, query_params=params)
                st.caption(stop.told)
    st.caption(
        "Each stop is a link with all that its page needs: bookmark it for the slides. What came out for the papers' "
        "claims, with intervals, ends this page."
    )


def _link(stop: Stop, folder: str, found: Shelf) -> dict[str, str] | None:
    """None where one of its networks is not on the shelf."""
    nets = {**stop.nets, **{key: leaf for key, leaf in stop.rather.items() if f"{folder}/{leaf}" in found.nets}}
    every = [f"{folder}/{leaf}" for leaves in nets.values() for leaf in leaves.split(",")]
    if any(name not in found.nets for name in every):
        return None
    picture = {"index": str(pickers.first_picture(found.nets[every[0]]).index)}
    return {key: f"{folder}/{leaves}" for key, leaves in nets.items()} | picture | dict(stop.params)
