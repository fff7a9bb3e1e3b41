"""Taking the board home: CSV, Markdown, or one HTML file with the figures, which needs no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.ui.compare_cards import Shown
from pages.ui.frame import look, show, verbatim
from robust_core import charts
from robust_core.charts import Theme
from robust_core.charts.marks import CLAIM
from robust_core.charts.report import Section, page
from robust_core.evaluation.report import about, doubt_lines, headings, lines, to_csv, to_markdown

_KEPT = "compare_sections"


def keep(shown: Shown, name: str, title: str, drawn: Callable[[Theme], go.Figure], told: str) -> None:
    """Remembers what this visitor had computed of these networks on this board, for the report."""
    kept_here()[name] = (_of(shown), Section(title=title, drawn=[drawn], told=[told]))


def show_and_keep(shown: Shown, name: str, title: str, drawn: Callable[[Theme], go.Figure], told: str) -> None:
    """A figure on the page, with what its numbers are, and the same for the report."""
    show(drawn(look()), f"compare_{name}")
    st.caption(verbatim(told))
    keep(shown, name, title, drawn, told)


def live(shown: Shown, kept: Mapping[str, Any]) -> list[Section]:
    """What was computed of these networks on this board, and of no others."""
    return [section for of, section in kept.values() if of == _of(shown)]


def _of(shown: Shown) -> tuple[str, ...]:
    return (shown.board.id, *sorted(one.card.weights_sha256 for one in shown.picked))


def kept_here() -> dict[str, Any]:
    return st.session_state.setdefault(_KEPT, {})


def take(shown: Shown, by_class: Callable[[], Section | None], points: Sequence[charts.Checkpoint],
         named: Sequence[str]) -> None:  # fmt: skip
    """Three buttons. The report is made when it is asked for, with what was computed live until then."""
    stem, sort, filters = f"robustlens_{shown.board.data_name}", shown.sort, shown.filters
    board, stick, rows = shown.board, shown.yardstick, shown.rows
    kept = kept_here()  # now: when the file is asked for there is no session to ask

    def report() -> bytes:
        return html_report(shown, by_class(), points, named, live(shown, kept)).encode()

    with st.container(horizontal=True, key="compare_take"):
        st.download_button("CSV", lambda: to_csv(rows, board, stick, sort).encode(), f"{stem}.csv",
                           "text/csv", icon=":material/table:", on_click="ignore", key="take_csv")  # fmt: skip
        st.download_button("Markdown", lambda: to_markdown(rows, board, stick, sort, filters).encode(), f"{stem}.md",
                           "text/markdown", icon=":material/article:", on_click="ignore", key="take_md")  # fmt: skip
        st.download_button("Report, one HTML file", report, f"{stem}.html", "text/html",
                           icon=":material/browse:", on_click="ignore", key="take_html")  # fmt: skip
    st.caption(
        "The rows above, in their order and with their filters. CSV: every number with n, attack, ε, seed and SHA-256. "
        "Report: the table and its figures, the chosen networks class by class, and their curves and matrices opened "
        "here so far; about 5 MB, for it brings what draws them."
    )


def html_report(
    shown: Shown, by_class: Section | None, points: Sequence[charts.Checkpoint], named: Sequence[str],
    computed: Sequence[Section],
) -> str:  # fmt: skip
    """The whole file."""
    told = about(shown.rows, shown.board, shown.yardstick, shown.sort, shown.filters)
    claims = [f"Open marks: {CLAIM}, and not ranked."] * any(point.claimed for point in points)
    measured, checks = [*told[:3], *claims], doubt_lines(shown.picked)

    def tradeoff(look: Theme) -> go.Figure:
        return charts.tradeoff(points, named=named, look=look, width=1100)

    def worst(look: Theme) -> go.Figure:
        return charts.worst_against_average(points, named=named, look=look, width=1100)

    sections = [
        Section(title="Leaderboard", headings=headings(), lines=lines(shown.rows, shown.sort), told=told),
        Section(title="Clean against robust", drawn=[tradeoff],
                told=["Dotted: equal W-Robust. Whiskers: 95\u00a0% (Wilson).", *measured]),
        Section(title="The worst class against all", drawn=[worst], told=measured),
        *([by_class] if by_class else []),
        *([Section(title="Signs of a false sense of security", lines=checks,
                   headings=["network", "check", "verdict", "what came out", "what was run"])] if checks else []),
        *computed,
    ]  # fmt: skip
    return page(f"RobustLens: {shown.board.data_name}, {shown.board.budget}", sections)
