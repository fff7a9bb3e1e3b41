"""Train: write a recipe, start it, and watch what it learns; runs go on when the tab closes."""

import streamlit as st

from pages.ui import link
from pages.ui.frame import frame, guarded
from pages.ui.train_list import list_runs, refused
from pages.ui.train_presets import cards
from pages.ui.train_recipe import compose
from pages.ui.train_runs import VIEWS, entries, pick_axis, pick_beside, pick_watched, styled
from pages.ui.train_watch import watch
from robust_core.training.limits import limits

frame("Train")
styled()
st.markdown("# Train a network, and watch it learn")
with guarded():
    refused()
    allowed = limits().training
    view = link.segments("What to do here", VIEWS, "train", "watch", label_visibility="collapsed")
    if not allowed:
        st.info(
            "Training is switched off here (`ROBUSTLENS_TRAINING=off`): runs can be watched, none can be started. "
            "Install RobustLens on a machine of your own to train.",
            icon=":material/block:",
        )
    found = entries()
    if view == "new":
        with guarded("The recipe"):
            compose(allowed)
        st.stop()
    with st.sidebar:
        watched = pick_watched(found)
        beside = pick_beside(found, watched)
        by, smooth = pick_axis()
    if allowed and not any(entry.own for entry in found.values()):
        st.markdown("### Start one: each ends within minutes on the images that come with RobustLens")
        cards()
    if watched is not None:
        with guarded(watched.title):
            watch(watched, beside, by, smooth, allowed)
    with guarded("The list of runs"):
        list_runs(found, watched, allowed)
