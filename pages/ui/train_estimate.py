"""What a recipe will take, asked of a process of its own; the page looks for its answer now and then."""

from __future__ import annotations

import threading
import time

import streamlit as st

from pages.ui.frame import verbatim
from pages.ui.memory import shared
from pages.ui.train_known import known_teachers
from pages.ui.train_list import duration
from robust_core import data
from robust_core.training.ahead import Ahead
from robust_core.training.estimate import Estimate
from robust_core.training.recipe import Recipe
from robust_core.types import UserError

POLL = 0.7  # seconds
AT_ONCE = 2  # estimates under way, of all visitors
_MINE, _WRONG = "train_ahead", "train_ahead_wrong"


@st.cache_resource(show_spinner=False)
def _under_way() -> tuple[threading.Lock, list[Ahead]]:
    return threading.Lock(), []


def estimated(recipe: Recipe, device: str, asked: bool) -> None:
    """Begins an estimate where it is asked for; shows what is known of this recipe, or that it is being timed."""
    key = ("estimate", recipe.to_toml(), device)
    if asked:
        st.session_state.pop(_WRONG, None)
        if mine := st.session_state.pop(_MINE, None):
            mine[1].stop()
        try:
            st.session_state[_MINE] = (key, _begin(recipe, device))
        except UserError as error:
            st.session_state[_WRONG] = (key, str(error))
    mine, wrong = st.session_state.get(_MINE), st.session_state.get(_WRONG)
    if mine is not None and mine[0] == key:
        st.fragment(_awaited, run_every=POLL)(*mine)
    elif wrong is not None and wrong[0] == key:
        st.error(verbatim(wrong[1]), icon=":material/error:")
    elif (known := shared().get(key)) is not None:
        _show(*known)


def _begin(recipe: Recipe, device: str) -> Ahead:
    known_teachers(recipe)
    if not data.available().get(recipe.data.name, True):
        raise UserError(
            f"{recipe.data.name} is not on this machine yet, so no step can be timed; get it on the Library page, "
            "or start the run: it downloads its images itself"
        )
    lock, every = _under_way()
    with lock:
        for one in every:
            if one.overdue:  # of a tab that closed: nobody asks for its result any more
                one.stop()
        every[:] = [one for one in every if one.running]
        if len(every) >= AT_ONCE:
            raise UserError("other visitors' estimates are being made; try again in some seconds")
        every.append(Ahead(recipe, device))
        return every[-1]


def _awaited(key: tuple, ahead: Ahead) -> None:
    try:
        found = ahead.result()
    except UserError as error:  # for this visitor alone: the machine may have room for the next one
        st.session_state[_WRONG] = (key, str(error))
    else:
        if found is None:
            st.caption(":material/timer: Timing a few steps of this recipe…")
            return
        shared().put(key, (found, time.strftime("%H:%M")))
    st.session_state.pop(_MINE, None)
    st.rerun(scope="app")


def _show(found: Estimate, at: str) -> None:
    low, high = found.seconds * (1 - min(found.error, 0.9)), found.seconds * (1 + found.error)
    st.success(
        f"**{duration(low)} to {duration(high)}**: {found.steps:,} steps of {found.step_seconds:.2g} s, "
        f"{duration(found.validation_seconds)} to validate after each epoch, {duration(found.measure_seconds)} "
        f"to measure it in the end. Memory: {found.memory.describe()}. "
        f"True for a machine as busy as this one was at {at}.",
        icon=":material/timer:",
    )
