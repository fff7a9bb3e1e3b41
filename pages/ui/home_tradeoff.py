"""Home's scatter: every checkpoint at its clean and its robust accuracy, from the cards. A click opens Perturb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import streamlit as st

from pages.ui import link
from pages.ui.closer import NAMED_IN_PART, closer, named
from pages.ui.frame import look, show
from pages.ui.served import Shelf
from robust_core import charts
from robust_core.charts.marks import CLAIM
from robust_core.checkpoints import Card, Measure
from robust_core.evaluation.marks import fall
from robust_core.evaluation.measures import wilson
from robust_core.evaluation.scores import task_of

PERTURB = "pages/1_Perturb.py"
MOST_NAMED = 4
Board = tuple[object, ...]  # what the figures of networks must share to stand in one picture


def tradeoff(found: Shelf, selected: str) -> None:
    """The scatter, and what it leaves out. Goes to Perturb when a point is clicked."""
    task = found.tasks()[task_of(found.nets[selected].card)]
    boards = {name: _board(found.nets[name].card) for name in task}
    board = boards[selected] if not _claimed(found.nets[selected].card) else ()
    here = {name: found.nets[name] for name in task if boards[name] in ((), board or _commonest(found, boards))}
    titles = found.titles(here)
    points = [_point(name, titles[name], served.card) for name, served in here.items()]
    drawn = closer([point for point in points if point is not None])
    names = named(drawn, [selected])
    chart = charts.tradeoff(drawn, selected, named=names, look=look(), width=560, height=450)
    event = show(chart, "tradeoff", on_select="rerun", selection_mode="points")
    clicked = [p["customdata"][0] for p in event.selection.points if p.get("customdata")]
    if clicked and clicked[0] in found.nets:
        open_perturb(clicked[0])
    if len(names) < len(drawn):
        st.caption(f"{NAMED_IN_PART}.")
    if any(point.claimed for point in drawn):
        st.caption(f"Open marks: {CLAIM}; Compare does not rank them.")
    missing = [titles[name] for name, point in zip(here, points, strict=True) if point is None]
    if missing:
        st.caption(
            f"Not measured yet, so not drawn: {', '.join(missing)}. `python -m robust_core measure NAME` does it."
        )
    if elsewhere := _elsewhere(found, task, here):
        st.caption(elsewhere)
        st.page_link(
            "pages/5_Compare.py", label="All boards", icon=":material/leaderboard:", query_params=link.params()
        )
    robust = [served.card.robust for served in here.values() if served.card.robust]
    for line in dict.fromkeys(_measured(measure) for measure in robust):
        st.caption(line)


def _commonest(found: Shelf, boards: Mapping[str, Board]) -> Board:
    """The board of most networks, those whose figures are mere claims counted only where there are no others."""
    measured = [name for name, board in boards.items() if board]
    own = [name for name in measured if not _claimed(found.nets[name].card)]
    return Counter(boards[name] for name in own or measured).most_common(1)[0][0] if measured else ()


def _elsewhere(found: Shelf, task: Collection[str], here: Collection[str]) -> str:
    """What is said of the networks that are not in the picture; "" where all are."""
    titles = found.titles(task)
    away = [titles[name] for name in task if name not in here]
    told = []
    if away:
        named = ", ".join(away[:MOST_NAMED]) + " …" * (len(away) > MOST_NAMED)
        told.append(f"Measured on other images or another budget, so on a board of their own: {named}.")
    called = found.task_titles()
    others = [f"{called[kind]} ({len(names)})" for kind, names in found.tasks().items() if names != task]
    if others:
        told.append(f"Networks for other images: {', '.join(others)}; switch Images to see them.")
    return " ".join(told)


def _board(card: Card) -> Board:
    """What the figures of networks must share to stand in one picture; () where nothing was measured."""
    robust = card.robust
    if robust is None or robust.attack is None:
        return ()
    return robust.data_fingerprint, robust.attack.norm, robust.attack.eps


def _claimed(card: Card) -> bool:
    """Does a figure of its mark come with an imported card?"""
    return any(measure is not None and measure.claimed for measure in (card.clean, card.robust))


def open_perturb(name: str) -> None:
    st.switch_page(PERTURB, query_params=link.params() | {"model": name})


def _point(name: str, title: str, card: Card) -> charts.Checkpoint | None:
    clean, robust = card.clean, card.robust
    if clean is None or robust is None or robust.attack is None:
        return None
    budget = {"norm": robust.attack.norm, "eps": robust.attack.eps, "claimed": robust.claimed}
    far = fall(card, robust, fingerprint=robust.data_fingerprint, **budget)
    return charts.Checkpoint(
        id=name,
        name=title,
        clean=clean.accuracy,
        robust=robust.accuracy,
        worst_class=robust.worst_class,
        architecture=card.architecture,
        method=card.method,
        n=robust.n,
        attack=robust.attack.describe(),
        seed=card.seed,
        clean_interval=wilson(clean.correct, clean.n),
        robust_interval=wilson(robust.correct, robust.n),
        claimed=_claimed(card),
        falls_to=far.worst if far else None,
        falls=far.told() if far else "",
    )


def _measured(measure: Measure) -> str:
    told = measure.attack.describe() if measure.attack else "clean"
    said = f"{measure.data_name}, first {measure.n:,} test images. Robust: {told}."
    return f"{said} W = ½ clean + ½ robust. Whiskers: 95\u00a0% (Wilson)."
