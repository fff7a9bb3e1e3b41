"""The browser's Back and Forward among the states of one page: Streamlit changes the address then, and nothing else."""

from __future__ import annotations

import streamlit as st

from pages.ui import link

_KEY = "went_back"
_mount = st.components.v2.component(
    "robustlens_back",
    js="""
export default function ({ parentElement, setTriggerValue }) {
  const page = location.pathname;
  const went = () => location.pathname === page && setTriggerValue("went", location.search);
  window.removeEventListener("popstate", parentElement.went);
  window.addEventListener("popstate", (parentElement.went = went));
  return () => window.removeEventListener("popstate", went);
}
""",
)


def follow_back() -> None:
    """The page goes along with the address. Every page, once."""

    def went() -> None:
        query = st.session_state[_KEY].went
        if isinstance(query, str):
            link.return_to(query)

    _mount(key=_KEY, on_went_change=went)
