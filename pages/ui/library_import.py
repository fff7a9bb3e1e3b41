"""The Library's import: weights into a named architecture, a zipped run, images as a zip."""

from __future__ import annotations

import streamlit as st

from pages.ui import link, served
from pages.ui.frame import guarded
from pages.ui.library_told import acting, limit, say
from pages.ui.library_weights import weights
from pages.ui.memory import Progress
from robust_core import data
from robust_core.library import bundle, sets
from robust_core.library.limits import read_only

KINDS = {"weights": "Weights", "run": "A zipped run", "images": "Images"}
SIZES = {"auto": "as most of them are", "28": "28 × 28", "32": "32 × 32", "64": "64 × 64", "96": "96 × 96"}
LEFT_OUT = 50  # files of a zip that are listed


def bring() -> None:
    """What to import, and its form."""
    kind = link.segments("Import", KINDS, "import", "weights", label_visibility="collapsed")
    with guarded():
        {"weights": weights, "run": _run, "images": _images}[kind]()


def _run() -> None:
    st.markdown(
        "A checkpoint as **Take along** packs it: `card.json`, `weights.safetensors`, `recipe.toml`, `history.jsonl` "
        "in one zip, in a folder or not. Any other file in it, weights that its card does not describe, and weights "
        "that do not fit the architecture are refused, and then nothing is kept."
    )
    with st.container(key="wrap_library_run"):
        left, right = st.columns(2, gap="large")
    with left:
        told = f"{limit()}; a larger folder is simply copied into checkpoints/<data>/<name>."
        file = st.file_uploader("A zipped run", type=["zip"], key="library_run_file", help=told, disabled=read_only())
    with right:
        name = st.text_input(
            "Its name here", key="library_run_name", placeholder="as in the zip", max_chars=40,
            help="The last part of <data>/<name>; small letters, digits and underscores are kept.",
        )  # fmt: skip
    if st.button(
        "Import", key="library_run_go", type="primary", icon=":material/download_2:",
        disabled=file is None or read_only(),
    ):  # fmt: skip
        with acting(), st.spinner("Importing…"):
            made = bundle.unpack(file.getvalue(), file=file.name, name=name)
            link.write("model", made.name)
            say(f"{made.card.title} is here, as {made.name}.")


def _images() -> None:
    st.markdown(
        "Your own images as a zip with a sub-folder a class, or `train/` and `test/` of such. Without halves, a fifth "
        "of each class becomes the test set. They are stored on this server for every visitor, as pixels of one size."
    )
    with st.container(key="wrap_library_images"):
        left, right = st.columns(2, gap="large")
    with left:
        file = st.file_uploader(
            "A zip of images", type=["zip"], key="library_images_file", help=f"{limit()}.", disabled=read_only()
        )
        size = st.selectbox(
            "Size of each image", SIZES, key="library_images_size", format_func=SIZES.get,
            help="Others are fitted in whole, on white. Networks here are made for 28 to 64 pixels.",
        )  # fmt: skip
    with right:
        title = st.text_input("Title", key="library_images_title", max_chars=80, placeholder="My pets")
        source = st.text_input(
            "Where they are from", key="library_images_source", max_chars=200, placeholder="a link, or a sentence"
        )
        licence = st.text_input(
            "Licence", key="library_images_licence", max_chars=200, placeholder="not said",
            help="As you say it; it is shown beside the set.",
        )  # fmt: skip
    st.caption("The set is then offered on Train, and on every page for networks trained on it.")
    _skipped()
    if st.button(
        "Import", key="library_images_go", type="primary", icon=":material/download_2:",
        disabled=file is None or read_only(),
    ):  # fmt: skip
        with acting(), Progress(f"Reading {file.name}", 1000) as progress:
            told = title.strip() or file.name.removesuffix(".zip")
            made, skipped = sets.bring(
                file.getvalue(), file=file.name, title=told, licence=licence, source=source,
                size=None if size == "auto" else (int(size), int(size)), progress=_meter(progress),
            )  # fmt: skip
            st.session_state["library_skipped"] = skipped
            served.test_images.clear(made.name)  # there may have been another of that name
            link.write("set", made.name)
            say(
                f"{made.title} is here, as {made.name}: {made.train:,} training and {made.test:,} test images of "
                f"{len(made.class_names)} classes"
                + (f"; left out: {_files(len(skipped))}, listed under Import." if skipped else ".")
            )


def _meter(progress: Progress) -> data.Progress:
    """Counts to the bar's thousand, whatever the number of images."""
    shown = 0

    def tell(done: int, total: int) -> None:
        nonlocal shown
        while shown < 1000 * done // max(total, 1):
            shown += 1
            progress()

    return tell


def _skipped() -> None:
    """What the last zip held that was not taken."""
    skipped = st.session_state.get("library_skipped", ())
    if skipped:
        more = f"\n… and {len(skipped) - LEFT_OUT} more" if len(skipped) > LEFT_OUT else ""
        with st.expander(f"Left out of the last zip: {_files(len(skipped))}"):
            st.code("\n".join(skipped[:LEFT_OUT]) + more, language=None)


def _files(count: int) -> str:
    return f"{count:,} file{'s' if count != 1 else ''}"
