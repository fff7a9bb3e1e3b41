"""How filters are spread: small distributions, one a layer, of two networks or of one network under its router."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from robust_core.charts.series import Numbers, numbers
from robust_core.charts.theme import LIGHT, Theme, axis, faded, figure, label, note
from robust_core.types import UserError

BINS = 24
PANEL = 148  # px high


def distributions(
    samples: Mapping[str, Sequence[ArrayLike]],
    names: Sequence[str],
    *,
    distances: Mapping[str, float] | None = None,
    unit: str = "L2 norm of a filter",
    columns: int = 3,
    colours: Sequence[str] | None = None,
    look: Theme = LIGHT,
) -> go.Figure:
    """A panel a layer, in it one outline a sample: density over the values, all of a panel's in the same bins.

    samples: by layer one array (any length) for each of `names`. distances: by layer a number written into its panel.
    colours: without them the first is green and the second magenta, as the two networks of an attack's film are.
    Raises UserError where a layer has not one sample a name.
    """
    for layer, given in samples.items():
        if len(given) != len(names):
            raise UserError(f"{layer}: {len(given)} samples for {len(names)} names")
    paint = list(colours or (look.good, look.categories[1], look.muted))
    columns = max(1, min(columns, len(samples)))
    rows = max(1, math.ceil(len(samples) / columns))
    chart = figure(look, height=64 + PANEL * rows, alt=_alt(samples, names, distances), margin_t=30, margin_b=44)
    for n, (layer, given) in enumerate(samples.items()):
        _panel(chart, n, columns, rows, layer, [numbers(g).ravel() for g in given], names, paint, look)
        if distances is not None:
            text = f"<b>{label(layer)}</b>  W₁ = {distances[layer]:.3g}"
        else:
            text = f"<b>{label(layer)}</b>"
        suffix = str(n + 1) if n else ""
        chart.add_annotation(
            note(look, text, xref=f"x{suffix} domain", yref=f"y{suffix} domain", x=0, y=1, yanchor="bottom")
            | {"font": {"size": 12, "color": look.ink}}
        )
    chart.add_annotation(
        note(look, f"across: {unit}; up: density", xref="paper", yref="paper", x=0, y=0, yanchor="top", yshift=-24)
    )
    return chart


def _panel(
    chart: go.Figure,
    n: int,
    columns: int,
    rows: int,
    layer: str,
    given: Sequence[Numbers],
    names: Sequence[str],
    paint: Sequence[str],
    look: Theme,
) -> None:
    row, column = divmod(n, columns)
    suffix = str(n + 1) if n else ""
    finite = [g[np.isfinite(g)] for g in given]
    whole = np.concatenate(finite) if finite else np.zeros(0)
    # The far tails of single weights would press everything else into one bin.
    low, high = np.quantile(whole, [0.001, 0.999]) if len(whole) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    for name, values, colour in zip(names, finite, paint, strict=False):
        counts = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)[0]
        density = counts / max(len(values), 1) / (edges[1] - edges[0])
        chart.add_trace(
            go.Scatter(
                name=label(name, 32),
                legendgroup=name,
                showlegend=n == 0,
                x=np.repeat(edges, 2),
                y=np.concatenate([[0], np.repeat(density, 2), [0]]),
                mode="lines",
                line={"color": colour, "width": 1.6},
                fill="tozeroy",
                fillcolor=faded(colour, 0.14),
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
                hovertemplate=f"{label(name)}<br>{label(layer)}: %{{x:.3g}}<extra></extra>",
            )
        )
    width, height = 1 / columns, 1 / rows
    across = [column * width + 0.01, (column + 1) * width - 0.01]
    up = [1 - (row + 1) * height + 0.22 * height, 1 - row * height - 0.12 * height]
    chart.update_layout(
        {
            f"xaxis{suffix}": axis(look, domain=across, nticks=4, showgrid=False, anchor=f"y{suffix}"),
            f"yaxis{suffix}": axis(
                look, domain=up, showticklabels=False, showgrid=False, anchor=f"x{suffix}", rangemode="tozero"
            ),
        }
    )


def _alt(
    samples: Mapping[str, Sequence[ArrayLike]], names: Sequence[str], distances: Mapping[str, float] | None
) -> str:
    told = []
    for layer, given in samples.items():
        means = ", ".join(f"{name} mean {numbers(g).mean():.3g}" for name, g in zip(names, given, strict=True))
        told.append(f"{layer}: {means}" + (f", distance {distances[layer]:.3g}" if distances else ""))
    return f"Distributions by layer. {'; '.join(told)}."
