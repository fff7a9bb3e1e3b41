"""A strip of thumbnails to pick an image from, as a Streamlit component: every thumbnail is a button, arrows scroll."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from pages.ui import served
from pages.ui.pictures import data_url
from robust_core import charts

HERE = Path(__file__).parent
LIMIT = 90  # thumbnails in a strip

_mount = st.components.v2.component(
    "robustlens_gallery",
    html='<div class="reel"><button type="button" class="arrow back" aria-label="earlier images">‹</button>'
    '<div class="strip" role="listbox" aria-label="test images" tabindex="-1"></div>'
    '<button type="button" class="arrow on" aria-label="more images">›</button></div>',
    css=(HERE / "gallery.css").read_text(),
    js=(HERE / "gallery.js").read_text(),
)


def strip(data_name: str, wanted: int | None, chosen: int | None, on_pick: Callable[[int], None], *, key: str) -> None:
    """Thumbnails of a class, or of all (wanted None), from the front of the test set; on_pick gets the index."""
    indices, names, sprite = _sprite(data_name, wanted)

    def picked() -> None:
        index = st.session_state[key].picked
        if isinstance(index, (int, float)) and int(index) in indices:
            on_pick(int(index))

    _mount(
        key=key,
        data={"indices": list(indices), "names": list(names), "sprite": sprite, "chosen": chosen},
        on_picked_change=picked,
    )


@st.cache_data(show_spinner=False, max_entries=64)
def _sprite(data_name: str, wanted: int | None) -> tuple[Sequence[int], Sequence[str], str]:
    images = served.test_images(data_name)
    every = np.arange(len(images)) if wanted is None else np.flatnonzero(images.labels.numpy() == wanted)
    indices = every[:LIMIT].tolist()
    floats = images.floats(indices).numpy()
    n, c, h, w = floats.shape
    row = floats.transpose(1, 2, 0, 3).reshape(c, h, n * w)
    names = [images.class_names[int(images.labels[i])] for i in indices]
    return indices, names, data_url(charts.picture(row, scale=1), level=6)
