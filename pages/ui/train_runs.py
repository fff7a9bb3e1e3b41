"""What can be watched on Train: the runs of the runs folder, and the histories of the shipped checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import streamlit as st

from pages.ui import link
from pages.ui.frame import verbatim
from pages.ui.served import fitting
from robust_core import checkpoints
from robust_core.charts.curves import Axis
from robust_core.charts.growing import MOST
from robust_core.checkpoints import CARD, HISTORY, Card
from robust_core.training import control
from robust_core.training.recipe import Recipe
from robust_core.training.status import Seen, look
from robust_core.types import UserError

VIEWS = {"watch": "Watch", "new": "New run"}
LIVE = ("running", "queued")
EXAMPLE = "pgd_at"  # the shipped history that says most at first sight
AXES = {"step": "steps", "epoch": "epochs", "seconds": "seconds"}
SMOOTH = {1: "raw", 5: "some", 20: "much"}
_PINNED = "train_watched_last"


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """A run as this page sees it. seen: None for a shipped checkpoint, which is a finished run without its state."""

    name: str
    title: str
    folder: Path
    recipe: Recipe | None
    seen: Seen | None = None

    @property
    def own(self) -> bool:
        return self.seen is not None

    @property
    def status(self) -> str:
        return self.seen.status if self.seen else "finished"

    @property
    def stopping(self) -> bool:
        return bool(self.seen and self.seen.stopping)

    @property
    def card(self) -> Card | None:
        """As it lies there now; None before there is one, and where it cannot be read."""
        return checkpoints.at(self.folder).card if (self.folder / CARD).is_file() else None

    @property
    def measured(self) -> bool:
        """False for a finished run whose card has no figures yet: its measuring was stopped, or broke."""
        return self.status != "finished" or (card := self.card) is None or bool(card.measures)

    @property
    def checkpoint(self) -> str:
        """Its name as a checkpoint, as all pages know it once it is finished."""
        return (
            checkpoints.RUNS + self.name if self.own and checkpoints.folder_of(self.name) != self.folder else self.name
        )


def styled() -> None:
    st.html(Path(__file__).with_name("train_style.css"))


def entries() -> dict[str, Watched]:
    """Name → run: own ones first, running before waiting before the rest; then what is shipped with a history."""
    found = {seen.name: of(seen) for seen in control.runs()}
    there = {entry.folder.resolve() for entry in found.values()}
    for shipped in checkpoints.find_all(checkpoints.zoo_folder()):
        folder = shipped.folder
        if shipped.card is None or folder.resolve() in there or not (folder / HISTORY).is_file():
            continue
        recipe = None
        with suppress(UserError):  # it has none
            recipe = look(folder).recipe
        found.setdefault(
            shipped.name, Watched(name=shipped.name, title=shipped.card.title, folder=folder, recipe=recipe)
        )
    return found


def of(seen: Seen) -> Watched:
    return Watched(name=seen.name, title=seen.title or seen.name, folder=seen.folder, recipe=seen.recipe, seen=seen)


def titles(found: Mapping[str, Watched]) -> dict[str, str]:
    """Name → title, with the name behind a title that several have; shipped ones say so."""
    every = [entry.title for entry in found.values()]
    return {
        name: entry.title + (f" ({name})" if every.count(entry.title) > 1 else "") + ("" if entry.own else ", shipped")
        for name, entry in found.items()
    }


def go_watch(name: str) -> None:
    """From now on this run is what is watched; as a callback, or before a rerun."""
    link.write("watch", name)
    link.forget("train")


def pick_watched(found: Mapping[str, Watched]) -> Watched | None:
    """The run to watch, kept in the URL; says so where the one that was watched is gone."""
    if not found:
        st.info("There is no run and no history to look at yet.", icon=":material/hourglass_empty:")
        return None
    wanted = link.params().get("watch", "")
    if wanted and wanted not in found and link.one_of(titles(found))(wanted) is None:
        st.warning(f"{verbatim(wanted)} is gone: it was discarded, or never was here.", icon=":material/delete:")
    default = _default(found)
    name = link.select("Watch", titles(found), "watch", default)
    if found[name].own:  # or a run that ends would hand the page over to the next one
        link.write("watch", name)
    return found[name]


def _default(found: Mapping[str, Watched]) -> str:
    """What runs, else what waits, else the network chosen on any page, else the run written last, else the example."""
    own = [entry for entry in found.values() if entry.own]
    live = [entry for entry in own if entry.status in LIVE]
    if live:
        return live[0].name
    if (chosen := link.params().get("model", "")) in found:
        return chosen
    if own:
        return max(own, key=_written).name
    examples = [entry for name, entry in found.items() if name.endswith(f"/{EXAMPLE}")]
    shown = [entry for entry in examples if entry.card and fitting(entry.card)]  # its images are on this machine
    return next((entry.name for entry in (*shown, *examples)), next(iter(found)))


def _written(entry: Watched) -> float:
    try:
        return (entry.folder / HISTORY).stat().st_mtime
    except OSError:
        return 0.0


def pick_beside(found: Mapping[str, Watched], watched: Watched | None) -> list[Watched]:
    """Runs to lay over the watched one; their names live in the URL, one after the other."""
    options = {name: title for name, title in titles(found).items() if watched and name != watched.name}
    kept = [name for name in link.params().get("overlay", "").split(",") if name in options]
    st.session_state["w_overlay"] = kept[: MOST - 1]
    st.multiselect(
        "Lay over it", list(options), key="w_overlay", format_func=lambda name: options.get(name, name),
        max_selections=MOST - 1, on_change=_laid, placeholder="other runs", disabled=not options,
        help="Their curves on the same axes, dotted and dashed.",
    )  # fmt: skip
    return [found[name] for name in st.session_state["w_overlay"] if name in found]


def _laid() -> None:
    names = st.session_state["w_overlay"]
    link.write("overlay", ",".join(names)) if names else link.forget("overlay")


def pick_axis() -> tuple[Axis, int]:
    """What the curves go over, and of how many logged steps a smoothed value is the mean."""
    by = link.segments("Over", AXES, "axis", "step")
    smooth = link.segments(
        "Smoothing", {str(n): word for n, word in SMOOTH.items()}, "smooth", "5",
        help="Of what jumps from step to step. Raw values, or their whole range, stay visible behind the line.",
    )  # fmt: skip
    assert by in get_args(Axis)
    return by, int(smooth)
