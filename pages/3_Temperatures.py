"""Temperatures: what each class was taught, how softly, and who gained and who paid by it."""

import streamlit as st

from pages.ui import pickers
from pages.ui.frame import frame, guarded
from pages.ui.temperatures_below import below
from pages.ui.temperatures_runs import arrive, pick_beside, pick_run
from pages.ui.temperatures_told import tell
from pages.ui.verdicts import verdicts

frame("Temperatures")
st.markdown("# How soft should a label be?")
found = pickers.open_shelf()
arrive(found)
with st.sidebar:
    run = pick_run(found)
    beside = pick_beside(found, run)
with guarded(run.title):
    tell(run, beside)
with guarded():
    below(found, run, beside)
with guarded():
    verdicts(of=run.name)
