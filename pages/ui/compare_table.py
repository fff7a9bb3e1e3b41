"""The leaderboard: a row a checkpoint, as its card has it; what was not measured, and what is doubtful, says so."""

from __future__ import annotations

import streamlit as st

from pages.ui.board import Cell, show_board
from pages.ui.compare_cards import MOST, Shown, choose, measure_costs, order_by, untimed
from pages.ui.frame import colours, verbatim
from robust_core.cards import Figure, Tally
from robust_core.evaluation.cost import Cost
from robust_core.evaluation.leaderboard import JUDGES, LOW_FIRST, Row, interval, ranks
from robust_core.evaluation.measures import percents, spaced
from robust_core.evaluation.report import (
    ELSEWHERE,
    MISSING,
    UNCHECKED,
    about,
    all_passed,
    figure_in_percent,
    in_numbers,
    standing,
    training_seed,
    verdict,
)
from robust_core.evaluation.timings import STEADY, unsteady
from robust_core.names import called

COLUMNS = (  # key, label, help
    ("name", "network", "What was trained. A box chooses it for the questions below."),
    ("clean", "clean", "Right untouched; 95\u00a0% interval (Wilson)"),
    ("robust", "robust", "Still right under the attack chosen above; 95\u00a0% interval (Wilson)"),
    (
        "doubts",
        "doubts",
        "Is the attack an honest one? Checks for a false sense of security, made on these weights at this ε",
    ),
    ("w_robust", "W-Robust", "½ clean + ½ robust; its interval is made of the ends of both"),
    ("worst_class", "worst class", "Robust accuracy of the class that fares worst; 95\u00a0% interval (bootstrap)"),
    (
        "nsd",
        "NSD",
        "Standard deviation / mean of the classes' robust accuracies: lower is fairer; 95\u00a0% interval (bootstrap)",
    ),
    ("n", "n", "Test images, from the front of the set"),
    ("parameters", "parameters", "Numbers that were trained"),
    ("multiply_adds", "mult-adds", "Multiply-adds of one image: convolutions and matrix products"),
    ("ms", "ms / image", "One image alone, this machine"),
)
HONEST = "These checks ask whether the attack was an honest one, not whether the network withstands it"
LOST = 0.05  # robust accuracy below which no check that is passed is good news
NOTHING: Cell = {"text": MISSING, "kind": "none", "tip": "Its card holds no such figure."}


def table(shown: Shown) -> None:
    """How many it ranks, the table, what its numbers are, and how to fill in times."""
    left_out = len(shown.every) - len(shown.rows)
    columns = [{"key": "rank", "label": "#"}]
    columns += [
        {"key": key, "label": label, "help": told, "sorts": key != "n", "low": key in LOW_FIRST}
        for key, label, told in COLUMNS
    ]
    rows, titles, placed = [], shown.titles(), ranks(shown.rows, shown.sort)
    for one in shown.rows:
        rows.append(
            {"id": one.name, "title": one.title, "chosen": one.name in shown.chosen, "muted": not one.ranked,
             "cells": _cells(shown, one, titles[one.name], str(placed.get(one.name, "–")))}
        )  # fmt: skip
    if not rows:
        st.info("No network here has this method and this architecture.", icon=":material/filter_alt_off:")
        return
    of_how_many = standing(shown.rows, shown.sort)
    if of_how_many:
        st.markdown(verbatim(f"{of_how_many}."))
    show_board(columns, rows, sort=shown.sort, backwards=shown.backwards, full=len(shown.chosen) >= MOST, key="board",
               style=colours(), on_sort=lambda key: order_by(shown, key),
               on_want=lambda wanted: choose(shown, wanted))  # fmt: skip
    told = about(shown.rows, shown.board, shown.yardstick, shown.sort, shown.filters)
    told = [sentence for sentence in told if sentence != of_how_many]
    told += ["Shown the other way round: the best last" if shown.sort in JUDGES else "Shown the other way round"] * (
        shown.backwards
    )
    st.caption(verbatim(". ".join(told) + "." + (f" {left_out} more filtered out." if left_out else "")))
    _times(shown)


def _times(shown: Shown) -> None:
    missing = len(untimed(shown))
    if missing:
        word = "network" if missing == 1 else "networks"
        told = "Milliseconds: each is loaded and asked some forty times."
        if st.button(f"Time {missing} {word}", icon=":material/timer:", key="compare_time", help=told):
            measure_costs(shown, untimed(shown))
            st.rerun()
    elif shown.rows:
        told = "A time taken beside other work is too long: each network is loaded and asked again."
        if st.button("Time again", icon=":material/timer:", key="compare_time_again", help=told, type="tertiary"):
            measure_costs(shown, list(shown.rows))
            st.rerun()
    costs = [one.cost for one in shown.rows if one.cost]
    here = [one for one in costs if one.here]
    if here:
        alike = len({one.describe() for one in here}) == 1
        how = here[0].describe() if alike else "on this machine, not all alike: how, says each one's tooltip"
        told = (
            f"ms / image: one image alone, {how}, the frozen view that the pages use; below it the quartiles, and the "
            "time of one in a batch."
        )
        if any(unsteady(one) for one in costs):
            told += f" Unsteady: the upper quartile is over {STEADY:g} times the lower, as beside other work."
        st.caption(verbatim(told))
    if len(here) < len(costs):
        names = ", ".join(sorted({one.processor or "an unknown processor" for one in costs if not one.here}))
        told = (
            f"Timed on another machine ({names}), and so neither sorted nor to be held against the others: in italics."
        )
        st.caption(verbatim(told))


def _cells(shown: Shown, one: Row, title: str, rank: str) -> list[Cell]:
    robust, cost, adds = one.robust, one.cost, one.multiply_adds
    sub = f"{called(one.card.method)} · {called(one.card.architecture)} · seed {training_seed(one)}"
    names = [{"word": mark.word, "told": mark.told, "kind": mark.kind} for mark in one.marks]
    ends, weighted = one.intervals, one.w_interval
    return [
        {"text": rank},
        {"text": title, "sub": sub, "marks": names},
        _share(one.clean, "clean"),
        _share(robust, "robust", one.score.told if one.score else ""),
        _doubtful(one, shown.board.fingerprint),
        NOTHING if weighted is None else _weighted(weighted),
        _worst(one, ends["worst_class"]) if ends else NOTHING,
        NOTHING if robust is None else _spread(ends.get("nsd")),
        NOTHING if robust is None else {"text": f"{robust.n:,}", "sub": f"seed {one.score.seed}"},
        {"text": _short(one.card.parameters), "tip": f"{one.card.parameters:,}"},
        NOTHING if adds is None else {"text": _short(adds), "tip": f"{adds:,}"},
        NOTHING if cost is None else _milliseconds(cost),
    ]  # fmt: skip


def _share(tally: Tally | None, kind: str, told: str = "") -> Cell:
    if tally is None:
        return NOTHING
    low, high = interval(tally)
    tip = f"{tally.correct:,} of {tally.n:,} images{': ' if told else ''}{told}"
    return _in_words(tally.accuracy, low, high) | {
        "kind": kind, "tip": tip, "at": tally.accuracy, "low": low, "high": high,
    }  # fmt: skip


def _in_words(value: float, low: float, high: float, least: int = 1) -> Cell:
    """A share over its interval, both with as many decimals."""
    mid, start, end = percents(value, low, high, least=least)
    return {"text": f"{mid}\u00a0%", "sub": f"{start} … {end}"}


def _weighted(figure: Figure) -> Cell:
    told = {"tip": f"{figure_in_percent(figure, least=2)}, from the ends of both"}
    return _in_words(figure.value, figure.low, figure.high, least=2) | told


def _worst(one: Row, figure: Figure) -> Cell:
    told = {"tip": f"{one.worst_name}: {figure_in_percent(figure)}, 95\u00a0% over the images"}
    return _in_words(figure.value, figure.low, figure.high) | {"more": one.worst_name} | told


def _spread(figure: Figure | None) -> Cell:
    if figure is None:
        told = "not defined, and so without an interval: no image is right, and there is no mean to divide by"
        return {"text": "–", "kind": "none", "tip": told}
    return {"text": f"{figure.value:.3f}", "sub": f"{figure.low:.3f} … {figure.high:.3f}",
            "tip": f"{in_numbers(figure)}, 95\u00a0% over the images"}  # fmt: skip


def _milliseconds(cost: Cost) -> Cell:
    words = ", ".join(["unsteady"] * unsteady(cost) + [ELSEWHERE] * (not cost.here))
    more = [words] * bool(words) + [f"{cost.batch_ms:.2f} in {cost.batch}"]
    return {"text": f"{cost.one_ms:.2f}", "sub": f"{cost.one_low:.2f} … {cost.one_high:.2f}", "more": more,
            "kind": "" if cost.here else "elsewhere", "tip": f"{cost.describe()}; below it the quartiles"}  # fmt: skip


def _doubtful(one: Row, fingerprint: str) -> Cell:
    doubts, words = one.doubts, verdict(one)
    if doubts is None:
        told = "Nobody has checked whether this figure can be believed."
        return {"text": UNCHECKED, "kind": "none", "tip": told}
    sub = f"on {doubts.n} images" if doubts.data_fingerprint == fingerprint else f"on {doubts.n} of {doubts.data_name}"
    if doubts.raised:
        tip = "Not passed: " + "; ".join(f"{check.title} ({spaced(check.told)})" for check in doubts.raised)
        return {"text": f"✗ {words}", "sub": sub, "kind": "bad", "tip": tip}
    holds = one.robust is None or one.robust.accuracy >= LOST
    sign, kind = ("✓", "ok" if holds else "") if all_passed(one) else ("–", "none")
    tip = f"{HONEST}: {spaced('; '.join(check.told for check in doubts.checks))}"
    return {"text": f"{sign} {words}", "sub": sub, "kind": kind, "tip": tip}


def _short(count: int) -> str:
    """ "308 k", "12.1 M"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)
