"""Perturb's picture: from the gallery, by chance, uploaded, or drawn. What a visitor brings stays in their session,
and goes along from page to page."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from pages.ui import gallery, link, pickers
from pages.ui.frame import colours, guarded, verbatim
from pages.ui.pictures import data_url
from pages.ui.served import Served, Subject, fitting
from pages.ui.sketch import sketch
from robust_core import charts, data
from robust_core.data.picture import MAX_PIXELS

SOURCES = {"gallery": "Gallery", "upload": "Upload", "draw": "Draw"}
TYPES = ["png", "jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff", "ppm", "pgm"]
_UPLOADED = "own_upload"  # name and content of the last one: it goes along from page to page


def pick_subject(net: Served) -> Subject | None:
    """The picture to attack; None while there is none yet (nothing uploaded, nothing drawn)."""
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    with bar:
        source = link.segments("Picture from", SOURCES, "source", "gallery")
    if source == "gallery":
        with guarded():
            return _from_gallery(net, bar)
        return None
    with st.container(key="own_picture"), guarded():
        pixels = _uploaded(net) if source == "upload" else _drawn(net)
        if pixels is not None:
            with bar:
                label = _pick_label(net)
            return Subject(pixels=pixels, label=label, index=None, origin="drawn" if source == "draw" else "uploaded")
    return None


def _from_gallery(net: Served, bar: st.delta_generator.DeltaGenerator) -> Subject:
    with bar:
        name = pickers.pick_data(net)
        names = {"all": "every class"} | {str(k): title for k, title in enumerate(net.card.class_names)}
        wanted = link.select("Show", names, "show", "all")
        pickers.pick_index(name)
        st.button("Random", icon=":material/casino:", on_click=pickers.roll, args=(name,), help="Any test image.")
    subject = pickers.test_image(name)
    gallery.strip(
        name,
        None if wanted == "all" else int(wanted),
        subject.index,
        lambda index: link.write("index", str(index)),
        key="gallery",
    )
    return subject


def _uploaded(net: Served) -> Tensor | None:
    channels, height, width = net.card.image_shape
    most = f"at most {st.get_option('server.maxUploadSize')} MB and {MAX_PIXELS // 10**6} megapixels"
    told = f"Fitted into {width} × {height} pixels. Kept in memory for you alone, gone when you leave."
    file = st.file_uploader(f"A picture of yours, {most}", type=TYPES, key="upload", help=told, on_change=_forget)
    # A file that is too large stays in the browser, and nothing here hears of it: style.css shows this beside it.
    refused = f"The file in red was not taken: a picture, {most}."
    st.html(f'<p class="rl-refused" role="alert" style="{colours()}">{refused}</p>')
    if file is not None:
        st.session_state[_UPLOADED] = (file.name, file.getvalue())
    if _UPLOADED not in st.session_state:
        st.caption(told)
        return None
    name, content = st.session_state[_UPLOADED]
    if file is None:  # brought on another page, or before the gallery was looked at: the field there is empty again
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(verbatim(f"Your picture {name} has come along."))
            st.button("Forget it", key="upload_forget", icon=":material/close:", type="tertiary", on_click=_forget)
    return data.read_image(content, size=(height, width), channels=channels, name=name)


def _forget() -> None:
    st.session_state.pop(_UPLOADED, None)


def _drawn(net: Served) -> Tensor | None:
    channels, height, width = net.card.image_shape
    blank = torch.zeros(channels, height, width)
    base = pickers.test_image(pickers.data_name(net)).floats()[0] if fitting(net.card) else blank
    base = charts.picture(base.numpy(), scale=1)
    drawing = sketch(size=(height, width), channels=channels, base=data_url(base), key="sketch")
    if drawing is None:
        st.caption(
            "Draw something, or start from the gallery picture and change it. The networks answer after each stroke."
        )
        return None
    return data.read_image(drawing, size=(height, width), channels=channels, name="drawing")


def _pick_label(net: Served) -> int | None:
    """What the picture really shows, where the visitor says so."""
    options = {"unknown": "not said"} | {str(k): name for k, name in enumerate(net.card.class_names)}
    told = "Without it the attack leaves whatever the network answers for the clean picture."
    picked = link.select("It shows", options, "label", "unknown", help=told)
    return None if picked == "unknown" else int(picked)
