"""What lies below the board: the networks that are compared, and one question at a time."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui import link
from pages.ui.compare_cards import MOST, Shown
from pages.ui.compare_classes import classes
from pages.ui.compare_curves import against_eps, against_steps
from pages.ui.compare_transfer import transfer
from pages.ui.compare_trust import doubts, missing
from pages.ui.frame import guarded

CLOSER = {
    "eps": "Accuracy against ε",
    "steps": "Against attack strength",
    "classes": "Class by class",
    "transfer": "Transfer",
    "doubts": "Doubts",
    "missing": "What is missing",
}
SECTIONS = {
    "eps": against_eps,
    "steps": against_steps,
    "classes": classes,
    "transfer": transfer,
    "doubts": doubts,
    "missing": missing,
}


def pick_chosen(shown: Shown, default: list[str]) -> Shown:
    """The board with the networks chosen, in the table, in the pictures, here or in the URL."""
    chosen = link.read("models", default, link.some_of(shown.titles(), MOST))
    return replace(shown, chosen=chosen)


@st.fragment
def below(shown: Shown) -> None:
    """The question that is open, and no other."""
    opened = link.maybe("Ask the chosen networks", CLOSER, "compare", label_visibility="collapsed")
    if opened is None:
        st.caption(
            "Curves and the transfer matrix are computed here and now, and can be stopped; classes and doubts are read "
            "from the cards."
        )
        return
    with guarded(CLOSER[opened]):
        SECTIONS[opened](shown)
