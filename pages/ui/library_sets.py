"""The Library's data sets: a table from disk alone, downloads in the background, samples of the chosen one."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import link, served
from pages.ui.frame import guarded, verbatim
from pages.ui.library_told import acting, choose_row, code, facts, mark, say
from pages.ui.memory import shared
from pages.ui.pictures import data_url
from robust_core import charts
from robust_core.library import sets as core
from robust_core.library.downloads import Downloads
from robust_core.library.limits import read_only
from robust_core.library.sets import Row
from robust_core.library.storage import told_bytes

TABLE = "library_sets"
EVERY = 0.5  # seconds between two looks at a download
AT_ONCE = 50e6  # bytes on disk up to which samples are shown without being asked for
EACH = 6  # samples of a class
PRINTS = "library prints"


@st.cache_resource(show_spinner=False)
def downloads() -> Downloads:
    """Those of this server: all visitors see them."""
    return Downloads()


def sets() -> None:
    """The table, and the chosen data set below it."""
    for found in core.problems():
        _broken(found)
    rows = core.rows()
    wanted = link.params().get("set", "")
    if wanted and wanted not in {row.name for row in rows} and wanted not in {row.title for row in rows}:
        st.info("That data set is not here (any more). If somebody deleted it, it lies in the trash.")
    titles = {row.name: row.title for row in rows}
    first = next((row.name for row in rows if row.here), rows[0].name)
    chosen = link.read("set", first, link.one_of(titles))
    names = [row.name for row in rows]
    _table(rows, names.index(chosen))
    with st.container(key="wrap_library_set"):
        left, right = st.columns([9, 11], gap="large")
    with left:
        row = rows[names.index(link.select("Data set", titles, "set", first))]
        _facts(row)
        _delete(row)
    with right, guarded():
        if row.here:
            st.markdown("### Samples")
            _samples(row)
        else:
            st.markdown("### Download")
            _download(row)


def _broken(found: object) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(f"Left out: {verbatim(found.problem)}", icon=":material/broken_image:")
        if st.button("Delete", key=f"library_broken_{found.name}", disabled=read_only()):
            with acting():
                say(f"{found.name} lies in the trash.", undo=core.delete(found.name))


def _table(rows: list[Row], chosen: int) -> None:
    frame = pd.DataFrame(
        {
            "Title": [row.title for row in rows],
            "State": [_state(row) for row in rows],
            "Training": [row.train for row in rows],
            "Test": [row.test for row in rows],
            "Image": [" × ".join(map(str, row.shape)) for row in rows],
            "Classes": [len(row.class_names) for row in rows],
            "MB": [row.size / 1e6 for row in rows],
            "Source": [row.source for row in rows],
            "Licence": [row.licence or "not said" for row in rows],
            "Fingerprint": [row.fingerprints[0][:12] if row.fingerprints else "once loaded" for row in rows],
        }
    )
    columns = {
        "Title": st.column_config.TextColumn(width="medium"),
        "Source": st.column_config.TextColumn(width="small"),
        "Licence": st.column_config.TextColumn(width="small"),
        "Training": st.column_config.NumberColumn(format="localized", help="Images to train on."),
        "Test": st.column_config.NumberColumn(format="localized", help="Images that are only ever measured on."),
        "Image": st.column_config.TextColumn(help="Channels × height × width."),
        "MB": st.column_config.NumberColumn(format="%.1f", help="On disk, in millions of bytes."),
        "Fingerprint": st.column_config.TextColumn(help="Of the training half's content: equal content, equal name."),
    }
    alt = f"{len(rows)} data sets, {sum(row.here for row in rows)} of them here. The chosen one is described below."
    choose_row(frame, columns, [row.name for row in rows], chosen, "set", key=TABLE, alt=alt)


def _state(row: Row) -> str:
    under_way = downloads().look(row.name)
    if under_way is not None and under_way.phase == "running":
        return "downloading"
    return "here" if row.here else f"to download, {told_bytes(row.download)}"


def _facts(row: Row) -> None:
    listed = ", ".join(row.class_names[:20]) + (f" and {len(row.class_names) - 20} more" * (len(row.class_names) > 20))
    prints = " ".join(code(each[:12]) for each in row.fingerprints or _loaded_prints(row.name))
    facts(
        {
            "Name": code(row.name),
            "State": mark("here", well=True) if row.here else _state(row),
            "Images": f"{row.train:,} to train, {row.test:,} to test, {' × '.join(map(str, row.shape))}",
            "Classes": f"{len(row.class_names)}: {html.escape(listed)}",
            "On disk": told_bytes(row.size),
            "Source": html.escape(row.source),
            "Licence": html.escape(row.licence or "not said"),
            "Fingerprint": prints or "known once it is loaded",
        }
    )


def _loaded_prints(name: str) -> tuple[str, ...]:
    """Fingerprints that nobody knew before the set was loaded here."""
    return shared().get((PRINTS, name)) or ()


def _delete(row: Row) -> None:
    if not row.deletable:
        return
    told = "Into the trash, from where it can be taken back for 30 days."
    if st.button(
        "Delete", key=f"library_set_delete {row.name}", icon=":material/delete:", help=told, disabled=read_only()
    ):
        with acting():
            gone = core.delete(row.name)
            served.test_images.clear(row.name)
            link.forget("set")
            say(f"{gone.title} lies in the trash.", undo=gone)


def _samples(row: Row) -> None:
    asked = ("library samples", row.name, row.fingerprints)
    known = shared().get(asked)
    if known is None and not row.own and row.size > AT_ONCE and not st.button(
        "Show samples", key=f"library_samples {row.name}", help="Reads the whole set, which takes some seconds."
    ):  # fmt: skip
        st.caption("Samples of a set this large are read when you ask for them.")
        return
    if known is None:
        with st.spinner("Reading the images…"):
            shown = core.sheet(row.name, each=EACH)
            known = _sheet(row, shown)
        shared().put(asked, known)
        if row.fingerprints is None:
            shared().put((PRINTS, row.name), shown.fingerprints)
            st.rerun()  # the facts beside the samples know it now
    st.html(known)
    more = f" The first 12 of {len(row.class_names)} classes." if len(row.class_names) > 12 else ""
    st.caption(f"The first test images of each class, enlarged.{more}")


def _sheet(row: Row, shown: core.Sheet) -> str:
    """A strip of images a class, as HTML."""
    images, labels = shown.images, shown.labels
    figures = []
    for k in labels.unique().tolist():
        floats = images[labels == k].float().div(255).numpy()
        strip = charts.picture(np.concatenate(list(floats), axis=2), scale=max(1, 76 // floats.shape[2]))
        name = html.escape(row.class_names[k])
        alt = f"{len(floats)} test images of {name}"
        wide = f"width:{100 * len(floats) / EACH:.1f}%"  # the same scale where a class has fewer
        image = f'<span><img alt="{alt}" style="{wide}" src="{data_url(strip)}"></span>'
        figures.append(f"<figure><figcaption>{name}</figcaption>{image}</figure>")
    return f'<div class="rl-sheet">{"".join(figures)}</div>'


def _download(row: Row) -> None:
    seen = downloads().look(row.name)
    running = seen is not None and seen.phase == "running"
    st.fragment(_watch, run_every=EVERY if running else None)(row, running)


def _watch(row: Row, was_running: bool) -> None:
    seen = downloads().look(row.name)
    if seen is not None and seen.phase == "running":
        left = (seen.total - seen.done) / max(seen.rate, 1.0)
        soon = f", about {left:,.0f} s left" if seen.done else ""
        st.progress(
            min(1.0, seen.done / max(seen.total, 1)),
            text=f"{told_bytes(seen.done)} of {told_bytes(seen.total)}{soon}",
        )
        if st.button("Stop", key=f"library_download_stop {row.name}", icon=":material/stop:", disabled=read_only()):
            with acting():
                downloads().stop(row.name)
        return
    if was_running:
        st.rerun()
    if seen is not None and seen.told:
        st.warning(verbatim(seen.told[:1].upper() + seen.told[1:]), icon=":material/cloud_off:")
    st.caption(
        f"{told_bytes(row.download)} from {verbatim(row.source)}, checked against the published hash. It goes on while "
        "you look at other pages; all visitors of this server share what has come."
    )
    if st.button(
        f"Download {told_bytes(row.download)}", key=f"library_download {row.name}", type="primary",
        icon=":material/download:", disabled=read_only(),
    ):  # fmt: skip
        with acting():
            downloads().start(row.name)
