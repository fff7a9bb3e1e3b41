"""What lies below Perturb's stage: one tab a question, computed when it is opened."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui import pickers
from pages.ui.film import Film
from pages.ui.frame import guarded
from pages.ui.perturb_export import export
from pages.ui.perturb_reach import smallest, transfer
from pages.ui.perturb_why import attributions, surface
from pages.ui.served import Served, Shelf, Subject

TABS = ("Smallest ε", "Transfer", "Attributions", "Loss surface", "Take it home")


@st.fragment
def below(found: Shelf, nets: Sequence[Served], subject: Subject, films: Sequence[Film]) -> None:
    """The tabs. Only the open one is computed; opening another leaves the rest of the page alone."""
    sections = (
        lambda: smallest(nets, subject, films),
        lambda: transfer(nets, films, found),
        lambda: attributions(nets, subject, films),
        lambda: surface(nets, subject, films),
        lambda: export(nets, subject, films, "" if subject.own else pickers.data_name(nets[0])),
    )
    for tab, title, section in zip(st.tabs(TABS, key="below", on_change="rerun"), TABS, sections, strict=True):
        if tab.open:
            with tab, guarded(title):
                section()
