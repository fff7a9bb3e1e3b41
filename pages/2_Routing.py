"""Routing: see which way an image takes through a dynamic network, clean and adversarial, and take hold of it."""

import streamlit as st

from pages.ui import pickers
from pages.ui.frame import frame, guarded
from pages.ui.perturb_attack import pick_attack
from pages.ui.perturb_image import pick_subject
from pages.ui.routing_below import below
from pages.ui.routing_nets import arrive, kinds, offer_dynamic
from pages.ui.routing_one import stage
from pages.ui.verdicts import verdicts

frame("Routing")
st.markdown("# Which way through the network?")
found = pickers.open_shelf()
arrive(found)
chosen = subject = None
with st.sidebar:
    net = pickers.pick_model(found)
    if kinds(net):
        with guarded():
            chosen = pick_attack(net, kinds(net))
if not kinds(net):
    offer_dynamic(found, net)
    st.stop()
with guarded():
    subject = pick_subject(net)
if subject is None or chosen is None:
    st.stop()
with guarded("The route could not be followed"):
    way = stage(net, subject, chosen)
    below(found, net, subject, chosen, way)
with guarded():
    verdicts(of=net.name)
