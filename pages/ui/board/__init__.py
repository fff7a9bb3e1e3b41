"""The leaderboard as a Streamlit component: a table whose headings sort it and whose boxes choose networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
Cell = dict[str, object]

_mount = st.components.v2.component(
    "robustlens_board",
    html='<div class="board" tabindex="-1"><table><thead></thead><tbody></tbody></table></div>',
    css=(HERE / "board.css").read_text(),
    js=(HERE / "board.js").read_text(),
)


def show_board(
    columns: Sequence[Cell],
    rows: Sequence[Cell],
    *,
    sort: str,
    full: bool,
    on_sort: Callable[[str], None],
    on_toggle: Callable[[str], None],
    style: str,
    key: str,
) -> None:
    """columns: key, label, help, sorts. rows: id, chosen, muted, cells (text, and sub, more, tip, kind, low, at, high).

    sort: the column that orders them. full: no more can be chosen. on_sort gets a column's key, on_toggle a row's id.
    style: CSS variables of the theme's colours.
    """

    def sorted_() -> None:
        wanted = st.session_state[key].sorted
        if wanted in {column["key"] for column in columns if column.get("sorts")}:
            on_sort(str(wanted))

    def toggled() -> None:
        wanted = st.session_state[key].toggled
        if wanted in {row["id"] for row in rows}:
            on_toggle(str(wanted))

    data = {"columns": list(columns), "rows": list(rows), "sort": sort, "full": full, "style": style}
    _mount(key=key, data=data, on_sorted_change=sorted_, on_toggled_change=toggled)
