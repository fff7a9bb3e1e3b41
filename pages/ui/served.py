"""Networks, image sets and attacks as the app serves them: loaded once, shared by all visitors, never changed.

A shared network is a frozen view, in eval mode; gradients go to the input alone, and nothing is ever hung on it: what
sets hooks (captum) does so on a `private` copy.
Results are shared by content; those on a visitor's own picture stay in that visitor's session.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from pages.ui.film import Film, shoot
from pages.ui.memory import Progress, remember
from robust_core import checkpoints, data
from robust_core.attacks import AttackSettings
from robust_core.checkpoints import Card, Checkpoint
from robust_core.evaluation.scores import Task, task_of
from robust_core.frozen import frozen
from robust_core.types import Classifier, ImageSet, UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """A checkpoint ready for use.

    net: the frozen view of it, the same numbers to 1e-4, faster. sha: of its weights and what its card makes of them.
    """

    name: str
    card: Card
    net: Classifier
    sha: str

    @property
    def title(self) -> str:
        return self.card.title

    def private(self) -> Classifier:
        """A copy of the network for code that hangs hooks on it, in milliseconds."""
        return copy.deepcopy(self.net)


@dataclass(frozen=True)
class Shelf:
    """All checkpoints: those that can be used, by name, and a sentence about each that cannot."""

    nets: dict[str, Served]
    problems: tuple[str, ...]

    def titles(self, among: Collection[str] | None = None) -> dict[str, str]:
        """Name → title, of all or of some networks. Behind a title that several have stands their data set; where that
        does not part them, only the name does."""
        nets = {name: served for name, served in self.nets.items() if among is None or name in among}
        plain = [served.title for served in nets.values()]
        longer = {name: f"{served.title} · {_shelf_title(name)}" for name, served in nets.items()}
        every = list(longer.values())
        return {
            name: served.title if plain.count(served.title) == 1
            else longer[name] if every.count(longer[name]) == 1 else name
            for name, served in nets.items()
        }  # fmt: skip

    def tasks(self) -> dict[Task, list[str]]:
        """Task → names of the networks on it, in order."""
        groups: dict[Task, list[str]] = {}
        for name, served in self.nets.items():
            groups.setdefault(task_of(served.card), []).append(name)
        return groups

    def task_titles(self) -> dict[Task, str]:
        """Task → what it is called, numbered where several are called alike."""
        titles = {task: _task_title(self.nets[names[0]]) for task, names in self.tasks().items()}
        seen: Counter[str] = Counter()
        for task, title in titles.items():
            seen[title] += 1
            titles[task] = title if seen[title] == 1 else f"{title} ({seen[title]})"
        return titles


def _task_title(served: Served) -> str:
    known = [name for name in (_folder(served.name), served.card.data_name) if name in data.DATASETS.names()]
    return data.DATASETS[known[0]].title if known else served.card.data_name


def _shelf_title(name: str) -> str:
    """Of the folder a checkpoint lies in, which is named after its data set."""
    folder = _folder(name)
    return data.DATASETS[folder].title if folder in data.DATASETS.names() else folder


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def shelf() -> Shelf:
    """Looks at the checkpoints on disk now, in the order of `in_order`. A broken one becomes a sentence; the others go
    on."""
    nets, problems = {}, []
    for found in checkpoints.find_all():
        try:
            nets[found.name] = serve(found)
        except UserError as error:
            problems.append(str(error))
    order = in_order({name: served.card for name, served in nets.items()})
    return Shelf({name: nets[name] for name in order}, tuple(problems))


def in_order(cards: Mapping[str, Card]) -> list[str]:
    """First those whose images are on this machine, of these the task that most networks share, those that somebody
    brought not counted: what a page shows before anything is chosen is the first that suits it.
    """
    tasks = {name: task_of(card) for name, card in cards.items()}
    shared = Counter(tasks[name] for name, card in cards.items() if not card.imported)
    shown = {task: bool(_of_task(task, here=True)) for task in tasks.values()}
    return sorted(cards, key=lambda name: (not shown[tasks[name]], -shared[tasks[name]], name))


def serve(found: Checkpoint) -> Served:
    """One checkpoint, as it lies there now. Raises UserError where it cannot be used."""
    if found.card is None or found.problem:
        raise UserError(found.problem or f"{found.name}: no card")
    sha = checkpoints.weights_sha(found)
    card = found.card
    whole = [sha, card.weights_sha256, card.architecture, card.options, card.image_shape, card.class_names]
    # Weights alone do not make a network: strides and normalisation are in its options.
    sha = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
    return Served(name=found.name, card=card, net=_net(sha, found), sha=sha)


@st.cache_resource(show_spinner=False, max_entries=64)
def _net(sha: str, _checkpoint: Checkpoint) -> Classifier:
    return frozen(checkpoints.load(_checkpoint))


@st.cache_resource(show_spinner="Reading the images…", max_entries=4)
def test_images(name: str) -> ImageSet:
    """The test images of a data set. Shared: not to be changed."""
    return data.load(name).test


def fitting(card: Card) -> dict[str, str]:
    """Name → title of the data sets a network can be shown with here and now, the one it was measured on first."""
    return dict(sorted(_of_task(task_of(card), here=True).items(), key=lambda item: item[0] != card.data_name))


def to_download(card: Card) -> dict[str, str]:
    """Name → title of the data sets a network could be shown with were they on this machine."""
    return _of_task(task_of(card), here=False)


def _of_task(task: Task, *, here: bool) -> dict[str, str]:
    sets = {name: data.DATASETS[name] for name, ready in data.available().items() if ready == here}
    return {name: one.title for name, one in sets.items() if (one.shape, one.class_names) == task}


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """The picture under attack. label: its true class, None where nobody knows. index: in the test images, None for a
    visitor's own. pixels: uint8 (C, H, W)."""

    pixels: Tensor
    label: int | None
    index: int | None
    origin: str

    @property
    def own(self) -> bool:
        return self.index is None

    @property
    def sha(self) -> str:
        return hashlib.sha256(str(tuple(self.pixels.shape)).encode() + self.pixels.numpy().tobytes()).hexdigest()

    def floats(self) -> Tensor:
        """float32 (1, C, H, W) in [0, 1]."""
        return self.pixels[None].float().div_(255)


def film(served: Served, subject: Subject, settings: AttackSettings, target: int | None) -> Film:
    """The attack on one picture, every step of it; from memory where it has been shot before."""
    key = ("film", served.sha, subject.sha, subject.label, settings.model_dump_json(), target)

    def compute() -> Film:
        with Progress(f"{served.title}: {settings.describe()}", looks(settings)) as tick:
            return shoot(served.net, subject.floats(), subject.label, settings, target=target, tick=tick)

    return remember(key, compute, private=subject.own)


def looks(settings: AttackSettings) -> int:
    """About how often the attack asks the network."""
    used = settings.used
    return int(used.get("queries", used.get("steps", 1) + 1)) * int(used.get("restarts", 1))
