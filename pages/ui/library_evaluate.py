"""An evaluation begun from the Library: a process of its own, watched through what it writes."""

from __future__ import annotations

import streamlit as st

from pages.ui import link, served
from pages.ui.frame import verbatim
from pages.ui.library_told import acting, evaluated, say
from pages.ui.train_list import duration
from robust_core import data
from robust_core.cards import Card
from robust_core.evaluation.command import DOUBTED
from robust_core.evaluation.measures import in_percent, spaced
from robust_core.evaluation.plan import GROUPS
from robust_core.library import evaluations
from robust_core.library.evaluations import FEWEST, Seen
from robust_core.library.limits import read_only
from robust_core.library.shelf import Row

KINDS = {"table": "The papers' attacks", "all": "Whole ensemble and doubts", "measure": "PGD-20, all images"}
PLANS = {"table": (("table",), False), "all": (GROUPS, True)}  # groups of attacks, and whether doubts are checked
MOST, USUAL = 2000, 100
EVERY = 1.0  # seconds between two looks at one that runs
START = 10.0  # seconds until a process of its own has its libraries, images and network


def evaluate(row: Row, first: str = "") -> None:
    """The form, or how far the evaluation under way is. first: the data set that is offered before the others."""
    seen = evaluations.look(row.name)
    running = seen is not None and seen.phase == "running"
    st.fragment(_watch, run_every=EVERY if running else None)(row, running, first)


def _watch(row: Row, was_running: bool, first: str) -> None:
    seen = evaluations.look(row.name)
    running = seen is not None and seen.phase == "running"
    if running:
        _running(row, seen)
        return
    if was_running:
        st.rerun()  # the table and the card's figures are of before
    if seen is not None:
        _ended(row, seen)
    _form(row, first)


def _form(row: Row, first: str) -> None:
    card = row.found.card
    if card is None or row.problem is not None:
        st.caption("A checkpoint that cannot be used cannot be evaluated either.")
        return
    sets = served.fitting(card)
    if not sets:
        reads = " or ".join(served.to_download(card).values()) or card.data_name
        st.caption(f"It reads images of {verbatim(reads)}, and none of these are on this machine: see Data sets.")
        return
    kind = link.segments("Attacks", KINDS, "eval_kind", "table")
    first = first if first in sets else next(iter(sets))
    on = link.select("On", sets, "eval_on", first) if len(sets) > 1 else first
    counts = kind == "measure"
    n = data.DATASETS[on].test if counts else link.number("Test images", FEWEST, MOST, 10, "n_eval", USUAL)
    st.caption(verbatim(_told(card, kind, n, sets[on])))
    if st.button(
        "Measure" if counts else "Evaluate", key=f"library_evaluate {row.name}", type="primary",
        icon=":material/play_arrow:", disabled=read_only(),
    ):  # fmt: skip
        with acting():
            if counts:
                evaluations.measure(row.found, data_name=on)
            else:
                groups, doubts = PLANS[kind]
                evaluations.start(row.found, n=n, groups=groups, doubts=doubts, data_name=on)


def _told(card: Card, kind: str, n: int, on: str) -> str:
    what = {
        "table": "FGSM, PGD-20 twice and CW, each on all images.",
        "all": "The papers' attacks, AutoAttack's four, those that know a router, and every check for false security.",
        "measure": "Untouched and under PGD-20: what training counts in the end, and what Home's picture shows.",
    }[kind]
    seconds = _expected(card, kind, n)
    if seconds is not None:
        what += f" About {duration(seconds)}, from what the last one took, wherever that was."
    images = f"all {n:,}" if kind == "measure" else "the first"
    return (
        f"{what} On {images} test images of {on}. It runs on when this tab closes, and writes its figures into the "
        "card, where Compare finds them."
    )


def _expected(card: Card, kind: str, n: int) -> float | None:
    """Seconds, from the last evaluation with the same attacks and the last checks; None where there was none."""
    if kind == "measure":
        made = [m for m in (card.clean, card.robust) if m is not None and m.seconds and not m.claimed]
        return START + sum(m.seconds * n / m.n for m in made) if made else None
    groups, doubts = PLANS[kind]
    # Of a network without a router the attacks that know one are left out.
    known = [e for e in card.evaluations if e.seconds and {*e.plan, "adaptive"} == {*groups, "adaptive"}]
    if not known or (doubts and not card.doubts):
        return None
    checks = card.doubts[-1].seconds * min(n, DOUBTED) / card.doubts[-1].n if doubts else 0.0
    return START + known[-1].seconds * n / known[-1].clean.n + checks


def _came_out(row: Row, seen: Seen) -> str:
    card = row.found.card
    if seen.measure:
        made = [m for m in card.measures if (m.n, m.data_name) == (seen.n, seen.data_name)] if card else []
        clean, robust = [m for m in made if not m.attack][-1:], [m for m in made if m.attack][-1:]
        if clean and robust:
            told = f"{in_percent(clean[0].accuracy)} clean, {in_percent(robust[0].accuracy)} under"
            return f"{told} {robust[0].attack.describe()}"
    mine = [e for e in card.evaluations if e.clean.n == seen.n] if card else []
    return evaluated(mine[-1]) if mine else "the figures are in its card"


def _running(row: Row, seen: Seen) -> None:
    left = f" {seen.left} of {seen.n:,} images still right." if seen.left is not None else ""
    st.progress(seen.share, text=verbatim(f"{spaced(seen.told)}{left}"))
    what = "untouched and under PGD-20" if seen.measure else f"{seen.attacks} attacks"
    st.caption(f"{seen.n:,} test images, {what}, {seen.seconds:,.0f} s so far.")
    if st.button("Stop", key=f"library_evaluate_stop {row.name}", icon=":material/stop:", disabled=read_only()):
        with acting():
            evaluations.stop(row.name)
            again = "begins anew" if seen.measure else "goes on where it was"
            say(f"The evaluation of {row.title} stops; begun again with the same settings, it {again}.")


def _ended(row: Row, seen: Seen) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="library_evaluated"):
        if seen.phase == "done":
            word = "Measured" if seen.measure else "Evaluated"
            st.success(verbatim(f"{word} on {seen.n:,} images: {_came_out(row, seen)}."), icon=":material/check:")
            st.page_link("pages/5_Compare.py", label="Compare", icon=":material/leaderboard:")
        else:
            st.warning(verbatim(spaced(seen.told[:1].upper() + seen.told[1:])), icon=":material/info:")
        if st.button("Got it", key=f"library_evaluate_forget {row.name}", disabled=read_only()):
            with acting():
                evaluations.forget(row.name)
    if seen.phase == "done" and st.toggle("What it said", key="library_evaluate_log"):
        st.code(seen.told, language=None)
