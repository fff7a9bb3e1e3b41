"""What speaks against the figures: each check for a false sense of security, and what was never measured."""

from __future__ import annotations

import html
import shlex

import streamlit as st

from pages.ui.compare_cards import Shown
from pages.ui.frame import colours
from robust_core import data
from robust_core.cards import Doubt
from robust_core.evaluation.doubts import CHECKS
from robust_core.evaluation.leaderboard import Row

SIGNS = {True: ("ok", "✓"), False: ("bad", "✗"), None: ("none", "–")}
LISTED = 8  # command lines
IMAGES = 1000


def doubts(shown: Shown) -> None:
    """A row a check, a column a network: the figure that came out, and its verdict."""
    titles, picked = shown.titles(), shown.picked
    head = "".join(f"<th>{html.escape(titles[one.name])}</th>" for one in picked)
    lines = []
    for check in CHECKS:
        bound = f"{'at least' if check.least else 'at most'} {check.limit:g}"
        cells = "".join(_cell(one, check.name) for one in picked)
        lines.append(f"<tr><th>{html.escape(check.title)}<small>well: {bound}</small></th>{cells}</tr>")
    st.html(f'<div class="rl-scroll"><table class="rl-doubts" style="{colours()}"><tr><th></th>{head}</tr>'
            f"{''.join(lines)}</table></div>")  # fmt: skip
    remarks = [f"**{titles[one.name]}**: {'; '.join(m.told for m in one.marks)}." for one in picked if one.marks]
    if remarks:
        st.caption(" ".join(remarks))
    made = [
        f"{titles[one.name]}: {one.doubts.n} images of {one.doubts.data_name}, seed {one.doubts.seed}, "
        f"{one.doubts.seconds:.0f} s"
        for one in picked
        if one.doubts
    ]
    st.caption(
        f"Made at {shown.board.budget}. {'; '.join(made) or 'Of the chosen networks none was checked'}. No check "
        "proves robustness; one that is caught says that the robust accuracy beside it is not to be believed as it is."
    )


def _cell(one: Row, name: str) -> str:
    check: Doubt | None = None
    if one.doubts:
        check = next((found for found in one.doubts.checks if found.name == name), None)
    if check is None:
        return "<td class=none>not checked</td>"
    kind, sign = SIGNS[check.passed]
    figure = "" if check.figure is None else f" {check.figure:.3g}".replace("-", "−")
    tip = html.escape(f"{check.ran}", quote=True)
    return f'<td class={kind} title="{tip}"><b>{sign}{figure}</b><small>{html.escape(check.told)}</small></td>'


def missing(shown: Shown) -> None:
    """The command lines that fill in what the board lacks, of the networks on screen."""
    wanting = [(one, what) for one in shown.rows if (what := lacks(one))]
    if not wanting:
        st.success("Every network on this board was measured so, and checked.", icon=":material/task_alt:")
        return
    titles = shown.titles()
    st.markdown("\n".join(f"- **{titles[one.name]}**: {' and '.join(what)}" for one, what in wanting[:LISTED]))
    lines = [command(shown, one) for one, _ in wanting[:LISTED]]
    st.code("\n".join(lines), language="bash")
    more = f" {len(wanting) - LISTED} more networks lack something." if len(wanting) > LISTED else ""
    known = "" if shown.board.data_name in data.DATASETS.names() else " DATA: the folder or zip of these images."
    st.caption(
        f"Each makes all attacks on {IMAGES:,} images and the checks beside them, writes both into the card, and goes "
        f"on where it stood if it is killed; the page shows it on the next reload.{known}{more}"
    )


def lacks(one: Row) -> list[str]:
    """What a row's card does not have, or not of its present weights."""
    told = [] if one.score else ["robust accuracy, as chosen above, was not measured"]
    told += [] if one.clean else ["not measured untouched"]
    return told + ([] if one.doubts else ["nobody has checked whether its figures can be believed"])


def command(shown: Shown, one: Row) -> str:
    board = shown.board
    name = board.data_name if board.data_name in data.DATASETS.names() else "DATA"
    words = ["python", "-m", "robust_core", "evaluate", one.name, "--data", name, "--n", str(IMAGES)]
    return shlex.join([*words, "--norm", board.norm, "--eps", f"{board.eps:.6g}"])
