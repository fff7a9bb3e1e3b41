"""Perturb's last question: take the perturbation home, and repeat it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui import exports
from pages.ui.film import Film
from pages.ui.frame import verbatim
from pages.ui.served import Served, Subject
from pages.ui.slide import slide
from robust_core.evaluation.measures import spaced

MIME = {"npz": "application/octet-stream", "png": "image/png"}
TOLD = {"npz": "float32, exact", "png": "8 bit, rounded inside ε"}


def export(nets: Sequence[Served], subject: Subject, films: Sequence[Film], data_name: str) -> None:
    """For each network both files with what it says of them read back, then the command and the script."""
    for net, film in zip(nets, films, strict=True):
        with st.container(border=len(nets) > 1, key=f"home_{net.name}"):
            if len(nets) > 1:
                st.markdown(f"**{verbatim(net.title)}**")
            columns = st.columns(3)
            for column, file in zip(columns[:2], exports.files(net, subject, film), strict=True):
                with column:
                    _offer(net, film, file)
            with columns[2]:
                _offer_slide(net, subject, film)
            st.markdown(
                "Repeat it: the same prediction, the same bytes."
                if not subject.own
                else "Repeat it, from the .npz above: the same prediction."
            )
            if subject.index is not None:
                st.code(exports.command(net, data_name, subject.index, film), language="bash", wrap_lines=True)
            st.code(exports.script(net, data_name, subject.index, film), language="python", wrap_lines=True)


def _offer_slide(net: Served, subject: Subject, film: Film) -> None:
    st.download_button(
        "Download .svg",
        slide(film, title=net.title, class_names=net.card.class_names, truth=subject.label, origin=subject.origin),
        file_name=f"{exports.stem(net, subject.index, film)}.svg",
        mime="image/svg+xml",
        on_click="ignore",
        icon=":material/download:",
        key=f"download_svg_{net.name}",
    )
    st.caption("For a slide: clean, δ and adversarial side by side, with answers, attack, ε and seed.")


def _offer(net: Served, film: Film, file: exports.File) -> None:
    kind = file.name.rsplit(".", 1)[1]
    st.download_button(
        f"Download .{kind}",
        file.content,
        file_name=file.name,
        mime=MIME[kind],
        on_click="ignore",
        icon=":material/download:",
        key=f"download_{kind}_{net.name}",
        help=f"{file.name}: {TOLD[kind]}",
    )
    said = f"{net.card.class_names[file.answer]}, {spaced(f'{file.confidence:.1%}')}"
    verdict = "still adversarial" if file.fooled else "not adversarial"
    st.caption(
        f"{TOLD[kind].capitalize()}. Read back and asked again: **{said}** ({verdict}); "
        f"max|δ| = {file.reach:.4f}, L2 = {file.length:.3f}, ε = {film.settings.eps:.4g}."
    )
