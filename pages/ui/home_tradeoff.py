"""Home's scatter: every checkpoint at its clean and its robust accuracy, from the cards. A click opens Perturb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import streamlit as st

from pages.ui import link
from pages.ui.closer import closer
from pages.ui.frame import look, show
from pages.ui.served import Shelf
from robust_core import charts
from robust_core.charts.marks import CLAIM
from robust_core.checkpoints import Card, Measure
from robust_core.evaluation.measures import wilson

PERTURB = "pages/1_Perturb.py"
MOST_NAMED = 4


def tradeoff(found: Shelf, selected: str) -> None:
    """The scatter, and what it leaves out. Goes to Perturb when a point is clicked."""
    boards = {name: _board(served.card) for name, served in found.nets.items()}
    counts = Counter(board for board in boards.values() if board)
    own = Counter(boards[name] for name, served in found.nets.items() if boards[name] and not _claimed(served.card))
    board = boards[selected] or ((own or counts).most_common(1)[0][0] if counts else ())
    here = {name: served for name, served in found.nets.items() if boards[name] in ((), board)}
    titles = found.titles(here)
    points = [_point(name, titles[name], served.card) for name, served in here.items()]
    drawn = [point for point in points if point is not None]
    drawn = closer(drawn)
    chart = charts.tradeoff(drawn, selected, look=look(), width=640, height=450)
    # In half a page the legend needs a line of its own above the chart's remark.
    chart.update_layout(legend={"y": 1.07}, margin={"t": 44})
    event = show(chart, "tradeoff", on_select="rerun", selection_mode="points")
    clicked = [p["customdata"][0] for p in event.selection.points if p.get("customdata")]
    if clicked and clicked[0] in found.nets:
        open_perturb(clicked[0])
    if any(point.claimed for point in drawn):
        st.caption(f"Open marks: {CLAIM}; Compare does not rank them.")
    missing = [titles[name] for name, point in zip(here, points, strict=True) if point is None]
    if missing:
        st.caption(
            f"Not measured yet, so not drawn: {', '.join(missing)}. `python -m robust_core measure NAME` does it."
        )
    if elsewhere := _elsewhere(found, here):
        st.caption(f"Measured on other images or another budget, so on a board of their own: {elsewhere}.")
        st.page_link(
            "pages/5_Compare.py", label="All boards", icon=":material/leaderboard:", query_params=link.params()
        )
    robust = [served.card.robust for served in here.values() if served.card.robust]
    for line in dict.fromkeys(_measured(measure) for measure in robust):
        st.caption(line)


def _elsewhere(found: Shelf, here: Collection[str]) -> str:
    """The networks that are not here, by title; of many only how many, and where."""
    titles = found.titles()
    away = [titles[name] for name in found.nets if name not in here]
    if len(away) <= MOST_NAMED:
        return ", ".join(away)
    kinds = Counter(served.card.data_name for name, served in found.nets.items() if name not in here)
    return "; ".join(f"{n} networks, {name}" for name, n in kinds.items()) + " (choose one as Network to see its board)"


def _board(card: Card) -> tuple[object, ...]:
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
    )


def _measured(measure: Measure) -> str:
    told = measure.attack.describe() if measure.attack else "clean"
    said = f"{measure.data_name}, first {measure.n:,} test images. Robust: {told}."
    return f"{said} W = ½ clean + ½ robust. Whiskers: 95 % (Wilson)."
