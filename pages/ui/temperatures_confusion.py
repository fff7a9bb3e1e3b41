"""Who is taken for whom, at each step of an attack; a cell lists its images, and they lead to Perturb."""

from __future__ import annotations

import streamlit as st
from torch import Tensor

from pages.ui import link, pickers
from pages.ui.frame import look, show
from pages.ui.served import Served, test_images
from pages.ui.temperatures_judged import answers, pick_number, yardstick
from robust_core import charts
from robust_core.evaluation.measures import in_percent
from robust_core.explain import confusion
from robust_core.types import ImageSet

PERTURB = "pages/1_Perturb.py"
LISTED = 12  # images of a cell
SCALE = 3


def mistaken(net: Served) -> None:
    """The matrix at one step, and the images of the chosen cell."""
    attack = yardstick(net)
    data_name = pickers.pick_data(net)
    images = test_images(data_name)
    with st.container(horizontal=True, vertical_alignment="bottom", key="confusion_bar"):
        n = pick_number(images)
        step = link.slider("Step of the attack (0: untouched)", 0, attack.steps, 1, "at_step", attack.steps)
    said = answers(net, data_name, n, attack)
    now, labels, k = said[min(step, len(said) - 1)], images.labels[:n], len(images.class_names)
    table = confusion(now, labels, k)
    right = (said == labels).float().mean(dim=1)
    where = "untouched" if step == 0 else f"after step {step} of {attack.steps}"
    st.markdown(
        f"**{in_percent(float(right[min(step, len(said) - 1)]))}** of {n:,} images right {where}; untouched "
        f"{in_percent(float(right[0]))}, at the end {in_percent(float(right[-1]))}."
    )
    with st.container(key="wrap_confusion"):
        left, side = st.columns([11, 9], gap="large")
    with side:
        cell = _pick_cell(table, images)
    with left:
        signed = f"{net.title}, first {n:,} test images of {images.name}, {where}. {attack.describe()}."
        show(charts.confusion(table.numpy(), images.class_names, chosen=cell, look=look()), "confusion", told=signed,
             on_select=_clicked, selection_mode="points")  # fmt: skip
    with side:
        _images(net, data_name, images, cell, now, labels)
    st.caption(
        f"Each cell: images of the row's class that get the column's answer; colour: their share of the row. "
        f"First {n:,} test images of {images.name}. {attack.describe()}; its random start is left out."
    )


def _clicked() -> None:
    points = st.session_state["confusion"].selection.points
    place = points[0].get("customdata") if points else None
    if place:
        link.write("cell", f"{int(place[0])}-{int(place[1])}")


def _pick_cell(table: Tensor, images: ImageSet) -> tuple[int, int] | None:
    """The cell in the URL, where a click put it, or the keyboard, or chance; by default the largest mistake."""
    k = len(images.class_names)
    cells = [(int(table[r, c]), r, c) for r in range(k) for c in range(k) if table[r, c] and r != c]
    cells.sort(key=lambda cell: (-cell[0], cell[1], cell[2]))
    own = [(int(table[r, r]), r, r) for r in range(k) if table[r, r]]
    options = {f"{r}-{c}": _words(images, n, r, c) for n, r, c in [*cells[:60], *own]}
    asked = link.read("cell", None, lambda text: text if _parsed(text, k) else None)
    if asked and asked not in options:
        # A cell that empties as the attack is stepped stays chosen: it may fill again.
        r, c = _parsed(asked, k)
        options = {asked: _words(images, int(table[r, c]), r, c)} | options
    if not options:
        return None
    picked = link.select("Images of the cell", options, "cell", next(iter(options)))
    return _parsed(picked, k)


def _words(images: ImageSet, n: int, r: int, c: int) -> str:
    true, said = images.class_names[r], images.class_names[c]
    return f"{true}, seen as such: {n}" if r == c else f"{true} taken for {said}: {n}"


def _parsed(text: str, k: int) -> tuple[int, int] | None:
    row, _, column = text.partition("-")
    if not (row.isdecimal() and column.isdecimal() and len(text) < 12):
        return None
    return (int(row), int(column)) if int(row) < k and int(column) < k else None


def _images(
    net: Served, data_name: str, images: ImageSet, cell: tuple[int, int] | None, now: Tensor, labels: Tensor
) -> None:
    if cell is None:
        return
    found = ((labels == cell[0]) & (now == cell[1])).nonzero()[:, 0].tolist()
    if not found:
        st.caption("No image is in this cell at this step.")
        return
    floats = images.floats(found[:LISTED]).numpy()
    with st.container(horizontal=True, key="confused_images"):
        for picture, index in zip(floats, found, strict=False):
            with st.container(width="content", gap="small"):
                drawn = charts.picture(picture, scale=SCALE)
                st.image(drawn, width=drawn.shape[1], alt=f"test image {index}, {images.class_names[cell[0]]}")
                st.page_link(
                    PERTURB, label=f"№ {index}", help="Open it in Perturb", width="content",
                    query_params=link.params() | {"model": net.name, "data": data_name, "index": str(index)},
                )  # fmt: skip
    rest = len(found) - LISTED
    st.caption(
        f"Untouched, ×{SCALE}." + (f" {rest} more are in this cell." if rest > 0 else "") + " Each opens in Perturb."
    )
