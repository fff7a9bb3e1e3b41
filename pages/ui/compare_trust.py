"""What speaks against the figures: each check for a false sense of security, and what was never measured."""

from __future__ import annotations

import html
import shlex
from collections.abc import Sequence

import streamlit as st

from pages.ui import link, served
from pages.ui.compare_cards import Shown
from pages.ui.frame import colours, verbatim
from pages.ui.library_evaluate import evaluate
from pages.ui.library_told import told as last_done
from robust_core import data
from robust_core.attacks import AttackSettings
from robust_core.cards import Doubt
from robust_core.evaluation.command import budget
from robust_core.evaluation.doubts import CHECKS
from robust_core.evaluation.leaderboard import Row
from robust_core.evaluation.measures import spaced
from robust_core.evaluation.plan import GROUPS
from robust_core.evaluation.scores import groups_for, single
from robust_core.library import shelf
from robust_core.library.limits import read_only

SIGNS = {True: ("ok", "✓"), False: ("bad", "✗"), None: ("none", "–")}
LISTED = 8  # command lines
IMAGES = 1000  # at least, of an evaluation, where there are so many
SHORT = 6  # characters of a number


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
    remarks = [
        f"**{verbatim(titles[one.name])}**: {verbatim('; '.join(m.told for m in one.marks))}."
        for one in picked
        if one.marks
    ]
    if remarks:
        st.caption(" ".join(remarks))
    made = [
        f"{titles[one.name]}: {one.doubts.n} images of {one.doubts.data_name}, seed {one.doubts.seed}, "
        f"{one.doubts.seconds:.0f} s"
        for one in picked
        if one.doubts
    ]
    told = verbatim("; ".join(made)) or "Of the chosen networks none was checked"
    st.caption(
        f"Made at {shown.board.budget}. {told}. No check "
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
    return f'<td class={kind} title="{tip}"><b>{sign}{figure}</b><small>{html.escape(spaced(check.told))}</small></td>'


def missing(shown: Shown) -> None:
    """What the board lacks of the networks on screen: the command lines that fill it in, and a button for one."""
    flattering_first = sorted(shown.rows, key=lambda one: not one.flattering)  # its figure misleads, others only lack
    wanting = [(one, what) for one in flattering_first if (what := lacks(one))]
    if not wanting:
        st.success("Every network on this board was measured so, and checked.", icon=":material/task_alt:")
        return
    titles = shown.titles()
    told = [f"- **{verbatim(titles[one.name])}** lacks {_listed(what)}." for one, what in wanting[:LISTED]]
    st.markdown("\n".join(told))
    lines = [line for one, _ in wanting[:LISTED] for line in commands(shown, one)]
    if lines:
        st.code("\n".join(lines), language="bash")
    if shown.yardstick and way(shown) is None:
        title = verbatim(shown.yardstick.title)
        st.caption(f"No command here measures under {title}: choose another attack above to fill the board.")
    more = f" {len(wanting) - LISTED} more networks lack something." if len(wanting) > LISTED else ""
    known = "" if shown.board.data_name in data.DATASETS.names() else " DATA: the folder or zip of these images."
    st.caption(
        "`evaluate` makes the attacks and the checks beside them, writes both into the card, and goes on where it "
        f"stood if it is killed; the page shows it on the next reload.{known}{more}"
    )
    _here_and_now(shown, [one for one, _ in wanting])


def _here_and_now(shown: Shown, wanting: Sequence[Row]) -> None:
    """The Library's evaluation of one of them, where that fills this board."""
    st.markdown("#### Evaluate one from here")
    if read_only():
        st.caption("On this server nothing is evaluated from the pages; the commands above do the same elsewhere.")
        return
    last_done()
    titles = {one.name: shown.titles()[one.name] for one in wanting}
    name = link.select("Network to evaluate", titles, "eval_model", wanting[0].name)
    found, board = shown.listed[name].checkpoint, shown.board
    own = budget(found, shown.listed[name].card)
    if own != (board.norm, board.eps):
        told = AttackSettings(name="fgsm", norm=own[0], eps=own[1]).describe().partition(", ")[2]
        st.caption(f"From here it is evaluated at its own budget, {told}, which is another board: use the command.")
        return
    if board.data_name not in served.fitting(shown.listed[name].card):
        told = (
            f"The test images of {verbatim(board.data_name)} are not on this machine: the Library fetches what it can."
        )
        st.caption(f"{told} On other images it would stand on another board.")
    evaluate(shelf.row(found), board.data_name)


def lacks(one: Row) -> list[str]:
    """What a row's card does not have, or not of its present weights, or only as an imported card claims: nouns."""
    told = [] if one.score else ["robust accuracy under the attack chosen above"]
    told += ["figures measured here, in place of what its card claims"] if one.score and one.score.claimed else []
    told += ["the attacks that know its router"] if one.flattering else []
    told += ["robust accuracy on as many images as the others"] if one.fewer else []
    told += [] if one.clean else ["clean accuracy"]
    return told + ([] if one.doubts else ["the checks for a false sense of security"])


def _listed(things: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(things[:-1]), things[-1]] if things[1:] else things)


def way(shown: Shown) -> tuple[str, ...] | None:
    """The groups of attacks that fill the board's yardstick, () where `measure` does; None where no command does."""
    if shown.yardstick is None:
        return GROUPS
    if shown.yardstick.id == single(AttackSettings(name="pgd", steps=20)).id:
        return ()
    return groups_for(shown.yardstick, shown.board, shown.listed.values())


def commands(shown: Shown, one: Row) -> list[str]:
    """The command lines that fill in what a row lacks."""
    board, plan, known = shown.board, way(shown), data.DATASETS.names()
    wanted = one.score is None or one.score.claimed or one.fewer or one.flattering
    test = data.DATASETS[board.data_name].test if board.data_name in known else 0
    most = max([IMAGES, *(other.robust.n for other in shown.every if other.ranked and other.robust)])

    def common(n: int) -> list[str]:
        name = board.data_name if board.data_name in known else "DATA"
        return [one.name, "--data", name, "--n", str(min(n, test) if test else n)]

    at = ["--eps", eps_text(board.eps)]
    found = []
    if (wanted and plan == ()) or one.clean is None:
        found.append(["measure", *common(most), *at])
    if (wanted and plan) or not one.doubts:
        fills = bool(wanted and plan)  # otherwise it is for the checks: the whole ensemble on all images takes hours
        chosen = ["--plan", ",".join(plan)] if fills and plan and plan != GROUPS else []
        checks = ["--no-doubts"] if one.doubts else []
        found.append(["evaluate", *common(most if fills else IMAGES), "--norm", board.norm, *at, *chosen, *checks])
    return [shlex.join(["python", "-m", "robust_core", *words]) for words in found]


def eps_text(eps: float) -> str:
    """ε as text that is read back as the same number: "0.1", "8/255"."""
    exact, pixels = repr(eps), round(eps * 255)
    return f"{pixels}/255" if len(exact) > SHORT and pixels / 255 == eps else exact
