"""What the Library's shelves share: what was just done, with Undo; how much room is used; tables, words for figures."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from pages.ui import link
from pages.ui.frame import colours, verbatim
from robust_core import checkpoints
from robust_core.cards import Evaluation
from robust_core.data import cache_folder
from robust_core.evaluation.measures import in_percent
from robust_core.library import trash
from robust_core.library.storage import size_of, told_bytes
from robust_core.library.trash import TRASH, Trashed
from robust_core.types import UserError

_TOLD = "library_told"


@dataclass(frozen=True)
class Told:
    """A sentence that stays until the next thing is done. undo: what it could take back."""

    text: str
    well: bool = True
    undo: Trashed | None = None


def dress() -> None:
    """The page's own style."""
    st.html(Path(__file__).with_name("library_style.css"))


def claim(told: str, claimed: bool) -> str:
    """Figures that came with an imported card say so."""
    return f"its card claims {told}" if claimed else told


def evaluated(told: Evaluation) -> str:
    """An evaluation in a line: clean, worst case with its 95 % interval, attacks, images."""
    attacks = len({result.name for result in told.results})
    robust = told.figures.get("robust")
    worst = in_percent(robust.value, robust.low, robust.high) if robust else in_percent(told.worst.accuracy)
    said = f"{in_percent(told.clean.accuracy)} clean, {worst} worst case of {attacks} attacks"
    return claim(f"{said}, n = {told.clean.n:,} of {told.data_name}", told.claimed)


@contextmanager
def acting() -> Iterator[None]:
    """Around one thing that is done at a click. What it says, or why it was refused, stands on the page's next run."""
    st.session_state.pop(_TOLD, None)
    try:
        yield
    except UserError as error:
        st.session_state[_TOLD] = Told(str(error), well=False)
    st.rerun()


def say(text: str, *, undo: Trashed | None = None) -> None:
    st.session_state[_TOLD] = Told(text, undo=undo)


def told() -> None:
    """What the last click did."""
    last: Told | None = st.session_state.get(_TOLD)
    if last is None:
        return
    if not last.well:
        st.error(verbatim(last.text), icon=":material/error:")
        return
    with st.container(horizontal=True, vertical_alignment="center", key="library_last"):
        st.success(verbatim(last.text), icon=":material/check:")
        if last.undo is not None and st.button("Undo", key="library_undo", icon=":material/undo:"):
            with acting():
                back = trash.restore(last.undo.root, last.undo.id)
                say(f"{back.title} is back.")


def roots() -> dict[str, Path]:
    """The folders that are kept here, by what people call them."""
    return {"Checkpoints": checkpoints.zoo_folder(), "Runs": checkpoints.runs_folder(), "Data sets": cache_folder()}


def used() -> dict[str, int]:
    """Bytes of each, what is in the trash counted by itself."""
    found = {name: size_of(root) for name, root in roots().items()}
    bins = {name: size_of(root / TRASH) for name, root in roots().items()}
    return {name: found[name] - bins[name] for name in found} | {"Trash": sum(bins.values())}


def room() -> None:
    """One line on what the disk holds."""
    st.caption(" · ".join(f"{name} {told_bytes(size)}" for name, size in used().items()))


def limit() -> str:
    """How large an upload may be, in words."""
    return f"Up to {st.get_option('server.maxUploadSize')} MB here"


def choose_row(
    frame: pd.DataFrame,
    columns: Mapping[str, object],
    names: Sequence[str],
    chosen: int,
    to: str,
    *,
    key: str,
    alt: str,
) -> None:
    """The table of a shelf, a row a name, one of them chosen: a click writes its name into the URL, as `to`.

    The mark is set on every run. Left to the browser, it would stay at its place where rows have come or gone, on
    another thing than the one that is shown, and deleted, below.
    """

    def clicked() -> None:
        picked = st.session_state[key].selection.rows
        if picked and picked[0] < len(names):
            link.write(to, names[picked[0]])

    st.session_state[key] = {"selection": {"rows": [chosen], "columns": [], "cells": []}}
    st.dataframe(
        frame, key=key, hide_index=True, column_config=columns, on_select=clicked, alt=alt,
        selection_mode="single-row-required", height="auto" if len(names) < 12 else 460,
    )  # fmt: skip


def facts(pairs: Mapping[str, str]) -> None:
    """Words beside words; a value may be HTML of `mark` or `code`, else it is to be escaped before."""
    lines = "".join(f"<dt>{html.escape(name)}</dt><dd>{value}</dd>" for name, value in pairs.items() if value)
    st.html(f'<dl class="rl-facts" style="{colours()}">{lines}</dl>')


def mark(text: str, *, well: bool) -> str:
    """As HTML: a word that says it is well, or not."""
    return f'<span class="{"ok" if well else "bad"}">{html.escape(text)}</span>'


def code(text: str) -> str:
    """As HTML, what is not prose."""
    return f"<code>{html.escape(text)}</code>"
