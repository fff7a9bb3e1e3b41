"""The leaderboard as a Streamlit component: a table whose headings sort it and whose boxes choose networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
Cell = dict[str, object]

_mount = st.components.v2.component(
    "robustlens_board",
    html='<div class="frame"><div class="board" tabindex="0" role="region" aria-label="Leaderboard">'
    "<table><thead></thead><tbody></tbody></table></div></div>",
    css=(HERE / "board.css").read_text(),
    js=(HERE / "board.js").read_text(),
)


def show_board(
    columns: Sequence[Cell],
    rows: Sequence[Cell],
    *,
    sort: str,
    backwards: bool,
    full: bool,
    on_sort: Callable[[str], None],
    on_toggle: Callable[[str], None],
    style: str,
    key: str,
) -> None:
    """columns: key, label, help, sorts, low. rows: id, chosen, muted, cells (text, and sub, more, tip, kind, low, at,
    high; more: a line or several).

    sort: the column that orders them, the best first, backwards the best last. full: no more can be chosen. on_sort
    gets a column's key, on_toggle a row's id. style: CSS variables of the theme's colours.
    """

    def sorted_() -> None:
        wanted = st.session_state[key].sorted
        if wanted in {column["key"] for column in columns if column.get("sorts")}:
            on_sort(str(wanted))

    def toggled() -> None:
        wanted = st.session_state[key].toggled
        if wanted in {row["id"] for row in rows}:
            on_toggle(str(wanted))

    data = {"columns": list(columns), "rows": list(rows), "sort": sort, "backwards": backwards, "full": full,
            "style": style}  # fmt: skip
    _mount(key=key, data=data, on_sorted_change=sorted_, on_toggled_change=toggled)
