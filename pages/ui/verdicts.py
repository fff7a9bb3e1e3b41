"""Do the papers' claims hold here? A row a claim, from the cards alone."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache

import streamlit as st

from pages.ui import link
from pages.ui.compare_cards import ANY, read_cards
from pages.ui.frame import look, show, verbatim
from robust_core import charts
from robust_core.charts.claims import WORDS
from robust_core.checkpoints import CARD, RECIPE, WEIGHTS, Card
from robust_core.evaluation.measures import in_percent, percents
from robust_core.evaluation.scores import Board, Listed, Task, boards, task_of
from robust_core.library.claims import CLAIMS, Claim, Comparison, Pair, Verdict, verdict

WHAT = {"w_robust": "W-Robust", "worst_class": "worst class", "nsd": "NSD"}
TITLES = {"aw_net": "AW-Net", "residual": "its static twin", "mtard": "MTARD", "rslad": "RSLAD", "b_mtard": "B-MTARD",
          "absld": "ABSLD"}  # fmt: skip
MOST_TOLD = 3  # differences of two recipes
PAPERS = "The papers' attacks: FGSM, PGD-20 with two sizes of step, and CW-30."


def verdicts(*, like: Card | None = None, of: str | None = None) -> None:
    """Every claim that two cards answer, and what the others need. like: asked of networks on its task alone; of: those
    alone that this checkpoint answers, closed up below a label that says how; nothing where it answers none."""
    listed, _ = read_cards()
    made = _asked(tuple(_stamp(one) for one in listed), of, task_of(like) if like else None)
    found = [one for one in made.values() if one is not None]
    if of is None:
        st.markdown("### Do the papers' claims hold here?")
    elif not found:
        return
    with st.container() if of is None else st.expander(_summed(found)):
        _rows(found, made, listed, of)


def _summed(found: Sequence[Verdict]) -> str:
    """A closed expander's label, which answers in short."""
    each = "; ".join(f"{_title(one.claim)}: **{WORDS[one.answer]}**" for one in found)
    return f"Do the papers' claims hold here? {each}"


def _rows(
    found: Sequence[Verdict], made: Mapping[Claim, Verdict | None], listed: Sequence[Listed], of: str | None
) -> None:
    if found:
        alike = len({one.by.board for one in found}) == 1
        show(charts.claims([_drawn(one, alike=alike) for one in found], look=look()), f"claims_{of}")
        for line in _remarks(found):
            st.caption(line)
    if of is None and (missing := [_title(claim) for claim, one in made.items() if one is None]):
        st.caption(f"Not asked yet, for it needs a network of each, measured alike: {'; '.join(missing)}.")
    if found:
        _links(found, listed)


def _links(found: Sequence[Verdict], listed: Sequence[Listed]) -> None:
    """To Compare, one a claim: each has its networks, its yardstick and its figure."""
    ids = {_images_and_budget(board): board.id for board in boards(listed)}
    st.caption("Their figures on Compare, under the attack that each is judged by, on its board's images:")
    kept = link.params()
    kept |= {key: ANY for key in ("method", "architecture") if key in kept}  # a filter could hide them
    with st.container(horizontal=True, gap="small"):
        for one in found:
            asked = {
                "models": link.listed([one.method.name, one.rival.name]),
                "board": ids[_images_and_budget(one.by.board)],
                "under": one.by.yardstick.id,
                "sort": one.claim.what,
            }
            st.page_link("pages/5_Compare.py", label=_title(one.claim), icon=":material/leaderboard:",
                         query_params=kept | asked)  # fmt: skip


def _images_and_budget(board: Board) -> Hashable:
    """Its id may be another among more boards."""
    return board.fingerprint, board.norm, board.eps, board.task


@lru_cache(maxsize=32)
def _asked(_stamps: tuple[Hashable, ...], of: str | None, task: Task | None) -> dict[Claim, Verdict | None]:
    """Anew only where a card, a recipe or weights have changed: two hundred cards are many pairs."""
    listed = [one for one in read_cards()[0] if task in (None, task_of(one.card))]
    return {claim: verdict(claim, listed, of=of) for claim in CLAIMS}


def _stamp(one: Listed) -> Hashable:
    """Changes whenever a file that a verdict is made of does."""
    stamps: list[object] = [one.name, one.checkpoint.folder]
    for file in (CARD, RECIPE, WEIGHTS):
        try:
            stat = os.stat(one.checkpoint.folder / file)
            stamps += [stat.st_mtime_ns, stat.st_size]
        except OSError:
            stamps.append(None)
    return tuple(stamps)


def _title(claim: Claim) -> str:
    return f"{TITLES[claim.method]} against {TITLES[claim.rival]}, {WHAT[claim.what]}"


def _drawn(found: Verdict, *, alike: bool) -> charts.Claimed:
    """alike: are all claims judged on one board, which is told once?"""
    by, pair = found.by, (found.method.card.title, found.rival.card.title)
    where = "" if alike else f", {by.board.data_name}, {by.board.budget}"
    return charts.Claimed(
        title=_title(found.claim), told=_figures(found.claim, by), pair=pair, under=by.yardstick.title + where, n=by.n,
        known=f"{' and '.join(pair)}: {_measured(by)}", answer=found.answer, gain=100 * by.gain, low=100 * by.low,
        high=100 * by.high,
    )  # fmt: skip


def _figures(claim: Claim, by: Comparison) -> str:
    if claim.what == "nsd":
        return f"{by.method:.3f} and {by.rival:.3f}"
    ours, theirs = percents(by.method, by.rival, least=2 if claim.what == "w_robust" else 1)
    return f"{ours} and {theirs}\u00a0%"


def _measured(by: Comparison) -> str:
    under = by.told if "ε" in by.told else f"{by.yardstick.title}, {by.board.budget}"
    return f"first {by.n:,} test images of {by.board.data_name}, {under}"


def _remarks(found: Sequence[Verdict]) -> list[str]:
    """What all rows share said once; what one row is alone in, by its name."""
    places = dict.fromkeys(f"{one.by.board.data_name}, {one.by.board.budget}" for one in found)
    footings = {(one.by.yardstick.id, one.by.n, one.by.board) for one in found}
    nsd = any(one.claim.what == "nsd" for one in found)
    counts = [_title(one.claim) for one in found if not one.by.paired]
    paired = ", image by image" if len(counts) < len(found) else ""
    if paired and counts:
        paired += f" but for {'; '.join(counts)}, where too few images differ, or are told"
    said = [
        f"Robust: on the first n test images of {verbatim('; or of '.join(places))}"
        + ("; in bold where a row is judged otherwise than most. " if len(footings) > 1 else ". ")
        + f"{PAPERS} " * any(one.by.yardstick.id == "group:table" for one in found)
        + "One training seed each: the intervals (about 95\u00a0%) are of the "
        f"images' chance alone{paired}; another seed may move a gain by more."
        + (" NSD: lower is fairer; in hundredths, its fall drawn as a gain." if nsd else "")
    ]
    if known := _known_of_few(found):
        said.append(f"Measured on too few images to decide: {verbatim('; '.join(known))}.")
    for one in found:
        title = _title(one.claim)
        if one.unequal:
            more = len(one.unequal) - MOST_TOLD
            told = verbatim("; ".join(one.unequal[:MOST_TOLD])) + (f"; {more} more" if more > 0 else "")
            said.append(f"{title}: their recipes differ ({told}), so it answers nothing yet.")
        elif one.against:
            said.append(f"{title}: {_against(one)}")
        if one.by.spared and not one.unequal:
            said.append(f"{title}: {_spared(one)}")
        if one.wider and not one.unequal:
            side = "better" if one.wider.side > 0 else "worse"
            said.append(
                f"{title}: {_figures(one.claim, one.wider)} on the {verbatim(_measured(one.wider))}, {side} beyond "
                "chance; the stronger attack, on fewer images, decides nothing yet."
            )
        if one.doubted:
            said.append(
                f"{title}: checks for a false sense of security failed on {verbatim(' and '.join(one.doubted))}."
            )
    return said


def _against(found: Verdict) -> str:
    """The pairs that decide what the one shown does not, or decides otherwise, by name."""
    count, more = len(found.against), len(found.against) - MOST_TOLD
    decide = "decides" if count == 1 else "decide"
    how = f"{decide} otherwise" if found.by.decides else f"{decide} it, the one shown does not"
    told = "; ".join(_pair(pair, found) for pair in found.against[:MOST_TOLD]) + (f"; {more} more" if more > 0 else "")
    return f"{count} of {found.pairs} pairs of networks, trained alike, {how}: {verbatim(told)}."


def _pair(pair: Pair, shown: Verdict) -> str:
    """A pair's networks and gain; what it is judged by only where that is not what the shown one is judged by."""
    by, titles = pair.by, tuple(one.card.title for one in (pair.method, pair.rival))
    alike = titles in [tuple(one.card.title for one in each) for each in _others(pair, shown)]
    names = " and ".join(f"{one.card.title} ({one.name})" if alike else one.card.title for one in pair[:2])
    footing = [] if by.board == shown.by.board else [by.board.data_name, by.board.budget]
    if (by.yardstick.id, by.n) != (shown.by.yardstick.id, shown.by.n):
        footing = [by.yardstick.title, *footing, f"n = {by.n:,}"]
    under = f" under {', '.join(footing)}" if footing else ""
    gain = f"{100 * by.gain:+.1f} points [{100 * by.low:+.1f}, {100 * by.high:+.1f}]".replace("-", "−")
    return f"{names}, {gain}{under}"


def _others(pair: Pair, shown: Verdict) -> list[tuple[Listed, Listed]]:
    return [(shown.method, shown.rival), *(each[:2] for each in shown.against if each is not pair)]


def _spared(found: Verdict) -> str:
    """What is missing where no attack knew the router, and what would decide."""
    name, full = TITLES[found.claim.method], found.unspared
    told = f"attacks that know its router are left out, which can only flatter {name}: it may lose here, not win."
    if full:
        alone = f", {in_percent(full.without)} without them" if full.without is not None else ""
        told += f" With them, and restarts that its rival did not meet, {in_percent(full.robust)} of the first "
        told += f"{full.n:,} images stand{alone}."
    return f"{told} `python -m robust_core evaluate` of both, with all groups of attacks, would decide."


def _known_of_few(found: Sequence[Verdict]) -> list[str]:
    """The stronger attacks that too few images know; "and on a router" needs no second naming."""
    beyond = dict.fromkeys((one.beyond.yardstick.title, one.beyond.n) for one in found if one.beyond)
    longer = {(t, n) for t, n in beyond for u, m in beyond if n == m and t != u and t.startswith(u)}
    return [f"{title} ({n:,} images)" for title, n in beyond if (title, n) not in longer]
