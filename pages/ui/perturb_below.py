"""What lies below Perturb's stage: one question at a time, computed when it is asked."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui import link, pickers
from pages.ui.film import Film
from pages.ui.frame import guarded
from pages.ui.perturb_export import export
from pages.ui.perturb_reach import smallest, transfer
from pages.ui.perturb_why import attributions, surface
from pages.ui.served import Served, Shelf, Subject

CLOSER = {
    "smallest": "Smallest ε",
    "transfer": "Transfer",
    "attributions": "Attributions",
    "surface": "Loss surface",
    "export": "Take it home",
}


@st.fragment
def below(found: Shelf, nets: Sequence[Served], subject: Subject, films: Sequence[Film]) -> None:
    """The question that is open, and no other; opening another leaves the rest of the page alone.

    None is open at first: their charts weigh more than the whole stage, and would hold up its first picture.
    """
    sections = {
        "smallest": lambda: smallest(nets, subject, films),
        "transfer": lambda: transfer(nets, films, found),
        "attributions": lambda: attributions(nets, subject, films),
        "surface": lambda: surface(nets, subject, films),
        "export": lambda: export(nets, subject, films, "" if subject.own else pickers.data_name(nets[0])),
    }
    st.markdown("### Look closer")
    opened = link.maybe("Look closer", CLOSER, "closer", label_visibility="collapsed")
    if opened is None:
        st.caption(
            "How little is enough, whom else it fools, where the network looks, what its loss looks like around the "
            "picture, and the files and commands that repeat all this."
        )
        return
    with guarded(CLOSER[opened]):
        sections[opened]()
