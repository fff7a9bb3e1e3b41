"""What the chart tests share: reading a figure back as a browser would."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import plotly.graph_objects as go


def sent(chart: go.Figure) -> dict[str, Any]:
    """The figure as it goes over the wire; refuses NaN and infinity, which no browser parses, and a tip with a point
    that it has no words for."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in the figure")

    read: dict[str, Any] = json.loads(chart.to_json(), parse_constant=refuse)
    for trace in read["data"]:
        if "%{hovertext}" in trace.get("hovertemplate", ""):
            assert len(trace["hovertext"]) == len(values(trace["x"])), trace["hovertemplate"]
    return read


def values(array: Any) -> list[float | None]:
    """Numbers of a trace, whether written out or packed."""
    if isinstance(array, dict):
        return list(np.frombuffer(base64.b64decode(array["bdata"]), dtype=array["dtype"]).tolist())
    return list(array)


def words(chart: go.Figure) -> str:
    """All the free text on a figure."""
    return " | ".join(a.text or "" for a in chart.layout.annotations)
