"""The chosen networks class by class, from their cards: bars, and a table with intervals."""

from __future__ import annotations

import html

import streamlit as st

from pages.ui import link
from pages.ui.compare_cards import Shown
from pages.ui.frame import look, show, verbatim
from robust_core import charts
from robust_core.cards import Tally
from robust_core.charts import ByClass, Theme
from robust_core.charts.report import Section
from robust_core.evaluation.leaderboard import Row
from robust_core.evaluation.measures import in_percent, wilson

ORDERS = {"hard": "hardest first", "name": "by name"}


def classes(shown: Shown) -> None:
    """Of the chosen networks that were measured on this board."""
    order_by = link.segments("Classes", ORDERS, "order_compare", "hard")
    found = measured(shown)
    absent = [one.title for one in shown.picked if one not in found]
    if absent:
        st.caption(verbatim(f"Not measured so: {', '.join(absent)}."))
    if not found:
        st.info("None of the chosen networks was measured so. Its card would hold the counts of each class.")
        return
    order = ordered_classes(found, order_by)
    show(drawn(shown, found, order, look()), "compare_classes")
    st.html(_table(shown, found, order))
    st.caption(verbatim(told(shown, found)))


def section(shown: Shown) -> Section | None:
    """The same for a report."""
    found = measured(shown)
    if not found:
        return None
    order = ordered_classes(found, "hard")
    return Section(
        title="Class by class", drawn=[lambda now: drawn(shown, found, order, now)], told=[told(shown, found)]
    )


def measured(shown: Shown) -> list[Row]:
    return [one for one in shown.picked if one.score is not None]


def ordered_classes(found: list[Row], by: str) -> list[int]:
    """By mean robust accuracy over the networks, hardest first, or by name; one without an image comes last."""
    names = found[0].card.class_names
    if by == "name":
        return sorted(range(len(names)), key=lambda k: names[k].casefold())

    def hardness(k: int) -> tuple[float, int]:
        shares = [one.score.robust.class_accuracy[k] for one in found if one.score]
        present = [share for share in shares if share is not None]
        return (sum(present) / len(present) if present else 2.0, k)

    return sorted(range(len(names)), key=hardness)


def drawn(shown: Shown, found: list[Row], order: list[int], now: Theme) -> object:
    titles = shown.titles()
    nets = [
        ByClass(
            name=titles[one.name],
            clean=one.clean.class_accuracy if one.clean else None,
            robust=one.score.robust.class_accuracy,
        )
        for one in found
        if one.score
    ]
    return charts.class_bars_of(nets, found[0].card.class_names, order=order, look=now)


def told(shown: Shown, found: list[Row]) -> str:
    titles = shown.titles()
    said = "; ".join(f"{titles[one.name]}: n = {one.score.robust.n:,}, {one.score.told}" for one in found if one.score)
    return f"Bars: robust, marks: clean, on test images of {shown.board.data_name}. {said}."


def _table(shown: Shown, found: list[Row], order: list[int]) -> str:
    titles, names = shown.titles(), found[0].card.class_names
    head = "".join(f"<th colspan=2>{html.escape(titles[one.name])}</th>" for one in found)
    under = "<th>clean</th><th>robust [95\u00a0%]</th>" * len(found)
    worst = {one.name: one.worst_name for one in found}
    lines = []
    for k in order:
        cells = [f"<th>{html.escape(names[k])}</th>"]
        for one in found:
            assert one.score is not None
            low = " class=worst" if names[k] == worst[one.name] else ""
            cells.append(f"<td>{_share(one.clean, k)}</td><td{low}>{_share(one.score.robust, k, ends=True)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (f'<div class="rl-scroll"><table class="rl-classes"><tr><th></th>{head}</tr><tr><th></th>{under}</tr>'
            f"{''.join(lines)}</table></div>")  # fmt: skip


def _share(tally: Tally | None, k: int, *, ends: bool = False) -> str:
    if tally is None:
        return "<i>not measured</i>"
    right, n = tally.class_correct[k], tally.class_n[k]
    if not n:
        return "<i>no image</i>"
    value, _, interval = in_percent(right / n, *wilson(right, n)).partition(" ")
    return value + (f" <small>{interval} of {n:,}</small>" if ends else "")
