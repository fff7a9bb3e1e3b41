"""The list of runs: what each does now, and the one or two things that can be done to it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st

from pages.ui.frame import colours, guarded, verbatim
from pages.ui.train_runs import LIVE, Watched, go_watch, of
from robust_core.evaluation.measures import in_percent
from robust_core.training import control
from robust_core.training.limits import limits
from robust_core.types import UserError

POLL = 8.0  # seconds; what is watched is looked at more often
FIRST = 10  # runs that are listed at once
WORDS = {
    "running": "running", "queued": "waits", "stopped": "stopped", "dead": "broke off", "failed": "failed",
    "finished": "finished",
}  # fmt: skip


def list_runs(found: Mapping[str, Watched], watched: Watched | None, allowed: bool) -> None:
    """In a part of the page of its own, looked at again while anything runs or waits."""
    live = any(entry.status in LIVE for entry in found.values())
    st.fragment(_listed, run_every=POLL if live else None)(watched.name if watched else "", allowed, live)


def _listed(watched: str, allowed: bool, live: bool) -> None:
    if st.session_state.pop("train_acted", False):
        st.rerun()  # the rest of the page hangs on it, too
    own = [of(seen) for seen in control.runs()]
    if live and not any(entry.status in LIVE for entry in own):
        st.rerun()  # there is nothing left to look at again and again
    if not own:
        return
    st.markdown("### All runs")
    room = limits().running
    st.caption(
        f"{'One run goes' if room == 1 else f'{room} runs go'} at a time, others wait their turn. Runs go on when this "
        "tab closes and when the app restarts; everyone who opens this page sees the same ones."
    )
    every = len(own) <= FIRST or st.toggle(f"All {len(own)}", key="train_all")
    for entry in own if every else own[:FIRST]:
        with guarded(entry.title):
            _row(entry, entry.name == watched, allowed)


def _row(entry: Watched, on: bool, allowed: bool) -> None:
    with st.container(key=f"train_row_{entry.name}"):
        told, buttons = st.columns([6, 5], vertical_alignment="center")
    with told:
        st.html(f'<div class="rl-runrow" style="{colours()}">{_told(entry)}</div>')
    with buttons, st.container(horizontal=True, horizontal_alignment="right"):
        st.button(
            "Watching" if on else "Watch", key=f"train_watch_{entry.name}", disabled=on, type="tertiary",
            on_click=_act, args=(None, entry), icon=":material/visibility:",
        )  # fmt: skip
        actions(entry, allowed, "list")


def actions(entry: Watched, allowed: bool, where: str) -> None:
    """Stop, Resume and Discard, those that fit what the run is doing; none where this deployment does not train."""
    if not allowed:
        return
    key = f"{where}_{entry.name}"
    if entry.status in LIVE:
        word = "Stopping…" if entry.stopping else "Stop" if entry.status == "running" else "Take out"
        st.button(
            word, key=f"train_stop_{key}", icon=":material/stop:", disabled=entry.stopping, on_click=_act,
            args=(control.stop, entry), help="Saves its state after the step it is at; Resume goes on from there.",
        )  # fmt: skip
        return
    if entry.status != "finished":
        st.button(
            "Resume", key=f"train_resume_{key}", icon=":material/play_arrow:", on_click=_act,
            args=(control.resume, entry), help="Goes on from the last saved state, with exactly the same result.",
        )  # fmt: skip
    with st.popover("Discard", icon=":material/delete:", key=f"train_ask_{key}", type="tertiary"):
        who = f"**{verbatim(entry.title)}** ({verbatim(entry.name)})"
        st.markdown(f"Delete {who} with its weights and history? This cannot be undone.")
        st.button("Delete it", key=f"train_discard_{key}", type="primary", on_click=_act, args=(control.discard, entry))


def _act(what: Callable[[Path], None] | None, entry: Watched) -> None:
    """As a callback: two visitors may press at once, and one of them is told that it was late."""
    try:
        go_watch(entry.name) if what is None else what(entry.folder)
    except UserError as error:
        st.session_state["train_refused"] = str(error)
    st.session_state["train_acted"] = True


def refused() -> None:
    """For the page's own run, which sees all anew: says why the last button did nothing, once."""
    st.session_state.pop("train_acted", None)
    if told := st.session_state.pop("train_refused", ""):
        st.error(verbatim(told), icon=":material/error:")


def _told(entry: Watched) -> str:
    """One line of facts and one of what it is."""
    assert entry.seen is not None
    seen, at = entry.seen, entry.seen.progress
    word = "stopping" if seen.stopping else f"waits, place {seen.place}" if seen.place else WORDS[seen.status]
    word = word if entry.measured else "finished, not measured"
    facts = [f"step {at.step:,} of {at.of:,}"] if at.of else []
    facts += [f"clean {in_percent(at.clean)}"] if at.clean is not None else []
    facts += [f"robust {in_percent(at.robust)}"] if at.robust is not None else []
    facts += [f"{duration(at.seconds_left)} left"] if seen.status == "running" and at.seconds_left else []
    return (
        f'<b>{html.escape(entry.title)}</b> <span class="rl-state {seen.status}">{word}</span>'
        f"<small>{html.escape(entry.name)}{' · ' if facts else ''}{' · '.join(facts)}</small>"
    )


def duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
