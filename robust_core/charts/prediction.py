"""What a network says of an image: the probability of each class, clean beside adversarial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from robust_core.charts.series import Numbers, gapped, in_percents, numbers
from robust_core.charts.theme import LIGHT, Theme, axis, figure, label, note, share_axis
from robust_core.evaluation.measures import spaced
from robust_core.types import UserError


def probabilities(
    class_names: Sequence[str],
    clean: ArrayLike,
    adversarial: ArrayLike | None = None,
    *,
    true: int | None = None,
    target: int | None = None,
    look: Theme = LIGHT,
    limit: int = 20,
    shown: int = 10,
) -> go.Figure:
    """Paired bars: each class's probability for the clean image and for the adversarial one, (K,) in [0, 1].

    true is marked ◆ and set in bold, the attack's target ◎. Up to `limit` classes all are drawn, in the data set's
    order; beyond it the `shown` most probable in either image, most probable first, and always those two.
    true None: the class is not known (a visitor's own picture). Values that are not finite have no bar, and the figure
    says how many. Raises UserError where the lengths differ.
    """
    names = list(class_names)
    before = numbers(clean)
    after = None if adversarial is None else numbers(adversarial)
    for row in (before, *(() if after is None else (after,))):
        if row.shape != (len(names),):
            raise UserError(f"{len(names)} class names need {len(names)} probabilities, got {row.shape}")
    chosen = _chosen(before, after, true, target, limit, shown)
    ticks = [_class_tick(names[k], k, true, target) for k in chosen]
    gaps = sum(int((~np.isfinite(row)).sum()) for row in (before, *(() if after is None else (after,))))
    chart = figure(
        look,
        height=70 + len(chosen) * (22 if after is None else 32),
        alt=_probabilities_alt(names, before, after, true),
        barmode="group",
        bargap=0.28,
        bargroupgap=0.08,
        showlegend=after is not None,
    )
    # y counts downwards, and a group draws its first trace on top: clean above adversarial.
    chart.add_trace(_bars("clean", before[chosen], [names[k] for k in chosen], look.clean, look))
    if after is not None:
        chart.add_trace(_bars("adversarial", after[chosen], [names[k] for k in chosen], look.adversarial, look))
    chart.update_xaxes(share_axis(look, range=[0, 1.12]))
    rows = list(range(len(chosen)))
    chart.update_yaxes(
        axis(look, tickvals=rows, ticktext=ticks, range=[len(chosen) - 0.5, -0.5], showgrid=False, ticklabelstandoff=6)
        | {"tickfont": {"size": 13, "color": look.ink}}
    )
    remarks = []
    if len(chosen) < len(names):
        remarks.append(f"{len(chosen)} of {len(names)} classes")
    if gaps:
        remarks.append(f"{gaps} values are not finite: no bar")
    if remarks:
        chart.update_layout(margin_t=34)
        chart.add_annotation(
            note(look, "; ".join(remarks), xref="paper", yref="paper", x=1, y=1.02, xanchor="right", yanchor="bottom")
        )
    return chart


def _bars(name: str, values: Numbers, classes: list[str], colour: str, look: Theme) -> go.Bar:
    # Below a half percent a printed figure says nothing that the empty bar does not.
    return go.Bar(
        name=name,
        orientation="h",
        y=list(range(len(values))),
        x=gapped(values),
        marker={"color": colour, "line": {"width": 0}, "cornerradius": 2},
        text=[word if v >= 0.005 else "" for v, word in zip(values, in_percents(values, decimals=0), strict=True)],
        textposition="outside",
        textfont={"size": 10.5, "color": look.muted},
        # Plotly would shrink the figures to the bar's thickness.
        constraintext="none",
        cliponaxis=False,
        customdata=[label(c, 60) for c in classes],
        hovertext=in_percents(values),
        hovertemplate="%{customdata}<br>" + name + " %{hovertext}<extra></extra>",
    )


def _chosen(
    before: Numbers, after: Numbers | None, true: int | None, target: int | None, limit: int, shown: int
) -> list[int]:
    if len(before) <= limit:
        return list(range(len(before)))
    best = np.nan_to_num(before if after is None else np.fmax(before, after), nan=-1, neginf=-1)
    order = np.argsort(-best, kind="stable")
    always = {k for k in (true, target) if k is not None}
    top = set(order[: max(0, shown - len(always - set(order[:shown].tolist())))].tolist()) | always
    return [int(k) for k in order if int(k) in top]


def _class_tick(name: str, k: int, true: int | None, target: int | None) -> str:
    text = label(name, 18)
    if k == true:
        return f"<b>◆ {text}</b>"
    return f"◎ {text}" if k == target else text


def _probabilities_alt(names: list[str], before: Numbers, after: Numbers | None, true: int | None) -> str:
    rows = [("Clean", before)] + ([] if after is None else [("adversarial", after)])
    parts = []
    for word, row in rows:
        if np.isfinite(row).any():
            k = int(np.nanargmax(np.where(np.isfinite(row), row, np.nan)))
            own = f", true class {names[true]} {spaced(f'{row[true]:.1%}')}" if true is not None and k != true else ""
            parts.append(f"{word}: {names[k]} {spaced(f'{row[k]:.1%}')}{own}")
        else:
            parts.append(f"{word}: no finite probability")
    return "Class probabilities. " + "; ".join(parts) + "."
