"""Home: the trade-off in one picture, an attack under way, and where to go.

`streamlit run` imports this file once as the server, which warms up before its first visitor (torch takes seconds to
import), and then runs it as a script for each visitor of Home.
"""

import streamlit as st

from pages.ui import pickers
from pages.ui.frame import frame, guarded, respelled
from pages.ui.home_cards import cards
from pages.ui.home_live import live
from pages.ui.home_tour import tour
from pages.ui.home_tradeoff import tradeoff
from pages.ui.verdicts import verdicts
from pages.ui.warm import warm


def home() -> None:
    frame("Home")
    st.markdown("# What does robustness cost?")
    st.markdown(
        "Change a picture so little that you still see the same thing, and a network may see another. Networks can be "
        "trained to withstand this. It costs them accuracy, and some classes more than others. Here you can watch it."
    )
    found = pickers.open_shelf()
    with st.sidebar:
        net = pickers.pick_model(found)
    with st.container(key="wrap_top"):
        left, right = st.columns([11, 9], gap="large")
    with left:
        st.markdown("### Every network here, clean against attacked")
        with guarded():
            tradeoff(found, net.name)
    shown = None
    with right:
        st.markdown("### One picture, attacked just now")
        with guarded():
            shown = live(found, net)
    if shown is not None:
        st.markdown("### Three ways to bend the trade-off")
        cards(*shown)
    if found.nets:
        with guarded():
            tour(found, net)
        with guarded():
            verdicts(like=net.card)


if __name__ == "__main__":
    home()
else:
    app = st.App(__file__, lifespan=warm, routes=respelled())
