"""One attack as a slide: the clean picture, the perturbation and the adversarial picture side by side, and their facts.

A drawing (SVG), so that its words stay sharp at any size; the pictures in it are enlarged pixel by pixel.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from pages.ui.film import Film
from pages.ui.pictures import data_url
from robust_core import charts
from robust_core.evaluation.measures import spaced

SIDE, GAP, LEFT, TOP = 480, 40, 40, 120
LONGEST = 48  # characters of a title that fit
FONT = "Source Sans Pro, Helvetica, Arial, sans-serif"


def slide(film: Film, *, title: str, class_names: Sequence[str], truth: int | None, origin: str) -> bytes:
    """The file's text. title: the network's; truth: the true class, None where nobody knows it; origin: where the
    picture comes from, in words."""
    change = film.x_adv - film.x
    bound = float(film.settings.eps) if film.settings.norm == "linf" else float(np.abs(change).max())
    magnify = charts.magnification(bound)
    scale = max(1, SIDE // max(film.x.shape[1:]))
    _, high, wide = (scale * side for side in film.x.shape)
    full = 2 * LEFT + 3 * max(wide, SIDE) + 2 * GAP
    moved = film.answer != film.clean_answer
    cells = [
        (charts.picture(film.x, scale), _answer(class_names, film.clean_probabilities), "clean", False),
        (charts.delta_picture(change, magnify, scale), f"δ × {magnify}", _length(change), False),
        (charts.picture(film.x_adv, scale), _answer(class_names, film.probabilities[-1]), "adversarial", moved),
    ]
    short = title if len(title) <= LONGEST else title[: LONGEST - 1] + "…"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {TOP + high + 200}" font-family="{FONT}">',
        f'<rect width="100%" height="100%" fill="{charts.LIGHT.page}"/>',
        _text(LEFT, 70, 40, f"{short}: {'another answer' if moved else 'the same answer'}", bold=True),
    ]
    for n, (pixels, said, below, wrong) in enumerate(cells):
        x = LEFT + n * (max(wide, SIDE) + GAP)
        parts.append(f'<image x="{x}" y="{TOP}" width="{wide}" height="{high}" href="{data_url(pixels, level=9)}"/>')
        colour = charts.LIGHT.adversarial if wrong else charts.LIGHT.ink
        parts.append(_text(x, TOP + high + 46, 32, said, bold=True, colour=colour))
        parts.append(_text(x, TOP + high + 84, 24, below, colour=charts.LIGHT.muted))
    aim = "" if film.target is None else f" Aimed at {class_names[film.target]}."
    true = "" if truth is None else f" True class: {class_names[truth]}."
    parts.append(_text(LEFT, TOP + high + 136, 22, f"{film.settings.describe()}.{aim}", colour=charts.LIGHT.muted))
    parts.append(_text(LEFT, TOP + high + 168, 22, f"Picture: {origin}.{true}", colour=charts.LIGHT.muted))
    return "\n".join([*parts, "</svg>"]).encode()


def _answer(names: Sequence[str], p: np.ndarray) -> str:
    return f"{names[int(p.argmax())]} {spaced(f'{p.max():.1%}')}"


def _length(change: np.ndarray) -> str:
    far, long = float(np.abs(change).max()), float(np.sqrt((change.astype(np.float64) ** 2).sum()))
    return f"max|δ| = {far:.4f} ({far * 255:.1f}/255), L2 = {long:.2f}"


def _text(x: int, y: int, size: int, words: str, *, bold: bool = False, colour: str = charts.LIGHT.ink) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}"{weight}>{html.escape(words)}</text>'
