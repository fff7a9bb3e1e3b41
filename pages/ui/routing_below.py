"""What lies below the maps: one question at a time, computed when it is asked."""

from __future__ import annotations

import streamlit as st

from pages.ui import link
from pages.ui.frame import guarded
from pages.ui.perturb_attack import Chosen
from pages.ui.routing_attacks import attacks
from pages.ui.routing_crowd import crowd
from pages.ui.routing_override import overrides
from pages.ui.routing_weights import weights
from pages.ui.served import Served, Shelf, Subject
from robust_core.explain.routing import Way

QUESTIONS = {
    "override": "Take hold of the route",
    "crowd": "Many images",
    "attacks": "Attacks on the router",
    "weights": "Filter weights",
}


@st.fragment
def below(found: Shelf, net: Served, subject: Subject, chosen: Chosen, way: Way) -> None:
    """The question that is open, and no other; opening another leaves the rest of the page alone."""
    sections = {
        "override": lambda: overrides(net, subject, chosen, way),
        "crowd": lambda: crowd(net, chosen),
        "attacks": lambda: attacks(net, chosen),
        "weights": lambda: weights(found, net, chosen),
    }
    st.markdown("### And if it went another way?")
    opened = link.segments("Question", QUESTIONS, "ask", "override", label_visibility="collapsed")
    with guarded(QUESTIONS[opened]):
        sections[opened]()
