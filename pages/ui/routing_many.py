"""Many images at once: chosen, attacked, kept. What several sections of the page look at."""

from __future__ import annotations

import torch

from pages.ui import pickers
from pages.ui.memory import Progress, remember
from pages.ui.perturb_attack import Chosen
from pages.ui.routing_nets import crafted, quick_view
from pages.ui.served import Served, test_images
from robust_core.explain.crowd import Crowd, collect
from robust_core.types import UserError

BATCH = 32  # small enough that progress is seen to move


def rows_of(net: Served, n: int, k: int | None) -> torch.Tensor:
    """The first n test images (of class k), or as many as there are. Raises UserError where there are none."""
    images = test_images(pickers.data_name(net))
    every = torch.arange(len(images)) if k is None else (images.labels == k).nonzero()[:, 0]
    if not len(every):
        raise UserError(f"{images.name} has no test images of class {net.card.class_names[k or 0]!r}: choose another")
    return every[:n]


def crowd_of(net: Served, chosen: Chosen, n: int, k: int | None = None) -> Crowd:
    """The first n test images (of class k), clean and attacked by this page's attack, with both routes."""
    images = test_images(pickers.data_name(net))
    rows = rows_of(net, n, k)

    def compute() -> Crowd:
        what = f"{chosen.settings.describe()}, on {len(rows)} images"
        with Progress(what, -(-len(rows) // BATCH)) as tick:
            return collect(
                net.net,
                images,
                rows,
                chosen.settings,
                view=quick_view(net.sha, net.name),
                batch_size=BATCH,
                progress=lambda _done, _of: tick(),
            )

    return remember(("crowd", *about(net, chosen, n, k)), compute, private=False)


def about(net: Served, chosen: Chosen, n: int, k: int | None = None) -> tuple[object, ...]:
    """All that such a crowd hangs on: the front of the keys under which results on it are remembered."""
    fingerprint = test_images(pickers.data_name(net)).fingerprint
    return net.sha, fingerprint, chosen.settings.model_dump_json(), len(rows_of(net, n, k)), k


def measured_on(crowd: Crowd, net: Served) -> str:
    """What every figure of a crowd was measured on, for a caption."""
    name = pickers.data_name(net)
    return f"n = {len(crowd)} test images of {name}, {crowd.attack.describe()}; any wrong class is aimed at.{crafted()}"
