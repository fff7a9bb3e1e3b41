"""Perturb: craft a perturbation by hand and watch what it does to picture, probabilities and route."""

import streamlit as st

from pages.ui import pickers
from pages.ui.frame import frame, guarded
from pages.ui.perturb_attack import pick_attack
from pages.ui.perturb_below import below
from pages.ui.perturb_image import pick_subject
from pages.ui.perturb_watch import watch
from pages.ui.routing_nets import kinds

frame("Perturb")
st.markdown("# Perturb a picture, a little, on purpose")
found = pickers.open_shelf()
chosen = subject = None
with st.sidebar:
    first = pickers.pick_model(found)
    rival = pickers.pick_rival(found, first)
    with guarded():
        nets = [first] if rival is None else [first, rival]
        chosen = pick_attack(first, frozenset.intersection(*map(kinds, nets)))
with guarded():
    subject = pick_subject(first)
if subject is None or chosen is None:
    st.stop()
with guarded("The attack could not be run"):
    films = watch(nets, subject, chosen)
    below(found, nets, subject, films)
