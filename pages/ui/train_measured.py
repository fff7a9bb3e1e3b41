"""What was measured on a finished run; where nothing was, a button; and the way to stand beside the shipped ones."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from pages.ui import link
from pages.ui.frame import verbatim
from pages.ui.train_runs import Watched
from robust_core import checkpoints, data
from robust_core.cards import Card, Measure
from robust_core.evaluation.measures import in_percent
from robust_core.evaluation.scores import task_of
from robust_core.library import evaluations
from robust_core.library.limits import read_only
from robust_core.training.follow import Log
from robust_core.types import UserError

LIBRARY = "pages/6_Library.py"


def measuring(run: Watched) -> bool:
    """Is it being measured, or evaluated, in the background?"""
    if run.status != "finished":
        return False
    seen = evaluations.look(run.checkpoint)
    return seen is not None and seen.phase == "running"


def measured(run: Watched, log: Log) -> None:
    """The figures of a finished run, or why there are none and how to have them."""
    if log.complete:
        _at_the_end(run, log)
    card = run.card
    if run.status != "finished" or card is None:
        return
    seen = evaluations.look(run.checkpoint) if run.own else None
    if seen is not None and seen.phase == "running":
        st.caption(f"It is being {'measured' if seen.measure else 'evaluated'} on {seen.n:,} test images now.")
    elif not run.measured:
        why = f" {seen.told}" if seen is not None and seen.phase == "failed" else ""
        _offer(run, verbatim(why))
    if card.clean is not None and card.robust is not None and card.robust.n != log.complete.get("n"):
        st.caption(f"In its card: {_figures(card.clean, card.robust)}.")


def _at_the_end(run: Watched, log: Log) -> None:
    done = log.complete
    eps = f" (ε = {run.recipe.validation.attack.eps:.4g}, seed 0)" if run.recipe else ""
    st.caption(
        f"Measured on {done.get('n', 0):,} test images: clean {in_percent(done.get('clean', 0))}, PGD-20{eps} "
        f"{in_percent(done.get('robust', 0))}, worst class under it {in_percent(done.get('worst_class', 0))}."
    )


def _figures(clean: Measure, robust: Measure) -> str:
    told = f"clean {in_percent(clean.accuracy)}, PGD-20 (ε = {robust.attack.eps:.4g}) {in_percent(robust.accuracy)}"
    return f"{told} of {robust.n:,} test images of {verbatim(robust.data_name)}"


def _offer(run: Watched, why: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="train_unmeasured"):
        st.info(
            f"Finished, not measured: the counting on test images was stopped before its end.{why} "
            "Until it is made up for, boards and charts leave this network out.",
            icon=":material/straighten:",
        )
        st.button(
            "Measure", key=f"train_measure_{run.name}", icon=":material/straighten:", on_click=_measure, args=(run,),
            disabled=read_only(), help="Untouched and under PGD-20, on all its test images, in the background.",
        )  # fmt: skip


def _measure(run: Watched) -> None:
    """As a callback, which the page's own run follows."""
    try:
        evaluations.measure(checkpoints.at(run.folder, run.checkpoint))
    except UserError as error:
        st.session_state["train_refused"] = str(error)
    st.session_state["train_acted"] = True


def beside_the_shipped(run: Watched) -> None:
    """A link to where it is measured on the images that the shipped networks were; nothing where it has been."""
    name = _their_images(run.card) if run.own and run.card is not None else None
    if name is None:
        return
    title = data.DATASETS[name].title
    if data.available().get(name, False):
        goes = {"model": run.checkpoint, "eval_kind": "measure", "eval_on": name}
        label, tip = "Measure as the shipped ones are", f"On all test images of {title}, on the Library page."
    else:
        goes = {"shelf": "sets", "set": name}
        label, tip = f"Get {title}", "The images on which the shipped networks are measured; then measure it there."
    st.page_link(
        LIBRARY, label=label, icon=":material/straighten:", query_params=link.params() | goes, help=tip,
    )  # fmt: skip


def _their_images(card: Card) -> str | None:
    """The data set on which most shipped networks of its task and budget were measured; None where it was, too."""
    mine = card.robust
    if mine is None or mine.attack is None:
        return None
    budget = (mine.attack.norm, mine.attack.eps)
    theirs = [
        (other.robust.data_name, other.robust.data_fingerprint, other.robust.n)
        for found in checkpoints.find_all(checkpoints.zoo_folder())
        if (other := found.card) is not None and task_of(other) == task_of(card) and (judged := other.robust)
        if judged.attack is not None
        and not judged.claimed
        and not other.imported
        and (judged.attack.norm, judged.attack.eps) == budget
    ]
    if not theirs:
        return None
    name, fingerprint, n = Counter(theirs).most_common(1)[0][0]
    stands = any(m.attack == mine.attack and m.data_fingerprint == fingerprint and m.n >= n for m in card.measures)
    return None if stands or name not in data.DATASETS.names() else name
