"""A canvas to draw on, as a Streamlit component. It hands out a PNG, which then is read as any upload is."""

from __future__ import annotations

import base64
from pathlib import Path

import streamlit as st

from robust_core.types import UserError

HERE = Path(__file__).parent
_START = "data:image/png;base64,"

_mount = st.components.v2.component(
    "robustlens_sketch",
    html=(HERE / "sketch.html").read_text(),
    css=(HERE / "sketch.css").read_text(),
    js=(HERE / "sketch.js").read_text(),
)


def sketch(*, size: tuple[int, int], channels: int, base: str, key: str) -> bytes | None:
    """The drawing as PNG bytes, None before the first stroke. size: (height, width) in pixels of the image set.

    base: the picture to start from on demand, as a data URL. What was drawn last, on another page or
    for a network of other images, is on this paper too. Raises UserError where what came back is no PNG.
    """
    kept = f"{key}_kept"
    last = st.session_state.get(kept)
    drawn = _mount(
        key=key,
        data={"height": size[0], "width": size[1], "colour": channels == 3, "base": base, "kept": last},
        default={"png": None},
        on_png_change=lambda: None,
    )
    last = last if drawn.png is None else drawn.png
    try:
        content = base64.b64decode(str(last or "").removeprefix(_START), validate=True)
    except ValueError as error:
        raise UserError("the drawing did not arrive whole; draw one more stroke") from error
    st.session_state[kept] = last
    return content or None
