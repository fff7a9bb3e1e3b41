"""Library: data sets and checkpoints on this machine; import, export, evaluate, delete with undo."""

import streamlit as st

from pages.ui import link
from pages.ui.frame import frame, guarded
from pages.ui.library_import import bring
from pages.ui.library_nets import nets
from pages.ui.library_sets import sets
from pages.ui.library_told import dress, room, told
from pages.ui.library_trash import trash
from robust_core.library.limits import VARIABLE, read_only

SHELVES = {"nets": "Checkpoints", "sets": "Data sets", "import": "Import", "trash": "Trash and storage"}

frame("Library")
dress()
st.markdown("# What is on this machine?")
with guarded():
    room()
shelf = link.segments("Shelf", SHELVES, "shelf", "nets", label_visibility="collapsed")
if read_only():
    st.info(
        f"Here the library can be looked at, not changed: whoever runs this site set {VARIABLE}=read-only.",
        icon=":material/lock:",
    )
told()
with guarded():
    {"nets": nets, "sets": sets, "import": bring, "trash": trash}[shelf]()
