"""The runs whose classes can be watched: the checkpoints, and the runs that are being made or broke off."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import streamlit as st

from pages.ui import link, pickers
from pages.ui.served import Served, Shelf
from robust_core import checkpoints, data
from robust_core.checkpoints import CARD, HISTORY, RECIPE
from robust_core.explain import Story, read_story
from robust_core.training import status
from robust_core.training.follow import follow
from robust_core.training.kept import kept_earlier
from robust_core.training.recipe import Recipe, read_recipe
from robust_core.training.run import runs_folder
from robust_core.types import UserError

PARTNERS = {"absld": "rslad", "rslad": "absld", "fair_rslad": "rslad", "b_mtard": "mtard", "mtard": "b_mtard"}
_MET = "temperatures_met"


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """A run as this page sees it. state: as in training.status. net: None for a run that is no checkpoint (yet)."""

    name: str
    title: str
    folder: Path
    state: str
    recipe: Recipe | None
    net: Served | None

    @property
    def method(self) -> str:
        return self.net.card.method if self.net else self.recipe.objective.name if self.recipe else ""

    def story(self) -> Story:
        """As its history tells it now; of no epochs where that is gone. Raises UserError where it cannot be read."""
        try:
            stat = (self.folder / HISTORY).stat()
        except OSError:
            return read_story(self.folder)
        return _story(self.folder, stat.st_mtime_ns, stat.st_size)

    def kept(self) -> int | None:
        """The epoch whose weights it holds, where that is not the last."""
        return kept_earlier(follow(self.folder).epochs, self.recipe)

    def class_names(self, told: Story) -> tuple[str, ...]:
        """From the card or the recipe's data set; numbers where neither fits the history."""
        known = self.net.card.class_names if self.net else ()
        if self.recipe and not known and self.recipe.data.name in data.DATASETS.names():
            known = data.DATASETS[self.recipe.data.name].class_names
        fits = known and told.num_classes in (0, len(known))
        return tuple(known) if fits else tuple(f"class {k}" for k in range(told.num_classes))


@lru_cache(maxsize=32)
def _story(folder: Path, _mtime_ns: int, _size: int) -> Story:
    return read_story(folder)


def of_net(net: Served) -> Watched:
    folder = checkpoints.folder_of(net.name)
    recipe = None
    with suppress(UserError):  # a shipped card may be older than the recipes of today
        recipe = read_recipe(folder / RECIPE)
    return Watched(name=net.name, title=net.title, folder=folder, state="finished", recipe=recipe, net=net)


def in_the_making() -> dict[str, Watched]:
    """Runs of the runs folder by name; finished ones are left out, for they are on the shelf."""
    root, found = runs_folder(), {}
    for folder in status.run_folders(root):
        with suppress(UserError):  # discarded since it was listed
            seen = status.look(folder, root)
            if (folder / CARD).is_file():
                continue
            found[seen.name] = Watched(
                name=seen.name,
                title=seen.title or seen.name,
                folder=folder,
                state=seen.status,
                recipe=seen.recipe,
                net=None,
            )
    return found


def arrive(found: Shelf) -> None:
    """A visitor who comes here first, and has chosen no network, gets one that has temperatures."""
    if st.session_state.setdefault(_MET, False) and not link.returned():
        return
    st.session_state[_MET] = True
    wanted = next((n for m in ("absld", "b_mtard") for n, net in found.nets.items() if net.card.method == m), None)
    if wanted and "model" not in link.params():
        link.write("model", wanted)


def pick_run(found: Shelf) -> Watched:
    """A checkpoint, the one that follows the visitor over all pages; or, where there are any, a run in the making."""
    making = in_the_making()
    watching = "none"
    if making:
        options = {"none": "none"} | {n: f"{run.title} ({n}), {run.state}" for n, run in making.items()}
        watching = link.select("Run from the runs folder", options, "run", "none")
    net = pickers.pick_model(
        found, disabled=watching != "none",
        help="Any finished run. Its history tells what was measured after each epoch of its training.",
    )  # fmt: skip
    return of_net(net) if watching == "none" else making[watching]


def pick_beside(found: Shelf, run: Watched) -> Watched | None:
    """A second run with the same classes, by default the one that differs by the lever in question; or None."""
    names = [n for n, net in found.nets.items() if n != run.name and _alike(run, net)]
    options = {"none": "none"} | found.titles(names)
    name = link.select("Beside it", options, "beside", _partner(found, run, names), disabled=not names)
    return of_net(found.nets[name]) if name in found.nets else None


def _alike(run: Watched, net: Served) -> bool:
    if run.net:
        return pickers.same_task(run.net, net)
    return run.class_names(run.story()) == tuple(net.card.class_names)


def _partner(found: Shelf, run: Watched, names: list[str]) -> str:
    """The other half of the pair that is usually compared, of the same architecture first; else the first there is."""
    wanted = PARTNERS.get(run.method)
    fitting = [n for n in names if found.nets[n].card.method == wanted]
    same = [n for n in fitting if run.net and found.nets[n].card.options == run.net.card.options]
    return next(iter(same or fitting or names), "none")


def teacher_of(found: Shelf, run: Watched) -> Served | None:
    """The robust teacher that the run's recipe names, where it is on the shelf and knows the same classes."""
    name = run.recipe.teachers.robust if run.recipe else ""
    short = Path(name).name if name else ""
    hits = [net for n, net in found.nets.items() if name and (n == name or n.rpartition("/")[2] == short)]
    hits = [net for net in hits if run.net is None or pickers.same_task(run.net, net)]
    exact = [net for net in hits if net.name == name]
    return next(iter(exact or hits), None)
