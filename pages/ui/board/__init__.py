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
    on_want: Callable[[dict[str, bool]], None],
    style: str,
    key: str,
) -> None:
    """columns: key, label, help, sorts, low. rows: id, chosen, muted, cells (text, and sub, more, tip, kind, low, at,
    high; more: a line or several).

    sort: the column that orders them, the best first, backwards the best last. full: no more can be chosen. on_sort
    gets a column's key; on_want the boxes that the visitor has set, a row's id → chosen or not. style: CSS variables
    of the theme's colours.
    """

    def sorted_() -> None:
        wanted = st.session_state[key].sorted
        if isinstance(wanted, str) and wanted in {column["key"] for column in columns if column.get("sorts")}:
            on_sort(wanted)

    answered = f"{key}_answered"  # the last of the visitor's turns that has been dealt with

    def wanted() -> None:
        match st.session_state[key].wanted:
            case {"turn": int(turn), "boxes": [*boxes]}:
                st.session_state[answered] = turn
                known = [row["id"] for row in rows]
                pairs = (box for box in boxes if isinstance(box, list) and len(box) == 2 and box[0] in known)
                on_want({str(name): on is True for name, on in pairs})

    data = {"columns": list(columns), "rows": list(rows), "sort": sort, "backwards": backwards, "full": full,
            "style": style, "answered": st.session_state.get(answered, 0)}  # fmt: skip
    _mount(key=key, data=data, on_sorted_change=sorted_, on_wanted_change=wanted)
