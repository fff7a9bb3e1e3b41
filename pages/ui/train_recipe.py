"""A new run: presets, a form, and the TOML that the form writes. The text is the recipe; all else is a view of it."""

from __future__ import annotations

import re

import streamlit as st

from pages.ui.frame import guarded, verbatim
from pages.ui.train_estimate import estimated
from pages.ui.train_form import form, pick_device
from pages.ui.train_known import known_images
from pages.ui.train_presets import TEXT, cards, presets, start
from robust_core.training.recipe import Recipe, parse_recipe
from robust_core.types import UserError

_VALID = "train_valid"
_EDITOR = "train_editor"


def compose(allowed: bool) -> None:
    """Presets, form, editor, estimate and start."""
    if allowed:
        st.markdown("### Start one of these, or take its recipe as a beginning")
        cards()
    st.markdown("### The recipe")
    text = st.session_state.setdefault(TEXT, _first())
    recipe = _parsed(text)
    with st.container(key="wrap_recipe"):
        left, right = st.columns([10, 9], gap="large")
    with right:
        _editor(text, recipe)
    with left:
        if isinstance(recipe, Recipe):
            st.session_state[_VALID] = text
            with guarded():
                form(recipe)
        else:
            st.caption("These fields come back once the text is a recipe again.")
            if st.session_state.get(_VALID, text) != text:
                st.button("Back to the last one that was", icon=":material/undo:", on_click=_undo, key="train_undo")
    device = pick_device(recipe if isinstance(recipe, Recipe) else None)
    if isinstance(recipe, Recipe) and allowed:
        _go(recipe, device)


def _first() -> str:
    every = presets()
    return every[0].text if every else 'title = "My run"\n'


def _parsed(text: str) -> Recipe | str:
    """The recipe, or what is wrong with the text, a sentence a line."""
    try:
        return known_images(parse_recipe(text))
    except UserError as error:
        return str(error)


def _undo() -> None:
    st.session_state[TEXT] = st.session_state[_VALID]


def _editor(text: str, recipe: Recipe | str) -> None:
    st.session_state[_EDITOR] = text
    st.text_area(
        "As TOML: edit it, or paste another; Ctrl+Enter takes it", key=_EDITOR, height=520, on_change=_typed,
        help="All that is needed to repeat the training. What is left out takes its default.",
    )  # fmt: skip
    if isinstance(recipe, str):
        for line in recipe.splitlines():
            st.error(verbatim(line), icon=":material/error:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        name = re.sub(r"[^a-z0-9]+", "_", recipe.title.lower()).strip("_") or "recipe"
        st.download_button(
            "Download", text, f"{name}.toml", "application/toml", icon=":material/download:", key="train_take"
        )
        with st.popover("With every default", type="tertiary", key="train_whole"):
            st.code(recipe.to_toml(), language="toml")
    st.caption(f"On the command line: `python -m robust_core start {name}.toml`.")


def _typed() -> None:
    st.session_state[TEXT] = st.session_state[_EDITOR]


def _go(recipe: Recipe, device: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="train_go"):
        pressed = st.button("Start training", type="primary", icon=":material/play_arrow:", key="train_start")
        asked = st.button(
            "Estimate first", icon=":material/timer:", key="train_estimate",
            help="Takes a few timed steps of this very recipe, in a process of its own; ten seconds or so.",
        )  # fmt: skip
    estimated(recipe, device, asked)
    if pressed:
        with guarded("It was not started"):
            start(recipe, device)
