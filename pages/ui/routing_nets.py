"""Which networks have a route at all, what kind it is, and what to say of those that have none."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
import torch

from pages.ui import link, pickers
from pages.ui.frame import verbatim
from pages.ui.served import Served, Shelf
from robust_core import checkpoints
from robust_core.device import choose_precision
from robust_core.frozen import frozen
from robust_core.types import Classifier, Route

_MET = "routing_met"


def route_of(net: Served) -> Route:
    """The route of a black image: tells what kind of router there is, and its convs."""
    return _probed(net.sha, net)


@st.cache_resource(show_spinner=False, max_entries=64)
def _probed(sha: str, _net: Served) -> Route:
    with torch.no_grad():
        return _net.net.trace(torch.zeros(1, *_net.card.image_shape)).route


def kinds(net: Served) -> frozenset[str]:
    """The attacks on a router that this network allows: "types" where it tells types, "any" where it routes; empty
    for a static network."""
    route = route_of(net)
    steered = {"any"} if route.signals or route.experts else set()
    return frozenset(steered | ({"types"} if route.p_type is not None else set()))


def dynamic(found: Shelf) -> list[str]:
    return [name for name, net in found.nets.items() if kinds(net)]


def arrive(found: Shelf) -> None:
    """A visitor who comes here first, and has chosen no network, gets one that routes."""
    if st.session_state.setdefault(_MET, False) and not link.returned():
        return
    st.session_state[_MET] = True
    names = dynamic(found)
    if names and "model" not in link.params():
        link.write("model", _telling(found, names))


def _telling(found: Shelf, names: Sequence[str]) -> str:
    """Of those on the first one's task one whose router tells the types, where there is one."""
    alike = [name for name in names if pickers.same_task(found.nets[name], found.nets[names[0]])]
    return next((name for name in alike if name.endswith(f"/{pickers.MIXED}")), names[0])


def offer_dynamic(found: Shelf, net: Served) -> None:
    """One sentence on why there is nothing to see, and a button for each network where there is."""
    st.info(
        f"**{verbatim(net.title)}** is a static network: every image takes the same filters, so there is no route to "
        "see.",
        icon=":material/trending_flat:",
    )
    names = dynamic(found)
    if not names:
        st.markdown(
            "No network here routes yet. Train one: "
            "`python -m robust_core train recipes/zoo/fashion_mnist_aw_net.toml`, then reload this page."
        )
        return
    st.markdown("These have a router:")
    titles = found.titles()
    with st.container(horizontal=True):
        for name in names:
            st.button(
                verbatim(titles[name]), key=f"take_{name}", on_click=link.write, args=("model", name), type="primary"
            )


@st.cache_resource(show_spinner=False, max_entries=8)
def quick_view(sha: str, name: str) -> Classifier:
    """A faster view to attack many images with, where the machine computes in bfloat16; judged is by the served one."""
    return frozen(checkpoints.load(checkpoints.find(name)), _quick())


def crafted() -> str:
    """What is to be said of images that were made on that view."""
    return " Crafted on the network in bfloat16, judged in float32." if _quick() == torch.bfloat16 else ""


def _quick() -> torch.dtype:
    return choose_precision("auto", torch.device("cpu"))
