"""Numbers as Plotly takes them. What is not finite becomes a gap, and the figure that has one says so."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robust_core.evaluation.measures import in_percent, spaced

Numbers = NDArray[np.float64]


def numbers(values: ArrayLike) -> Numbers:
    return np.asarray(values, dtype=np.float64)


def gapped(values: Numbers) -> list[float | None]:
    """Plotly draws a gap where it gets None; JSON knows neither NaN nor infinity."""
    return [float(v) if np.isfinite(v) else None for v in values]


def counted_in_percents(values: Numbers) -> list[str]:
    """Shares of images, each as `in_percent` writes it: never 0 or 100 where it is not; "" for a gap."""
    return [in_percent(float(v)) if np.isfinite(v) else "" for v in values]


def in_percents(values: Numbers, *, decimals: int = 1) -> list[str]:
    """Probabilities in percent with the space of `in_percent`, which no format of Plotly's has; "" for a gap. All with
    the same decimals: unlike a count's, a softmax's 0.999999 says no more than 100."""
    return [spaced(f"{v:.{decimals}%}") if np.isfinite(v) else "" for v in values]
