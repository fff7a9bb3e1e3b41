"""A few pictures, always the same, through the watched run's last saved weights."""

from __future__ import annotations

import html
from pathlib import Path

import streamlit as st

from pages.ui.frame import colours, look
from pages.ui.memory import remember
from pages.ui.pictures import data_url
from pages.ui.served import fitting, test_images
from pages.ui.train_runs import Watched
from robust_core import charts, data
from robust_core.evaluation.measures import in_percent
from robust_core.training.probe import Probe, pictures, probe, saved
from robust_core.types import ImageSet, UserError

_LAST = "train_probes"  # of this visitor: what was shown last, for the moment in which weights are replaced
SIDE = 84  # px, about


def probes(run: Watched) -> None:
    """The pictures with what the run says of them now. Raises UserError where its images cannot be had."""
    found = saved(run.folder)
    if run.recipe is None or found is None:
        return
    name = _ready(run)
    if name is None:
        st.caption("Its images are not on this machine, so there are no pictures to show it.")
        return
    images = test_images(name)
    chosen = pictures(images)
    key = (*found, name)
    try:
        shown = remember(("probe", *key), lambda: probe(run.folder, run.recipe, images.subset(chosen)), private=False)
        # The weights stay for many looks; their pictures are not to be made at each.
        grid = remember(("probe_grid", *key, look().name), lambda: _grid(shown, images), private=False)
        st.session_state[_LAST] = (run.name, shown, grid)
    except UserError:
        of, shown, grid = st.session_state.get(_LAST, ("", None, ""))
        if of != run.name or shown is None:
            return
    st.markdown("#### What it sees")
    st.html(grid)
    st.caption(_told(shown, name, chosen))


def _ready(run: Watched) -> str | None:
    """The recipe's data set where it is here, else one that is here with the same images and classes."""
    assert run.recipe is not None
    name = run.recipe.data.name
    if name in data.DATASETS.names():
        ready = [other for other, there in data.available().items() if there]
        task = (data.DATASETS[name].shape, data.DATASETS[name].class_names)
        alike = [other for other in ready if (data.DATASETS[other].shape, data.DATASETS[other].class_names) == task]
        return name if name in ready else next(iter(alike), None)
    if Path(name).expanduser().exists():  # a folder or zip
        return name
    return next(iter(fitting(run.card)), None) if run.card else None


def _grid(shown: Probe, images: ImageSet) -> str:
    scale = max(1, round(SIDE / images.shape[-1]))
    cells = []
    for i, label in enumerate(shown.y.tolist()):
        truth = images.class_names[label]
        parts = [_img(shown.x[i], scale, f"test image, {truth}")]
        lines = [_said("clean", shown.p[i], label, images)]
        if shown.x_adv is not None and shown.p_adv is not None:
            parts.append(_img(shown.x_adv[i], scale, f"the same, attacked: taken for {_name(shown.p_adv[i], images)}"))
            lines.append(_said("attacked", shown.p_adv[i], label, images))
        cells.append(
            f'<figure><div class="two">{"".join(parts)}</div><figcaption><span><b>{html.escape(truth)}</b></span>'
            f"{''.join(lines)}</figcaption></figure>"
        )
    return f'<div class="rl-probes" style="{colours()}">{"".join(cells)}</div>'


def _said(word: str, p: object, label: int, images: ImageSet) -> str:
    right = int(p.argmax()) == label
    sign = "✓" if right else "✗"
    return (
        f'<span class="{"right" if right else "wrong"}" title="{word}: {html.escape(_name(p, images))}">{sign} '
        f"{html.escape(_name(p, images))} {in_percent(float(p.max()), whole=True)}</span>"
    )


def _name(p: object, images: ImageSet) -> str:
    return images.class_names[int(p.argmax())]


def _img(x: object, scale: int, alt: str) -> str:
    return f'<img src="{data_url(charts.picture(x.numpy(), scale))}" alt="{html.escape(alt, quote=True)}">'


def _told(shown: Probe, name: str, chosen: list[int]) -> str:
    weights = f"the weights saved at step {shown.step:,}" if shown.step is not None else "the weights of the best epoch"
    numbers = ", ".join(map(str, chosen))
    attack = (
        f"left clean, right after {shown.attack.describe()}"
        if shown.attack is not None
        else "clean only: the network is too slow to be attacked here while it trains"
    )
    return f"{name}, test images {numbers}, through {weights}; {attack}."
