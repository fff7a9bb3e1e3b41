"""The board as two pictures: clean against robust, and the worst class against all. A click chooses a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plotly.graph_objects as go
import streamlit as st

from pages.ui import link
from pages.ui.closer import NAMED_IN_PART, closer, named
from pages.ui.compare_cards import Shown, add
from pages.ui.frame import look, show, verbatim
from pages.ui.memory import remember
from robust_core import charts
from robust_core.charts.marks import CLAIM
from robust_core.evaluation.leaderboard import Row, interval
from robust_core.evaluation.marks import fall_of

MANY = 24  # networks from which on only the chosen and the best are named: to place hundreds of names takes seconds
BEST = 5
WIDE = (560, 450)  # px that both have in a window of 1,440: names laid out for more would lie on marks


def pictures(shown: Shown) -> None:
    """Side by side, from the cards alone."""
    every = points_of(shown)
    selected = link.read("model", "", lambda text: text if text in shown.listed else None) or None
    points = closer(every)
    many = len(every) > MANY
    names, worst = (
        names_on(shown) if many else named(points, shown.chosen, figures)
        for figures in (("clean", "robust"), ("robust", "worst_class"))
    )
    with st.container(key="wrap_pictures"):
        left, right = st.columns([11, 9], gap="large")
    with left:
        st.markdown("#### Clean against robust")
        chart = _drawn("tradeoff", points, selected, names)
        show(chart, "compare_tradeoff", on_select=_clicked(shown, "compare_tradeoff"), selection_mode="points")
    with right:
        st.markdown("#### The worst class against all")
        chart = _drawn("worst" if points == every else "worst, closer", points, selected, worst)
        show(chart, "compare_worst", on_select=_clicked(shown, "compare_worst"), selection_mode="points")
    absent = [one.title for one in shown.rows if one.w_robust is None]
    told = ["A click chooses a network. Dotted: equal W = ½ clean + ½ robust. Whiskers: 95\u00a0% (Wilson)."]
    if any(point.claimed for point in every):
        told.append(f"Open marks: {CLAIM}, and not ranked.")
    few = [one.title for one in shown.rows if one.fewer]
    if few:
        told.append(f"Of fewer images than the others, and not ranked: {_some(few)}.")
    spared = [one.title for one in shown.rows if one.flattering]
    if spared:
        told.append(f"Not attacked at their router, which flatters them, and not ranked: {_some(spared)}.")
    if absent:
        told.append(f"Not measured so, and not drawn: {_some(absent)}.")
    if many:
        told.append(f"{len(every)} networks; names of the chosen and of the best only.")
    elif len(points) > len(names):
        told.append(f"{NAMED_IN_PART}.")
    st.caption(verbatim(" ".join(told)))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + " …" * (len(names) > 8)


def _drawn(which: str, points: list[charts.Checkpoint], selected: str | None, names: list[str]) -> go.Figure:
    """Drawn once as long as nothing in it changes."""
    now = look()

    def compute() -> go.Figure:
        if which != "tradeoff":
            return charts.worst_against_average(
                points, selected, named=names, closer=which == "worst, closer", look=now, width=WIDE[1], height=430
            )
        return charts.tradeoff(points, selected, named=names, look=now, width=WIDE[0], height=430)

    return remember(("compared", which, tuple(points), selected, tuple(names), now.name), compute, private=False)


def points_of(shown: Shown) -> list[charts.Checkpoint]:
    """What can be drawn of the rows on screen."""
    titles = shown.titles()
    return [_point(one, titles[one.name]) for one in shown.rows if one.w_robust is not None]


def names_on(shown: Shown) -> list[str]:
    """Whose names may be written: everybody's where they are few, else those of the chosen and of the best."""
    best = [one.name for one in shown.every if one.w_robust is not None]
    return best if len(best) <= MANY else list(dict.fromkeys([*shown.chosen, *best[:BEST]]))


def _point(one: Row, title: str) -> charts.Checkpoint:
    assert one.clean is not None
    assert one.score is not None
    robust, far = one.score.robust, fall_of(one.score, one.card)
    return charts.Checkpoint(
        id=one.name,
        name=title,
        clean=one.clean.accuracy,
        robust=robust.accuracy,
        worst_class=robust.worst_class,
        architecture=one.card.architecture,
        method=one.card.method,
        n=robust.n,
        attack=one.score.told,
        seed=one.score.seed,
        clean_interval=interval(one.clean),
        robust_interval=interval(robust),
        claimed=one.score.claimed,
        ranked=one.ranked,
        falls_to=far.worst if far else None,
        falls=far.told() if far else "",
    )


def _clicked(shown: Shown, key: str) -> Callable[[], None]:
    def clicked() -> None:
        points = st.session_state[key].selection.points
        place = points[0].get("customdata") if points else None
        if place and place[0] in shown.listed:
            add(shown, str(place[0]))

    return clicked
