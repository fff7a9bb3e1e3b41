"""What lies below the history: one question at a time, computed when it is asked."""

from __future__ import annotations

import streamlit as st

from pages.ui import link
from pages.ui.frame import guarded
from pages.ui.served import Shelf
from pages.ui.temperatures_bench import bench
from pages.ui.temperatures_confusion import mistaken
from pages.ui.temperatures_pair import pair
from pages.ui.temperatures_runs import Watched

CLOSER = {"pair": "Who gained, who paid", "bench": "Soft label bench", "confusion": "Confusion under attack"}


@st.fragment
def below(found: Shelf, run: Watched, beside: Watched | None) -> None:
    """The question that is open, and no other; opening another leaves the rest of the page alone."""
    st.markdown("### Look closer")
    if run.net is None:
        st.caption(
            "Once this run is finished and on the shelf, its network can be asked: class by class, image by image."
        )
        return
    net = run.net
    sections = {
        "pair": lambda: pair(net, beside.net if beside else None),
        "bench": lambda: bench(found, run, net),
        "confusion": lambda: mistaken(net),
    }
    opened = link.maybe("Look closer at the classes", CLOSER, "ask", label_visibility="collapsed")
    if opened is None:
        st.caption(
            "Two networks judged on the same attacked test images; one image's soft label as its temperature moves; "
            "who is taken for whom at each step of an attack."
        )
        return
    with guarded(CLOSER[opened]):
        sections[opened]()
