"""One image, many judges: the same perturbation at growing ε, and the same adversarial image on other networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from robust_core.charts.series import gapped, in_percents, numbers
from robust_core.charts.theme import LIGHT, Theme, axis, faded, figure, label, note, share_axis
from robust_core.evaluation.measures import spaced
from robust_core.types import UserError


def epsilon_curve(
    eps: ArrayLike,
    p_true: ArrayLike,
    p_adversarial: ArrayLike | None = None,
    *,
    answers: Sequence[str] = (),
    smallest: float | None = None,
    current: float | None = None,
    unit: str = "ε",
    adversarial_name: str = "adversarial class",
    true_name: str = "true class",
    look: Theme = LIGHT,
    height: int = 260,
) -> go.Figure:
    """Probability of the true class, and of the class the attack leads to, as ε grows; each (S,), in [0, 1].

    answers: the class that p_adversarial is of at each ε, where that changes. smallest: the least ε that fools, marked
    and named; None says that none up to the largest did. current: the ε on the page. unit names the axis
    ("ε (L∞, pixel units)"). Values that are not finite are gaps. Raises UserError where the lengths differ.
    """
    x = numbers(eps)
    lines = [(true_name, numbers(p_true), look.good)]
    if p_adversarial is not None:
        lines.append((adversarial_name, numbers(p_adversarial), look.adversarial))
    _refuse_lengths(x, [(name, y) for name, y, _ in lines], answers)
    chart = figure(look, height=height, alt=_epsilon_alt(x, lines, smallest), hovermode="x", showlegend=True)
    chart.update_layout(margin_t=34)
    for name, _, colour in lines:
        said = "%{customdata}" if answers and name == adversarial_name else label(name)
        chart.add_trace(
            go.Scatter(
                name=f"P({label(name)})",
                mode="lines+markers+text",
                connectgaps=False,
                cliponaxis=False,
                line={"color": colour, "width": 2},
                marker={"size": 5, "color": colour, "opacity": 1},
                textposition="bottom right",
                textfont={"color": look.ink, "size": 12},
                hovertemplate="ε = %{x:.4g}: P(" + said + ") %{hovertext}<extra></extra>",
            )
        )
    top = float(x.max()) if len(x) else 1.0
    if smallest is not None:
        chart.add_shape(
            type="rect",
            x0=smallest,
            x1=max(top, smallest),
            y0=0,
            y1=1,
            yref="paper",
            layer="below",
            line={"width": 0},
            fillcolor=faded(look.adversarial, 0.10),
        )
        chart.add_shape(
            type="line",
            x0=smallest,
            x1=smallest,
            y0=0,
            y1=1,
            yref="paper",
            layer="below",
            line={"color": look.adversarial, "width": 1.5},
        )
    if current is not None:
        chart.add_shape(
            type="line",
            x0=current,
            x1=current,
            y0=0,
            y1=1,
            yref="paper",
            layer="below",
            line={"color": look.muted, "width": 1, "dash": "dot"},
        )
    put_points(chart, x, *(y for _, y, _ in lines), answers=answers)
    word = f"not fooled up to ε = {top:.4g}" if smallest is None else f"smallest fooling ε = {smallest:.4g}"
    gaps = sum(int((~np.isfinite(y)).sum()) for _, y, _ in lines)
    word += f" · {gaps} values are not finite: gaps" if gaps else ""
    place = {"xref": "paper", "yref": "paper", "x": 0.98, "y": 1.03, "xanchor": "right", "yanchor": "bottom"}
    chart.add_annotation(note(look, word, **place))
    chart.update_xaxes(axis(look, unit, range=[0, max(top, current or 0) * 1.02], showgrid=False))
    chart.update_yaxes(share_axis(look, range=[-0.03, 1.03]))
    return chart


def put_points(chart: go.Figure, eps: ArrayLike, *lines: ArrayLike, answers: Sequence[str] = ()) -> None:
    """Gives the lines of a drawn `epsilon_curve` these points: what a slider adds to them, without drawing it anew."""
    x, ys = numbers(eps), [numbers(y) for y in lines]
    _refuse_lengths(x, list(zip(("the true class", "the other class"), ys, strict=False)), answers)
    for trace, y in zip(chart.data, ys, strict=True):
        trace.update(x=x, y=gapped(y), hovertext=in_percents(y))
    if answers:
        names = [label(name) for name in answers]
        chart.data[-1].update(customdata=names, text=_where_it_changes(names, ys[-1]))


def _where_it_changes(names: list[str], p: np.ndarray) -> list[str]:
    """Each class once it is believed, and again after another one was."""
    told, last = [], ""
    for name, value in zip(names, p, strict=True):
        new = value >= 0.5 and name != last
        told.append(name if new else "")
        last = name if new else last
    return told


def _refuse_lengths(x: np.ndarray, lines: list[tuple[str, np.ndarray]], answers: Sequence[str]) -> None:
    for name, y in lines:
        if y.shape != x.shape:
            raise UserError(f"{x.shape[0]} values of ε need as many of {name!r}, got {y.shape}")
    if answers and len(answers) != len(x):
        raise UserError(f"{x.shape[0]} values of ε need as many answers, got {len(answers)}")


def _epsilon_alt(x: np.ndarray, lines: list[tuple[str, np.ndarray, str]], smallest: float | None) -> str:
    if not len(x):
        return "No values of ε."
    ways = [f"P({name}) goes from {spaced(f'{y[0]:.1%} to {y[-1]:.1%}')}" for name, y, _ in lines]
    end = f"no ε up to {x[-1]:.4g} fools" if smallest is None else f"the smallest ε that fools is {smallest:.4g}"
    return f"As ε grows from {x[0]:.4g} to {x[-1]:.4g}, {', '.join(ways)}; {end}."


def transfer(
    names: Sequence[str],
    p_true_clean: ArrayLike,
    p_true_adversarial: ArrayLike,
    predicted: Sequence[str],
    fooled: Sequence[bool],
    *,
    source: str | None = None,
    classes: Sequence[str] = (),
    look: Theme = LIGHT,
) -> go.Figure:
    """One adversarial image on every network, a row each: P(true class) before → after, and the verdict.

    names: networks (M,), top to bottom as given; p_true_*: (M,) in [0, 1]; predicted: the class each now sees; fooled:
    is that wrong? source: the network the image was made on, in bold. classes: names that other charts may show for
    the same networks; with the same ones, all have one plot width. Raises UserError where the lengths differ.
    """
    before, after = numbers(p_true_clean), numbers(p_true_adversarial)
    if not len(names) == len(before) == len(after) == len(predicted) == len(fooled):
        raise UserError("every network needs a clean and an adversarial probability, a predicted class and a verdict")
    rows = list(range(len(names)))
    chart = figure(
        look,
        height=78 + 30 * len(rows),
        alt=_transfer_alt(names, before, after, predicted, fooled),
        hovermode="closest",
    )
    both = np.isfinite(before) & np.isfinite(after)
    chart.add_trace(
        go.Scatter(
            x=[v for i in rows for v in ((before[i], after[i], None) if both[i] else (None, None, None))],
            y=[v for i in rows for v in (i, i, None)],
            mode="lines",
            line={"color": look.muted, "width": 2},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    for name, values, colour, symbol in (
        ("clean image", before, look.clean, "circle"),
        ("adversarial image", after, look.adversarial, "x"),
    ):
        chart.add_trace(
            go.Scatter(
                name=name,
                x=gapped(values),
                y=rows,
                mode="markers",
                cliponaxis=False,
                marker={
                    "color": colour,
                    "size": 11,
                    "symbol": symbol,
                    "opacity": 1,
                    "line": {"color": look.page, "width": 1.5},
                },
                customdata=[label(n, 48) for n in names],
                hovertext=in_percents(values),
                hovertemplate="%{customdata}<br>" + name + ": P(true class) %{hovertext}<extra></extra>",
            )
        )
    for i in rows:
        # The verdict is a word and a sign, not a colour alone.
        words = f"✗ fooled: {label(predicted[i], 18)}" if fooled[i] else f"✓ {label(predicted[i], 18)}"
        colour = look.adversarial if fooled[i] else look.good
        chart.add_annotation(
            note(look, words, xref="paper", x=1, xanchor="left", y=i, yanchor="middle", xshift=10)
            | {"font": {"size": 12, "color": colour}}
        )
    gaps = int((~np.isfinite(before)).sum() + (~np.isfinite(after)).sum())
    title = "P(true class)" + (f" · {gaps} not finite: no mark" if gaps else "")
    ticks = [f"<b>{label(n, 26)}</b>" if n == source else label(n, 26) for n in names]
    chart.update_xaxes(share_axis(look, title, range=[-0.02, 1.02]))
    chart.update_yaxes(
        axis(look, tickvals=rows, ticktext=ticks, range=[len(rows) - 0.5, -0.5], ticklabelstandoff=6)
        | {"tickfont": {"size": 13, "color": look.ink}}
    )
    widest = max([len(p[:18]) + (10 if hit else 2) for p, hit in zip(predicted, fooled, strict=True)], default=0)
    room = {"t": 34, "r": 22 + 7 * widest}
    if classes:
        # Sized for any verdict, and for names in bold, so that which network made the image moves no axis.
        chart.update_yaxes(automargin=False)
        room |= {"r": 22 + 7 * (10 + max(len(c[:18]) for c in classes))}
        room |= {"l": 16 + 8 * max((len(n[:26]) for n in names), default=0)}
    chart.update_layout(margin=room)
    return chart


def _transfer_alt(
    names: Sequence[str], before: np.ndarray, after: np.ndarray, predicted: Sequence[str], fooled: Sequence[bool]
) -> str:
    rows = [
        f"{n}: {spaced(f'{b:.1%} to {a:.1%}')}, sees {p}"
        for n, b, a, p in zip(names, before, after, predicted, strict=True)
    ]
    return f"The image fools {sum(map(bool, fooled))} of {len(names)} networks. P(true class) {'; '.join(rows)}."
