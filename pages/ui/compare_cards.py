"""The cards on disk as a leaderboard's rows. No network is loaded for it: that is for those that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import streamlit as st

from pages.ui import link
from pages.ui.frame import verbatim
from pages.ui.memory import Memory, Progress
from pages.ui.served import Served, serve
from robust_core import checkpoints
from robust_core.checkpoints import CARD, Card
from robust_core.evaluation.cost import REPEATS, Cost, cost
from robust_core.evaluation.footing import on_one_footing
from robust_core.evaluation.leaderboard import SORTS, Row, ordered, row
from robust_core.evaluation.report import full_titles
from robust_core.evaluation.scores import Board, Listed, Yardstick, boards, task_of, yardsticks
from robust_core.evaluation.timings import read_cost, write_cost
from robust_core.library.limits import read_only
from robust_core.names import called
from robust_core.types import UserError

MOST = 6  # networks compared at once: as many as colours and dashes keep apart
FIRST = 3  # chosen where nobody has chosen
ANY = "any"


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """The leaderboard on screen: its rows in order, those left after the filters, and the networks chosen.

    sort: by what they are ranked and ordered; backwards: the best last.
    """

    board: Board
    yardstick: Yardstick | None
    rows: Sequence[Row]
    every: Sequence[Row]
    listed: dict[str, Listed]
    sort: str
    backwards: bool = False
    filters: Sequence[str] = ()
    chosen: Sequence[str] = ()

    @property
    def picked(self) -> list[Row]:
        """The chosen rows, in the order they were chosen in."""
        known = {one.name: one for one in self.every}
        return [known[name] for name in self.chosen if name in known]

    def titles(self) -> dict[str, str]:
        """Name → title; name and training seed stand behind a title that several have."""
        return full_titles(self.every)


def read_cards() -> tuple[list[Listed], list[str]]:
    """Every checkpoint with a card, as it lies there now, and a sentence about each card that cannot be read."""
    found, problems = [], []
    for name, folder in checkpoints.places().items():
        try:
            stat = (folder / CARD).stat()
        except OSError:
            continue  # it has none, or was deleted since it was listed
        one = _listed(folder, name, stat.st_size, stat.st_mtime_ns)
        if isinstance(one, str):
            problems.append(one)
        else:
            found.append(one)
    return found, problems


@lru_cache(maxsize=4096)
def _listed(folder: Path, name: str, _size: int, _mtime_ns: int) -> Listed | str:
    checkpoint = checkpoints.at(folder, name)
    return Listed.of(checkpoint, checkpoint.card) if checkpoint.card else str(checkpoint.problem)


def open_cards() -> list[Listed]:
    """As `read_cards`; names the broken ones on screen. Stops the page, saying what to do, where there is none."""
    found, problems = read_cards()
    for problem in problems:
        st.warning(f"Left out: {verbatim(problem)}", icon=":material/broken_image:")
    if not found:
        st.info(
            "There is no network to compare yet. Train one: "
            "`python -m robust_core train recipes/zoo/fashion_mnist_pgd_at.toml`, then reload this page.",
            icon=":material/model_training:",
        )
        st.stop()
    return found


def pick_board(listed: Sequence[Listed]) -> Shown:
    """The selectors, and the rows they leave."""
    known = {board.id: board for board in boards(listed)}
    first = _board_of_the_chosen(known, listed)
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare_which"):
        told = "One set of test images and one budget: nothing is ranked across two of them."
        options = {name: f"{board.data_name}, {board.budget}" for name, board in known.items()}
        board = known[link.select("Test images and budget", options, "board", first, help=told, width=300)]
        here = [one for one in listed if task_of(one.card) == board.task]
        sticks = {stick.id: stick for stick in yardsticks(board, here)}
        options = {name: stick.title for name, stick in sticks.items()} or {ANY: "nothing measured yet"}
        told = "What robust accuracy, W-Robust, worst class and NSD are of."
        stick = sticks.get(link.select("Robust under", options, "under", next(iter(options)), help=told, width=420))
        every = [row(one, board, stick.id if stick else "", known_cost(one)) for one in here]
        every = on_one_footing(every)
        method = _filter("Method", [one.card.method for one in every], "method")
        architecture = _filter("Architecture", [one.card.architecture for one in every], "architecture")
    left = [one for one in every if method in (ANY, one.card.method)]
    left = [one for one in left if architecture in (ANY, one.card.architecture)]
    picked = {"method": method, "architecture": architecture}
    filters = [f"{kind} {called(value)}" for kind, value in picked.items() if value != ANY]
    sort, backwards = link.read("sort", ("w_robust", False), _order)
    return Shown(board=board, yardstick=stick, rows=ordered(left, sort, backwards=backwards), sort=sort,
                 backwards=backwards, every=ordered(every, "w_robust"), filters=filters,
                 listed={one.name: one for one in here})  # fmt: skip


def _board_of_the_chosen(known: Mapping[str, Board], listed: Sequence[Listed]) -> str:
    """The first on the task of the networks, or the network, that other pages or a link have chosen; else the first."""
    chosen = link.some_of({one.name: one.name for one in listed}, MOST)
    names = next((names for key in ("models", "model") if (names := chosen(link.params().get(key, "")))), [])
    tasks = [task_of(one.card) for one in listed if one.name in names[:1]]
    return next((name for name, board in known.items() if board.task in tasks), next(iter(known)))


def _order(text: str) -> tuple[str, bool] | None:
    """ "clean", or "-clean" for the other way round."""
    return (text.removeprefix("-"), text[:1] == "-") if text.removeprefix("-") in SORTS else None


def order_by(shown: Shown, key: str) -> None:
    """By this column, best first; where it is that already, the other way round."""
    link.write("sort", f"-{key}" if key == shown.sort and not shown.backwards else key)


def _filter(label: str, values: Sequence[str], key: str) -> str:
    options = {ANY: "all"} | {value: called(value) for value in sorted(set(values))}
    return link.select(label, options, key, ANY, width=150)


def default_choice(every: Sequence[Row]) -> list[str]:
    """The best by W-Robust, and those next in line where fewer are ranked."""
    return [one.name for one in every[:FIRST]]


def choose(shown: Shown, wanted: Mapping[str, bool]) -> None:
    """Chooses networks, or no longer; the last one stays, and more than fit do not come in."""
    # What is chosen by now, not when the table was drawn: a click before that may have come between.
    before = link.read("models", list(shown.chosen), link.some_of(shown.titles(), MOST))
    chosen = [name for name in before if wanted.get(name, True)]
    chosen += [name for name, on in wanted.items() if on and name not in before]
    if chosen:
        link.write_several("models", chosen[:MOST])


def add(shown: Shown, name: str) -> None:
    """The network becomes the one all pages are about, and is compared; the first chosen makes room."""
    link.write("model", name)
    if name not in shown.chosen:
        link.write_several("models", [*shown.chosen, name][-MOST:])


def served_of(shown: Shown, name: str) -> Served:
    """The network behind a row, as it lies there now. Raises UserError where it is gone or cannot be used."""
    return serve(checkpoints.at(shown.listed[name].checkpoint.folder))


def _cost_key(card: Card) -> tuple[object, ...]:
    return (card.weights_sha256, card.architecture, str(card.options))


@st.cache_resource(show_spinner=False)
def _costs() -> Memory:
    """Of every network timed since the app was started, for those whose folder keeps nothing: apart from pictures and
    curves, which would push them out."""
    return Memory(4096)


def known_cost(one: Listed) -> Cost | None:
    """What was timed since the app was started, else what lies beside its card, or None."""
    return _costs().get(_cost_key(one.card)) or read_cost(one.checkpoint.folder, one.card)


def untimed(shown: Shown) -> list[Row]:
    """The rows on screen that nobody has timed on this machine."""
    return [one for one in shown.rows if one.cost is None or not one.cost.here]


def measure_costs(shown: Shown, todo: list[Row]) -> None:
    """Of these rows, one after the other; what is found is kept if it is
    stopped: beside the card where this server's library may be changed, and until the app ends."""
    asks = REPEATS + 2 + max(3, REPEATS // 6) + 2
    with Progress(f"Timing {len(todo)} networks, one after the other", asks * len(todo)) as tick:
        for one in todo:
            try:
                net = served_of(shown, one.name)
            except UserError as error:
                st.warning(f"Not timed: {verbatim(str(error))}", icon=":material/timer_off:")
                continue
            found = cost(net.net, one.card.image_shape, tick=tick)
            _costs().put(_cost_key(one.card), found)
            if not read_only():
                write_cost(shown.listed[one.name].checkpoint.folder, one.card, found)
