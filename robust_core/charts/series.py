"""Numbers as Plotly takes them. What is not finite becomes a gap, and the figure that has one says so."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]


def numbers(values: ArrayLike) -> Numbers:
    return np.asarray(values, dtype=np.float64)


def gapped(values: Numbers) -> list[float | None]:
    """Plotly draws a gap where it gets None; JSON knows neither NaN nor infinity."""
    return [float(v) if np.isfinite(v) else None for v in values]
