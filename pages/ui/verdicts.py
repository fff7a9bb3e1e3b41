"""Do the papers' claims hold here? A row a claim, from the cards alone."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui import link
from pages.ui.compare_cards import read_cards
from pages.ui.frame import look, show
from robust_core import charts
from robust_core.evaluation.claims import CLAIMS, Claim, Comparison, Verdict, verdict
from robust_core.evaluation.measures import percents

WHAT = {"w_robust": "W-Robust", "worst_class": "worst class", "nsd": "NSD"}
TITLES = {"aw_net": "AW-Net", "residual": "its static twin", "mtard": "MTARD", "rslad": "RSLAD", "b_mtard": "B-MTARD",
          "absld": "ABSLD"}  # fmt: skip
MOST_TOLD = 3  # differences of two recipes


def verdicts(*, of: str | None = None) -> None:
    """Every claim that two cards answer, and what the others need; of: those alone that this checkpoint answers, and
    nothing where it answers none."""
    listed, _ = read_cards()
    made = {claim: verdict(claim, listed, of=of) for claim in CLAIMS}
    found = [one for one in made.values() if one is not None]
    if of is None or found:
        st.markdown("### Do the papers' claims hold here?")
    if found:
        show(charts.claims([_drawn(one) for one in found], look=look()), f"claims_{of}")
        for line in _remarks(found):
            st.caption(line)
    if of is None and (missing := [_title(claim) for claim, one in made.items() if one is None]):
        st.caption(f"Not asked yet, for it needs a network of each, measured alike: {'; '.join(missing)}.")
    if found:
        names = dict.fromkeys(name for one in found for name in (one.method.name, one.rival.name))
        st.page_link("pages/5_Compare.py", label="Compare them", icon=":material/leaderboard:",
                     query_params=link.params() | {"models": ",".join(names)})  # fmt: skip


def _title(claim: Claim) -> str:
    return f"{TITLES[claim.method]} against {TITLES[claim.rival]}, {WHAT[claim.what]}"


def _drawn(found: Verdict) -> charts.Claimed:
    by = found.by
    pair = f"{found.method.card.title} and {found.rival.card.title}"
    known = f"{pair}: first {by.n:,} test images of {by.data_name}, {by.told}"
    return charts.Claimed(
        title=_title(found.claim), told=_figures(found.claim, by), known=known, answer=found.answer, gain=100 * by.gain,
        low=100 * by.low, high=100 * by.high,
    )  # fmt: skip


def _figures(claim: Claim, by: Comparison) -> str:
    if claim.what == "nsd":
        return f"{by.method:.3f} and {by.rival:.3f}"
    ours, theirs = percents(by.method, by.rival)
    return f"{ours} and {theirs} %"


def _remarks(found: Sequence[Verdict]) -> list[str]:
    """What all rows share said once; what one row is alone in, by its name."""
    shared = dict.fromkeys(f"first {one.by.n:,} test images of {one.by.data_name}, {one.by.told}" for one in found)
    said = [
        f"Robust: {'; or '.join(shared)}. One training seed each: the intervals (95 %) are of the images' chance alone."
        + (" NSD: lower is fairer; in hundredths, its fall drawn as a gain." if _has(found, "nsd") else "")
    ]
    beyond = dict.fromkeys(
        f"{first.yardstick.title}, of {first.n:,} images"
        for one in found
        if (first := one.comparisons[0]) is not one.by
    )
    if beyond:
        said.append(f"Stronger attacks are known, but of too few images to decide: {'; '.join(beyond)}.")
    for one in found:
        if one.unequal:
            more = len(one.unequal) - MOST_TOLD
            told = "; ".join(one.unequal[:MOST_TOLD]) + (f"; {more} more" if more > 0 else "")
            said.append(f"{_title(one.claim)}: trained unequally ({told}), so it answers nothing yet.")
    return said


def _has(found: Sequence[Verdict], what: str) -> bool:
    return any(one.claim.what == what for one in found)
