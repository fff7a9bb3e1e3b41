"""Chosen networks under one attack, live: fifty images at a time, and what is known already is never asked again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from pages.ui import link, pickers
from pages.ui.compare_cards import Shown, served_of
from pages.ui.film import Ticking
from pages.ui.frame import verbatim
from pages.ui.memory import Progress, remember
from pages.ui.served import Served, test_images
from robust_core.attacks import ATTACKS, AttackSettings
from robust_core.types import Classifier, ImageSet, UserError

CHUNK = 50
MOST_IMAGES = 1000
FIRST_IMAGES = 50
KINDS = ("pgd", "fgsm", "mi_fgsm", "cw", "apgd_ce")

Judge = Callable[[Classifier, ImageSet, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """What is asked live: the networks, by title, the first n images of a set, the attack."""

    nets: dict[str, Served]
    data_name: str
    images: ImageSet
    n: int
    seed: int

    def told(self, attack: str, where: str) -> str:
        """What the numbers are of, and where their intervals stand, in sentences."""
        return f"First {self.n:,} test images of {self.images.name}. {attack}. {where}: 95\u00a0% (Wilson)."


def chosen_nets(shown: Shown) -> dict[str, Served]:
    """The chosen networks by title; one that cannot be used is named on screen and left out."""
    titles, nets = shown.titles(), {}
    for one in shown.picked:
        try:
            nets[titles[one.name]] = served_of(shown, one.name)
        except UserError as error:
            st.warning(f"Left out: {verbatim(str(error))}", icon=":material/broken_image:")
    if not nets:
        raise UserError("none of the chosen networks can be asked; choose others in the leaderboard")
    return nets


def bar() -> DeltaGenerator:
    """A row for the settings of a live computation."""
    return st.container(horizontal=True, vertical_alignment="bottom", gap="large", key="compare_bar")


def pick_bench(nets: dict[str, Served]) -> Bench:
    """The image set, how many images of it, and the seed. Raises UserError where no set fits the networks."""
    data_name = pickers.pick_data(next(iter(nets.values())))
    images = test_images(data_name)
    top = min(MOST_IMAGES, len(images))
    told = "From the front of the test set. More images, narrower intervals, more time."
    n = top if top <= CHUNK else link.slider(
        "Test images", CHUNK, top - top % CHUNK, CHUNK, "n_compare", min(FIRST_IMAGES, top - top % CHUNK), help=told
    )  # fmt: skip
    return Bench(nets=nets, data_name=data_name, images=images, n=n, seed=pickers.pick_seed())


def pick_attack(shown: Shown, seed: int) -> AttackSettings:
    """An attack at the board's budget."""
    names = {name: ATTACKS[name].label for name in KINDS}
    name = link.select("Attack", names, "kind_compare", "pgd")
    usual = AttackSettings(name=name, norm=shown.board.norm, eps=shown.board.eps, seed=seed)
    if "steps" not in usual.used:
        return usual
    return usual.replace(steps=link.slider("Steps", 1, 50, 1, "steps_compare", min(usual.steps, 20)))


def over_chunks(bench: Bench, asked: int, what: str, key: Hashable, judge: Judge) -> dict[str, Tensor]:
    """What `judge` finds of each network and image, images along the last axis.

    asked: about how often a network is asked a chunk. key: all that decides the answer besides network and images.
    """
    starts = range(0, bench.n, CHUNK)
    found = {}
    told = f"{what}: {len(bench.nets)} network{'s' if len(bench.nets) > 1 else ''}, {bench.n} images"
    with Progress(told, asked * len(starts) * len(bench.nets)) as tick:
        for title, net in bench.nets.items():
            parts = [_chunk(bench, net, start, key, judge, tick) for start in starts]
            found[title] = torch.cat(parts, dim=-1)
    return found


def _chunk(bench: Bench, net: Served, start: int, key: Hashable, judge: Judge, tick: Callable[[], None]) -> Tensor:
    indices = torch.arange(start, min(start + CHUNK, bench.n))

    def compute() -> Tensor:
        return judge(Ticking(net.net, tick).eval(), bench.images.subset(indices), indices)

    return remember(("compare", key, net.sha, bench.images.fingerprint, start, len(indices)), compute, private=False)


def counts(found: Tensor) -> Sequence[int]:
    """Images that are right, a point: bool (P, n) → P numbers."""
    return [int(value) for value in found.sum(dim=-1)]
