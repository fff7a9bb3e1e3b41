"""The teachers an objective needs: those that fit the images, or why none does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pages.ui.frame import verbatim
from robust_core import checkpoints, data
from robust_core.checkpoints import Checkpoint
from robust_core.evaluation.measures import in_percent
from robust_core.methods import make
from robust_core.training.recipe import Recipe

Task = tuple[tuple[int, int, int], tuple[str, ...]]  # shape of an image, names of the classes
Put = Callable[[Mapping[str, Any]], None]


def pick_teachers(recipe: Recipe, put: Put) -> None:
    """A field for each role the objective needs; the fitting one that is best at it where none is chosen yet."""
    roles = make(recipe.objective.name, **recipe.objective.options).teachers
    if not roles:
        return
    st.markdown("**Teachers**" if len(roles) > 1 else "**Teacher**")
    images = data.DATASETS[recipe.data.name]
    task = (images.shape, images.class_names)
    for column, role in zip(st.columns(len(roles)), roles, strict=True):
        with column:
            _pick(role, recipe, task, put)


def _pick(role: str, recipe: Recipe, task: Task, put: Put) -> None:
    fit, reason = fitting(role, task)
    chosen = getattr(recipe.teachers, role)
    if not fit:
        st.warning(f"No {role} teacher: {reason}", icon=":material/school:")
        return
    hit = next((name for name in fit if chosen in (name, name.rpartition("/")[2])), None)
    key = f"train_f_teachers.{role}"
    if hit is None:
        # Written down at once, or the text would not be the recipe that is started.
        put({f"teachers.{role}": next(iter(fit))})
        if chosen:
            st.toast(f"{verbatim(chosen)} does not fit as the {role} teacher here; {verbatim(next(iter(fit)))} does.")
        st.rerun()
    st.session_state[key] = hit
    st.selectbox(
        "Clean: knows untouched images" if role == "clean" else "Robust: withstands attacks", list(fit), key=key,
        format_func=lambda name: _said(fit[name]),
        on_change=lambda: put({f"teachers.{role}": st.session_state[key]}),
    )  # fmt: skip


def fitting(role: str, task: Task) -> tuple[dict[str, Checkpoint], str]:
    """The checkpoints that can teach this, the best first, by name; or none, and the reason in a sentence."""
    usable = [c for c in checkpoints.find_all() if c.card is not None and c.problem is None]
    alike = [c for c in usable if (tuple(c.card.image_shape), tuple(c.card.class_names)) == task]
    shape, classes = task
    if not alike:
        kind = f"{shape[1]}×{shape[2]} images of {shape[0]} channel{'s' if shape[0] > 1 else ''}"
        return {}, (
            f"none of the {len(usable)} networks here knows {kind} in these {len(classes)} classes. Train one on them "
            "first: it can teach as soon as it is finished."
        )
    if role == "robust":
        chance = 1 / len(classes)
        alike = [c for c in alike if c.card.robust is None or c.card.robust.accuracy > chance]
        if not alike:
            return {}, "those that know these images fall to attacks. Train one with PGD-AT first."
    return {c.name: c for c in sorted(alike, key=lambda c: _good(role, c), reverse=True)}, ""


def _good(role: str, found: Checkpoint) -> tuple[bool, float]:
    """What was measured here goes before what an imported card claims."""
    measure = found.card.clean if role == "clean" else found.card.robust
    return (not measure.claimed, measure.accuracy) if measure else (False, -1.0)


def _said(found: Checkpoint) -> str:
    card = found.card
    words = [f"clean {in_percent(card.clean.accuracy)}"] if card.clean else []
    words += [f"robust {in_percent(card.robust.accuracy)}"] if card.robust else []
    claims = "its card claims " if any(m and m.claimed for m in (card.clean, card.robust)) else ""
    return f"{card.title} ({claims}{', '.join(words) or 'not measured'})"
