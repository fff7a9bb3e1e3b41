"""The Library's trash: what was deleted, back with one click or gone for good; and where the room on the disk goes."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.frame import verbatim
from pages.ui.library_told import acting, roots, say, used
from robust_core.library import trash as core
from robust_core.library.limits import read_only
from robust_core.library.shelf import ago
from robust_core.library.storage import told_bytes
from robust_core.library.trash import DAYS, Trashed

SHOWN = 50


def trash() -> None:
    """Trash on the left, room on the right."""
    held = sorted((each for root in roots().values() for each in core.look(root)), key=lambda each: -each.when)
    with st.container(key="wrap_library_trash"):
        left, right = st.columns([11, 9], gap="large")
    with left:
        st.markdown("### Trash")
        if not held:
            st.caption(f"Empty. What is deleted lies here for {DAYS} days and can be taken back.")
        for each in held[:SHOWN]:
            _entry(each)
        if held:
            _all(held)
    with right:
        st.markdown("### Storage")
        _storage()


def _entry(each: Trashed) -> None:
    with st.container(border=True, key=f"library_bin_{each.id}"):
        st.markdown(
            f"**{verbatim(each.title)}**  \n:small[{verbatim(each.kind)}, {told_bytes(each.size)}, "
            f"deleted {ago(each.when)}, gone for good in {each.days_left:.0f} days]"
        )
        with st.container(horizontal=True):
            back = st.button("Take back", key=f"library_back_{each.id}", icon=":material/undo:", disabled=read_only())
            for_good = st.button("Delete for good", key=f"library_gone_{each.id}", disabled=read_only())
    if back:
        with acting():
            say(f"{core.restore(each.root, each.id).title} is back.")
    if for_good:
        with acting():
            freed = core.empty(each.root, each.id)
            say(f"{each.title} is gone; {told_bytes(freed)} are free.")


def _all(held: list[Trashed]) -> None:
    told = f"{len(held)} {'thing' if len(held) == 1 else 'things'}, {told_bytes(sum(each.size for each in held))}."
    st.caption(told + (f" The last {SHOWN} deleted are listed." if len(held) > SHOWN else ""))
    with st.popover("Empty the trash", disabled=read_only(), icon=":material/delete_forever:"):
        st.markdown("This cannot be undone.")
        if st.button("Delete everything in it for good", key="library_empty", type="primary", disabled=read_only()):
            with acting():
                freed = sum(core.empty(root) for root in roots().values())
                say(f"The trash is empty; {told_bytes(freed)} are free.")


def _storage() -> None:
    sizes = used()
    every = sizes | {"Together": sum(sizes.values())}
    frame = pd.DataFrame({"What": list(every), "On disk": [told_bytes(size) for size in every.values()]})
    st.dataframe(frame, hide_index=True, key="library_storage", alt="Bytes used by each folder.")
    st.caption(
        "The folders are moved by ROBUSTLENS_CHECKPOINTS, ROBUSTLENS_RUNS and ROBUSTLENS_CACHE. "
        "ROBUSTLENS_LIBRARY=read-only switches off every change from this page."
    )
