"""The soft label bench: one image, its teacher's label as the temperature moves, and what that asks of the student."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from pages.ui import link
from pages.ui.frame import look, show, verbatim
from pages.ui.perturb_image import pick_subject
from pages.ui.pickers import same_task
from pages.ui.served import Served, Shelf, Subject, film
from pages.ui.temperatures_judged import yardstick
from pages.ui.temperatures_runs import Watched, teacher_of
from robust_core import charts
from robust_core.explain import soft_labels

ITSELF = "itself"
LOW, HIGH = 0.5, 5.0  # where ABSLD keeps its temperatures
TERMS = {"adv": "attacked picture, τ_adv", "nat": "clean picture, τ_nat"}


def bench(found: Shelf, run: Watched, net: Served) -> None:
    """The label at the chosen τ beside the one at 1, and how all that moves with τ."""
    subject = pick_subject(net)
    if subject is None:
        return
    teacher = _pick_teacher(found, run, net)
    taught = _logits(teacher or net, subject)
    names = net.card.class_names
    y = int(taught.argmax()) if subject.label is None else subject.label
    with st.container(horizontal=True, vertical_alignment="bottom", key="bench_bar"):
        term = link.segments("Term of the loss", TERMS, "term", "adv")
        learned = _learned(run, y, term)
        begin = 1.0 if learned is None else min(max(round(learned, 2), LOW), HIGH)
        tau = link.slider(f"Temperature τ for {names[y]}", LOW, HIGH, 0.01, "tau", begin)
    student = _student(net, subject, term)
    two = soft_labels(taught, student, [1.0, tau])
    word = " (learned)" if learned is not None and tau == begin else ""
    st.markdown(_told(two.entropy, two.loss, two.gradient, tau, word))
    titles = ["label at τ = 1", f"label at τ = {tau:.2f}{word}"]
    used = f"{_who(net, teacher, term)} Picture: {subject.origin}."
    signed = f"{run.title}. {used}"
    show(charts.soft_label_bars(two, names, true=y, titles=titles, look=look()), "soft_label", told=signed)
    grid = torch.linspace(LOW, HIGH, 91)
    curves = charts.soft_label_curves(
        soft_labels(taught, student, grid), true=y, current=tau, learned=learned, look=look()
    )
    show(curves, "soft_curves", told=f"{signed} True class: {names[y]}; the line: τ = {tau:.2f}{word}.")
    st.caption(verbatim(f"{used} {_fine_print(run, teacher, subject, learned, names[y])}"))


def _pick_teacher(found: Shelf, run: Watched, net: Served) -> Served | None:
    """The run's own where it is here, else the shelf's robust teacher; any other network of the task, or the student
    itself, on request."""
    alike = {name: title for name, title in found.titles().items() if same_task(found.nets[name], net)}
    own = teacher_of(found, run)
    spare = next((name for name in alike if name.endswith("/teacher_robust") and name != net.name), ITSELF)
    with st.container(key="wrap_bench_teacher"):
        options = {name: title for name, title in alike.items() if name != net.name} | {ITSELF: "the network itself"}
        chosen = link.select("Teacher", options, "teacher", own.name if own else spare, width=300)
    return found.nets.get(chosen)


def _logits(net: Served, subject: Subject) -> Tensor:
    """Of the untouched picture: ABSLD's teacher sees no other."""
    with torch.no_grad():
        return net.net(subject.floats())[0]


def _student(net: Served, subject: Subject, term: str) -> Tensor:
    if term == "nat":
        return _logits(net, subject)
    return torch.from_numpy(film(net, subject, yardstick(net), None).logits[-1].copy())


def _learned(run: Watched, y: int, term: str) -> float | None:
    """The class's temperature after the last epoch that tells it."""
    rows = run.story().classes.get(f"tau_{term}")
    known = rows[y][rows[y] == rows[y]] if rows is not None and y < len(rows) else []
    return float(known[-1]) if len(known) else None


def _told(entropy: Tensor, loss: Tensor, gradient: Tensor, tau: float, word: str) -> str:
    size = gradient.norm(dim=1)
    return (
        f"From τ = 1 to **τ = {tau:.2f}**{word}: entropy of the label {entropy[0]:.3f} → **{entropy[1]:.3f}** nats, "
        f"loss term KL(label ‖ student) {loss[0]:.3f} → **{loss[1]:.3f}** nats, length of its gradient {size[0]:.3f} → "
        f"**{size[1]:.3f}**."
    )


def _who(net: Served, teacher: Served | None, term: str) -> str:
    """Both networks and what each was shown."""
    seen = f"on the picture attacked by {yardstick(net).describe()}" if term == "adv" else "on the clean picture"
    return (
        f"Teacher: {teacher.title if teacher else 'the network itself'}, on the clean picture. "
        f"Student: {net.title} as it is now, {seen}."
    )


def _fine_print(
    run: Watched, teacher: Served | None, subject: Subject, learned: float | None, name: str
) -> str:  # fmt: skip
    alone = teacher and not (run.recipe and run.recipe.teachers.robust)
    said = [f"{run.title} itself was trained without a robust teacher."] if alone else []
    said.append(
        f"{run.title} left {name} at τ = {learned:.3f}." if learned is not None
        else f"{run.title} has no temperature of {name}; τ starts at 1."
    )  # fmt: skip
    said.append("Gradient: softmax(S) − label.")
    if subject.label is None:
        said.append("Nobody said what the picture shows: the teacher's own answer is taken.")
    return " ".join(said)
