"""The Library's checkpoints: one table from disk alone, and what is known of the one that is chosen."""

from __future__ import annotations

import html

import pandas as pd
import streamlit as st

from pages.ui import link, pickers
from pages.ui.frame import guarded, verbatim
from pages.ui.library_evaluate import evaluate
from pages.ui.library_told import acting, choose_row, claim, code, evaluated, facts, mark, say
from robust_core.cards import Card
from robust_core.evaluation.measures import in_percent
from robust_core.library import bundle, shelf
from robust_core.library.limits import read_only
from robust_core.library.shelf import Row
from robust_core.library.storage import told_bytes
from robust_core.names import called

TABLE = "library_nets"
LISTED = 5  # evaluations of one checkpoint
TITLES = {True: "fits", False: "does not fit", None: "not looked at"}


def nets() -> None:
    """The table, and the chosen checkpoint below it."""
    rows = shelf.rows()
    _miss(rows)
    if not rows:
        st.info(
            "There is no checkpoint here yet. Import one, or train one: "
            "`python -m robust_core train recipes/zoo/fashion_mnist_pgd_at.toml`.",
            icon=":material/model_training:",
        )
        return
    titles = shelf.title_of(rows)
    names = [row.name for row in rows]
    first = _first(rows)
    chosen = link.read("model", first, link.one_of(titles))
    _table(rows, titles, names.index(chosen))
    with st.container(key="wrap_library_net"):
        left, right = st.columns([11, 9], gap="large")
    with left:
        row = rows[names.index(link.select("Checkpoint", titles, "model", first))]
        if row.problem:
            st.warning(verbatim(row.problem), icon=":material/broken_image:")
        _facts(row)
        _actions(row)
    with right:
        st.markdown("### Evaluate it")
        with guarded():
            evaluate(row)


def _first(rows: list[Row]) -> str:
    """The network that the other pages begin with, where one can be used; else the first of the table."""
    cards = {row.name: row.found.card for row in rows if row.found.card and not row.problem}
    return pickers.default_of(cards) if cards else rows[0].name


def _miss(rows: list[Row]) -> None:
    """A sentence where the checkpoint that was being looked at has gone."""
    wanted = link.params().get("model", "")
    if wanted and wanted not in {row.name for row in rows} and wanted not in {row.title for row in rows}:
        st.info(
            f"{verbatim(wanted)} is not here (any more). If somebody deleted it, it lies in the trash.",
            icon=":material/search_off:",
        )


def _table(rows: list[Row], titles: dict[str, str], chosen: int) -> None:
    cards = [row.found.card for row in rows]
    frame = pd.DataFrame(
        {
            "Title": [titles[row.name] for row in rows],
            "Data": [card.data_name if card else "" for card in cards],
            "Architecture": [called(card.architecture) if card else "" for card in cards],
            "Parameters": [card.parameters if card else None for card in cards],
            "MB": [row.size / 1e6 for row in rows],
            "Source": [row.source for row in rows],
            "Licence": [row.licence or "not said" for row in rows],
            "Card": ["broken" if card is None else TITLES[row.fits] for row, card in zip(rows, cards, strict=True)],
            "Measured": [_measured(row) for row in rows],
        }
    )
    broken = sum(row.problem is not None for row in rows)
    columns = {
        "Title": st.column_config.TextColumn(width="medium"),
        "Parameters": st.column_config.NumberColumn(format="localized"),
        "MB": st.column_config.NumberColumn(format="%.2f", help="Of the whole folder, in millions of bytes."),
        "Card": st.column_config.TextColumn(help="Are the weights the ones that the card describes? By their SHA-256."),
    }
    alt = f"{len(rows)} checkpoints, {broken} of them cannot be used. The one that is chosen is described below."
    choose_row(frame, columns, [row.name for row in rows], chosen, "model", key=TABLE, alt=alt)


def _measured(row: Row) -> str:
    """The figure of the most images, in short."""
    card = row.found.card
    if card is None:
        return ""
    found = {_by_pgd(card): card.robust.n if card.robust else 0, _by_ensemble(card): _evaluated(card)}
    return max(found, key=lambda told: found[told]) or "nothing yet"


def _evaluated(card: Card) -> int:
    return card.evaluation.clean.n if card.evaluation is not None else 0


def _by_pgd(card: Card) -> str:
    if card.clean is None or card.robust is None:
        return ""
    told = f"{in_percent(card.clean.accuracy)} clean, {in_percent(card.robust.accuracy)} PGD-20"
    return claim(f"{told}, n = {card.robust.n:,} of {card.robust.data_name}", card.clean.claimed or card.robust.claimed)


def _by_ensemble(card: Card) -> str:
    return evaluated(card.evaluation) if card.evaluation is not None else ""


def _evaluations(card: Card) -> str:
    """Every one of these weights, the one that counts first."""
    fresh = [e for e in reversed(card.evaluations) if e.weights_sha256 == card.weights_sha256]
    fresh.sort(key=lambda e: e is not card.evaluation)
    more = len(fresh) - LISTED
    lines = [html.escape(evaluated(each)) for each in fresh[:LISTED]] + ([f"and {more} more"] if more > 0 else [])
    return "<br>".join(lines)


def _facts(row: Row) -> None:
    card = row.found.card
    pairs = {"Name": code(row.name), "On disk": told_bytes(row.size)}
    if card is not None:
        options = ", ".join(f"{key} = {value}" for key, value in card.options.items())
        shape = " × ".join(str(side) for side in card.image_shape)
        fits = {True: mark("fits its weights", well=True), False: mark("does not fit its weights", well=False)}
        pairs |= {
            "Method": html.escape(called(card.method)),
            "Architecture": f"{html.escape(called(card.architecture))}, {card.parameters:,} parameters",
            "Options": html.escape(options),
            "Reads": f"{shape}, {len(card.class_names)} classes",
            "Data": html.escape(card.data_name)
            + (f" {code(card.data_fingerprint[:12])}" if card.data_fingerprint else ", on which copy is not said"),
            "Source": html.escape(row.source),
            "Licence": html.escape(row.licence or "not said"),
            "Card": fits.get(row.fits, "not looked at") + f" {code(card.weights_sha256[:12])}",
            "Measured": html.escape(_by_pgd(card)) or ("" if card.evaluation else "nothing yet"),
            "Evaluated": _evaluations(card),
            "Notes": html.escape(card.notes),
        }
    facts(pairs)


def _actions(row: Row) -> None:
    """What can be done to it. The keys name it: a click must never reach the one that stands here once it has gone."""
    with st.container(horizontal=True, vertical_alignment="center", key="library_net_actions"):
        if row.found.card is not None:
            st.download_button(
                "Take along (.zip)", lambda: bundle.pack(row.found), f"{row.found.folder.name}.zip", "application/zip",
                key=f"library_pack {row.name}", on_click="ignore", icon=":material/folder_zip:",
                help="Card, weights, recipe and history as one file; Import takes it back, here or elsewhere.",
            )  # fmt: skip
        pressed = st.button(
            "Delete", key=f"library_net_delete {row.name}", icon=":material/delete:", disabled=read_only(),
            help="Into the trash, from where it can be taken back for 30 days.",
        )  # fmt: skip
        if pressed:
            with acting():
                gone = shelf.delete(row.found)
                link.forget("model")
                say(f"{gone.title} lies in the trash.", undo=gone)
        if row.problem is None and row.found.card is not None:
            st.page_link(
                "pages/1_Perturb.py", label="Attack it on Perturb", icon=":material/blur_on:",
                query_params=link.params() | {"model": row.name},
            )  # fmt: skip
