"""What is under the lens: network, image set, picture, seed. One choice for all pages, kept by `link`."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import streamlit as st

from pages.ui import link
from pages.ui.frame import ImagesMissingError
from pages.ui.served import Served, Shelf, Subject, fitting, in_order, shelf, test_images, to_download
from robust_core.cards import Card
from robust_core.evaluation.scores import task_of
from robust_core.types import ImageSet

# What says most at first sight, where it is there: a hardened network, a plain one, a picture on which they part.
PREFERRED = ("pgd_at", "pgd_at_mixed", "aw_net")
PLAIN = "standard"
MIXED = "aw_net_mixed"  # its router tells the types, and its batch norms follow
FIRST_IMAGE = {1: 9, 3: 4}  # by channels
_TASK = "w_task"


def open_shelf() -> Shelf:
    """All checkpoints; names the broken ones on screen. Stops the page, saying what to do, where none can be used."""
    found = shelf()
    for problem in found.problems:
        st.warning(f"Left out: {problem}", icon=":material/broken_image:")
    if not found.nets:
        st.info(
            "There is no network to look at yet. Train one: "
            "`python -m robust_core train recipes/zoo/fashion_mnist_pgd_at.toml`, then reload this page.",
            icon=":material/model_training:",
        )
        st.stop()
    return found


def default_model(found: Shelf) -> str:
    return _preferred(found, next(iter(found.tasks().values())))


def default_of(cards: Mapping[str, Card]) -> str:
    """`default_model` of networks of which only the cards are at hand; there must be one."""
    names = in_order(cards)
    return _foremost(cards, [name for name in names if task_of(cards[name]) == task_of(cards[names[0]])])


def _preferred(found: Shelf, names: Sequence[str]) -> str:
    return _foremost({name: found.nets[name].card for name in names}, names)


def _foremost(cards: Mapping[str, Card], names: Sequence[str]) -> str:
    """Of networks on one task; one that somebody brought only where there is no other."""
    own = [name for name in names if not cards[name].imported] or names
    return next((name for wanted in PREFERRED for name in own if name.endswith(f"/{wanted}")), own[0])


def model(found: Shelf) -> Served:
    """The network that is chosen, wherever it was chosen."""
    titles = found.titles()
    return found.nets[link.read("model", default_model(found), link.one_of(titles))]


def pick_model(found: Shelf, **settings: object) -> Served:
    """The network, among those on the task of the chosen one; with a switch where there are several tasks."""
    chosen, tasks = model(found), found.tasks()
    names = tasks[task_of(chosen.card)]
    if chosen.name != link.params().get("model", chosen.name):
        link.write("model", chosen.name)  # a title somebody wrote, which among those of one task may be another's
    if len(tasks) > 1:
        titles = {tasks[task][0]: title for task, title in found.task_titles().items()}
        st.session_state[_TASK] = names[0]
        st.segmented_control(
            "Images", list(titles), format_func=titles.get, key=_TASK, required=True, on_change=_turn, args=(found,)
        )
    default = default_model(found) if default_model(found) in names else chosen.name
    return found.nets[link.select("Network", found.titles(names), "model", default, **settings)]


def _turn(found: Shelf) -> None:
    """To the namesake of the chosen network on the task just clicked, or to what that task shows first."""
    names = next(names for names in found.tasks().values() if names[0] == st.session_state[_TASK])
    leaf = model(found).name.rpartition("/")[2]
    link.write("model", next((name for name in names if name.rpartition("/")[2] == leaf), _preferred(found, names)))


def pick_rival(found: Shelf, first: Served) -> Served | None:
    """A second network on the same task, or None."""
    alike = [n for n, s in found.nets.items() if n != first.name and same_task(s, first)]
    titles = found.titles(alike)
    options = {"none": "none"} | {name: titles[name] for name in alike}
    plain = next((name for name in alike if name.endswith(f"/{PLAIN}")), "none")
    name = link.select("Beside it", options, "versus", plain, disabled=not alike)
    return found.nets.get(name)


def same_task(a: Served, b: Served) -> bool:
    return task_of(a.card) == task_of(b.card)


def data_name(served: Served) -> str:
    """The image set that is chosen, among those the network can read. Raises UserError where there is none."""
    options = _sets(served)
    return link.read("data", next(iter(options)), link.one_of(options))


def pick_data(served: Served) -> str:
    """As `data_name`, with a picker where there is a choice."""
    options = _sets(served)
    if len(options) == 1:
        return next(iter(options))
    return link.select("Image set", options, "data", next(iter(options)))


def _sets(served: Served) -> dict[str, str]:
    options = fitting(served.card)
    if not options:
        sets = to_download(served.card)
        raise ImagesMissingError(
            f"{served.title} reads images of {' or '.join(sets.values()) or served.card.data_name}, and none of these "
            "are on this machine. Perturb and Routing can show it a picture of your own: upload or draw one.",
            list(sets),
        )
    return options


def test_image(name: str) -> Subject:
    """The chosen image of a set; the first where the index is not in it."""
    images = test_images(name)
    return _numbered(name, link.read("index", _first(images), link.within(int, 0, len(images) - 1)))


def first_picture(served: Served) -> Subject:
    """What a visitor who has chosen nothing sees first with this network."""
    name = next(iter(_sets(served)))
    return _numbered(name, _first(test_images(name)))


def _numbered(name: str, index: int) -> Subject:
    images = test_images(name)
    return Subject(
        pixels=images.images[index], label=int(images.labels[index]), index=index, origin=f"{name}, test image {index}"
    )


def pick_index(name: str) -> None:
    images = test_images(name)
    link.number("Test image", 0, len(images) - 1, 1, "index", _first(images))


def _first(images: ImageSet) -> int:
    return min(FIRST_IMAGE[images.images.shape[1]], len(images) - 1)


def roll(name: str) -> None:
    """Any image of the set, as a callback. Which one is in the URL then, so a link repeats it."""
    link.write("index", str(random.randrange(len(test_images(name)))))


def pick_seed(*, disabled: bool = False) -> int:
    told = "Decides all randomness of the attack: same seed, same picture."
    return link.number("Seed", 0, 10**6, 1, "seed", 0, help=told, disabled=disabled)
