"""The loss around an image as a map, with the regions of one prediction outlined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from robust_core.charts.theme import LIGHT, Theme, axis, figure, halo, label, mixed, note
from robust_core.evaluation.measures import in_percent
from robust_core.explain.landscape import Surface


def surface(
    values: Surface, class_names: Sequence[str], *, look: Theme = LIGHT, height: int = 440, top: float | None = None
) -> go.Figure:
    """Filled contours of the loss; a strong line where the true class's margin is zero, thin ones between the others.

    Clean image at (0, 0), adversarial one at (1, 0). Every region is named at its largest patch. Points without
    finite logits stay empty, and the figure says how many. top: the loss at the end of the colour scale, to share one
    between figures; by default the plane's largest, but at least ln K, the loss of a guess: a flat plane is pale.
    """
    a, b = values.a.double().numpy(), values.b.double().numpy()
    loss, margin = values.loss.double().numpy(), values.margin.double().numpy()
    predicted = values.predicted.numpy()
    highest = float(np.nanmax(loss, initial=0.0)) if np.isfinite(loss).any() else 0.0
    end = max(highest, math.log(max(len(class_names), 2))) if top is None else top
    chart = figure(look, height=height, alt=_alt(values, class_names), showlegend=False)
    chart.add_trace(
        go.Contour(
            x=a,
            y=b,
            z=_blanked(loss),
            colorscale=_scale(look),
            zmin=0,
            zmax=end,
            autocontour=False,
            contours={"coloring": "fill", "showlines": False, "start": 0, "end": end, "size": end / 16},
            customdata=_hover(values, class_names),
            hovertemplate="%{customdata}<extra></extra>",
            colorbar={
                "title": {"text": "loss (nats)", "side": "right", "font": {"size": 12, "color": look.muted}},
                "thickness": 10,
                "outlinewidth": 0,
                "tickfont": {"size": 11, "color": look.muted},
                "nticks": 6,
            },
        )
    )
    for k in _minor(predicted, values.true):
        chart.add_trace(_line(a, b, np.where(predicted == k, 1.0, 0.0), 0.5, look.muted, 1))
    chart.add_trace(_line(a, b, _blanked(margin), 0.0, look.ink, 2.2))
    for k in np.unique(predicted[predicted >= 0]):
        _name_region(chart, values, int(k), class_names, look)
    _mark(chart, 0.0, "clean", look.clean, look)
    _mark(chart, 1.0, "adversarial", look.adversarial, look)
    # Both axes have one unit, so they have one scale.
    square: dict[str, Any] = {"constrain": "domain", "showgrid": False, "nticks": 9}
    lengths = f"in lengths of δ, L2 = {values.length:.2f}"
    chart.update_xaxes(axis(look, f"along δ ({lengths})", range=[a[0], a[-1]], **square))
    chart.update_yaxes(
        axis(look, "random direction, orthogonal, as long", range=[b[0], b[-1]], scaleanchor="x", **square)
    )
    missing = int((predicted < 0).sum())
    if missing:
        text = f"{missing} of {predicted.size} points have no finite logits: left empty"
        chart.add_annotation(note(look, text, xref="paper", yref="paper", x=0, y=1.0, yanchor="bottom", yshift=4))
        chart.update_layout(margin_t=26)
    return chart


def _scale(look: Theme) -> list[list[float | str]]:
    """Low loss is near the page's colour, high loss the adversarial one: the eye climbs with the attack."""
    steps = (
        (0.0, look.clean, 0.14),
        (0.12, look.clean, 0.05),
        (0.3, look.adversarial, 0.14),
        (1.0, look.adversarial, 0.85),
    )
    return [[place, mixed(colour, look.page, share)] for place, colour, share in steps]


def _line(
    a: np.ndarray, b: np.ndarray, z: np.ndarray | list[list[float | None]], level: float, colour: str, width: float
) -> go.Contour:
    return go.Contour(
        x=a,
        y=b,
        z=z,
        showscale=False,
        hoverinfo="skip",
        autocontour=False,
        contours={"start": level, "end": level, "size": 1, "coloring": "none", "showlines": True},
        line={"color": colour, "width": width, "smoothing": 0.6},
    )


def _minor(predicted: np.ndarray, true: int) -> list[int]:
    """The wrong classes, but for the most frequent: its border is the others' borders and the margin's zero line."""
    classes, counts = np.unique(predicted[(predicted >= 0) & (predicted != true)], return_counts=True)
    return [int(k) for k in classes[np.argsort(-counts, kind="stable")][1:]]


def _name_region(chart: go.Figure, values: Surface, k: int, class_names: Sequence[str], look: Theme) -> None:
    inside = values.predicted.numpy() == k
    if inside.sum() < 0.03 * inside.size:
        return
    along, across = values.a.numpy()[None, :], values.b.numpy()[:, None]
    # Names keep off the two marks and what is written under them; of equal places the upper one is taken.
    near_marks = (np.abs(across) < 0.3 * across.max()) & (along > -0.7) & (along < 1.7)
    depth = np.where(inside, _depth(inside) * np.where(near_marks, 0.05, 1) + 0.01 * across, -np.inf)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    x = float(values.a[column])
    text = label(class_names[k], 20)
    chart.add_annotation(
        note(look, f"<b>◆ {text}</b>" if k == values.true else text, x=x, y=float(values.b[row]), yanchor="middle")
        | {"xanchor": "right" if x > 0.7 * along.max() else "left" if x < 0.7 * along.min() else "center"}
        | {"font": {"size": 12, "color": look.ink, "shadow": halo(look)}}
    )


def _depth(inside: np.ndarray) -> np.ndarray:
    """Steps from each point to the region's edge, by peeling it layer by layer; the window's frame is an edge."""
    depth = np.zeros(inside.shape)
    layer = inside.copy()
    while layer.any():
        depth += layer
        padded = np.pad(layer, 1)
        layer = layer & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return depth


def _mark(chart: go.Figure, at: float, name: str, colour: str, look: Theme) -> None:
    chart.add_trace(
        go.Scatter(
            name=name,
            x=[at],
            y=[0],
            mode="markers+text",
            text=[name],
            textposition="bottom center",
            textfont={"size": 12, "color": look.ink, "shadow": halo(look)},
            marker={
                "size": 13,
                "color": colour,
                "symbol": "circle" if at == 0 else "x",
                "line": {"color": look.page, "width": 2},
            },
            hoverinfo="skip",
        )
    )


def _hover(values: Surface, class_names: Sequence[str]) -> list[list[str]]:
    def words(i: int, j: int) -> str:
        k = int(values.predicted[i, j])
        at = f"({values.a[j]:.2f}, {values.b[i]:.2f})"
        if k < 0:
            return f"{at}: logits are not finite"
        return (
            f"{at}: {label(class_names[k])}<br>loss {values.loss[i, j]:.3f} · margin {values.margin[i, j]:.2f}"
            f"<br>{in_percent(float(values.outside[i, j]), whole=True)} of pixels outside [0, 1]"
        )

    return [[words(i, j) for j in range(len(values.a))] for i in range(len(values.b))]


def _blanked(z: np.ndarray) -> list[list[float | None]]:
    return [[float(v) if np.isfinite(v) else None for v in row] for row in z]


def _alt(values: Surface, class_names: Sequence[str]) -> str:
    zero, one = (int((values.a == v).nonzero()[0, 0]) for v in (0, 1))
    middle = int((values.b == 0).nonzero()[0, 0])
    parts = []
    for word, column in (("clean image", zero), ("adversarial image", one)):
        k = int(values.predicted[middle, column])
        name = class_names[k] if k >= 0 else "no finite logits"
        parts.append(f"at the {word} loss {float(values.loss[middle, column]):.2f}, predicted {name}")
    right = in_percent(float((values.predicted == values.true).float().mean()), whole=True)
    return f"Loss around the image: {'; '.join(parts)}; {right} of the plane is predicted {class_names[values.true]}."
