"""A training as it goes: accuracies, named losses, the method's own quantities, over steps, epochs or seconds.

The one figure here that is no Plotly figure but an ECharts option: it is drawn anew every second or so, and Streamlit
draws ECharts into the figure that stands there, while it builds a changed Plotly figure from nothing, which blinks.
Steps jump about, so their curves are smoothed; behind every smoothed line stand the raw values themselves, or, where
there are more of them than pixels, strokes from the lowest to the highest: no extreme is ever hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robust_core.charts.curves import (
    POINTS,
    Axis,
    Panel,
    Told,
    end,
    envelope,
    panels,
    place_kept,
    place_of,
    places,
    said,
    smoothed,
    unit,
    values,
)
from robust_core.charts.series import Numbers
from robust_core.charts.theme import FONT, LIGHT, Theme, faded
from robust_core.types import UserError

DASHES: tuple[Any, ...] = ("solid", "dotted", "dashed", [8, 3, 2, 3])  # the run itself, and those beside it
SIGNS = ("━━", "┄┄", "╍╍", "━╍")
MOST = len(DASHES)
PANEL, TOP = 178, 30  # px: a row with its title and its axis; the line that tells the runs apart


@dataclass(frozen=True, kw_only=True)
class Growing:
    """option: for ECharts' setOption, as JSON. height in px. alt: the figure in words."""

    option: Mapping[str, Any]
    height: int
    alt: str


def training(runs: Sequence[Told], *, by: Axis = "step", smooth: int = 5, look: Theme = LIGHT) -> Growing:
    """All that these runs have told, a panel a quantity, on one axis; colour is the quantity, dash the run.

    smooth: logged steps that a smoothed value is the mean of, about; 1 draws the raw values alone. A change on the way
    is a line at its step, the epoch whose weights are kept one in its run's dash. Raises UserError for no run, or more
    than MOST.
    """
    if not 1 <= len(runs) <= MOST:
        raise UserError(f"1 to {MOST} runs can be drawn together; got {len(runs)}")
    drawn, top = panels(runs), TOP if len(runs) > 1 else 4
    last = max(end(run, by) for run in runs)
    option: dict[str, Any] = {
        "animation": False,
        "textStyle": {"fontFamily": FONT},
        "tooltip": _tooltip(look),
        "title": _key(runs, look),
        **{part: [] for part in ("grid", "xAxis", "yAxis", "series")},
    }
    for n, panel in enumerate(drawn):
        at = top + n // 2 * PANEL
        below = unit(by) if n + 2 >= len(drawn) else ""
        place = {"top": at + 26, "height": PANEL - 66}
        option["grid"].append(place | ({"left": 46, "right": "53%"} if n % 2 == 0 else {"left": "54%", "right": 14}))
        option["xAxis"].append(_across(n, last, below, look))
        option["yAxis"].append(_up(n, panel, look))
        names = _draw(option["series"], panel, n, runs, by, smooth, look)
        option["title"].append(_title(panel, names, n, at, look))
    if not drawn:
        option["title"].append({"text": "nothing told yet", "textStyle": {"fontSize": 12, "color": look.muted}})
    rows = max(1, (len(drawn) + 1) // 2)
    return Growing(option=option, height=top + rows * PANEL + 6, alt=said(runs))


def _tooltip(look: Theme) -> dict[str, Any]:
    style = {"color": look.ink, "fontSize": 12, "fontFamily": FONT}
    rule = {"type": "line", "lineStyle": {"color": look.muted, "type": "dotted"}}
    plain = {"backgroundColor": look.page, "borderColor": look.grid, "confine": True, "transitionDuration": 0}
    return plain | {"trigger": "axis", "textStyle": style, "axisPointer": rule}


def _across(n: int, last: float, name: str, look: Theme) -> dict[str, Any]:
    words = {"color": look.muted, "fontSize": 11, "hideOverlap": True, "showMaxLabel": False}
    named = {"name": name, "nameLocation": "middle", "nameGap": 22, "nameTextStyle": words}
    return named | {
        "type": "value", "gridIndex": n, "min": 0, "max": last, "splitNumber": 5, "splitLine": {"show": False},
        "axisLabel": words, "axisLine": {"show": False}, "axisTick": {"show": False},
    }  # fmt: skip


def _up(n: int, panel: Panel, look: Theme) -> dict[str, Any]:
    words = {"color": look.muted, "fontSize": 11} | ({"formatter": "{value}\u00a0%"} if panel.share else {})
    reach = {"min": 0, "max": 100, "interval": 50} if panel.share else {"scale": True, "splitNumber": 3}
    return reach | {
        "type": "value", "gridIndex": n, "axisLabel": words, "splitLine": {"lineStyle": {"color": look.grid}},
        "axisLine": {"show": False}, "axisTick": {"show": False},
    }  # fmt: skip


def _title(panel: Panel, names: Mapping[str, str], n: int, top: int, look: Theme) -> dict[str, Any]:
    """The quantity, and the curves by colour and name."""
    rich = {f"c{i}": {"color": colour, "fontSize": 12} for i, colour in enumerate(names.values())}
    words = "   ".join(f"{{c{i}|● {_plain(name)}}}" for i, name in enumerate(names))
    style = {"fontSize": 12, "fontWeight": "normal", "color": look.ink, "rich": rich}
    return {"text": f"{panel.title}   {words}", "left": 40 if n % 2 == 0 else "53.3%", "top": top, "textStyle": style}


def _key(runs: Sequence[Told], look: Theme) -> list[dict[str, Any]]:
    if len(runs) == 1:
        return []
    text = "      ".join(f"{sign} {_plain(run.name)}" for run, sign in zip(runs, SIGNS, strict=False))
    style = {"fontSize": 12, "fontWeight": "normal", "color": look.ink, "width": 900, "overflow": "truncate"}
    return [{"text": text, "left": 40, "top": 2, "textStyle": style}]


def _plain(name: str) -> str:
    """A user's words where ECharts reads markup."""
    short = name if len(name) <= 40 else name[:39] + "…"
    return short.translate(str.maketrans("{}|", "()/"))


def _draw(
    series: list[dict[str, Any]], panel: Panel, n: int, runs: Sequence[Told], by: Axis, smooth: int, look: Theme
) -> dict[str, str]:
    """Adds the panel's curves; returns the names and colours that its title should tell."""
    colours, told = _colours(list(panel.curves), look), dict[str, str]()
    place = {"type": "line", "xAxisIndex": n, "yAxisIndex": n}
    scale = 100 if panel.share else 1
    lines: list[dict[str, Any]] = [{"yAxis": panel.base * scale}] if panel.base is not None else []
    lines += [{"xAxis": at} for run in runs for c in run.changes if np.isfinite(at := place_of(run, c, by))]
    lines += _kept(runs, by, named=n == 0, look=look)
    for run, dash in zip(runs, DASHES, strict=False):
        events = run.steps if panel.kind == "steps" else run.epochs
        x = places(run, events, by)
        for name, key in panel.curves.items():
            y = values(events, key) * scale
            if not np.isfinite(y).any():
                continue
            quiet = name.startswith(" ")
            colour = faded(look.muted, 0.35) if quiet else colours[name]
            told |= {name: colour} if name and not quiet else {}
            if panel.smooth and smooth > 1 and len(y) > 2:
                series.append(place | _raw(x, y, colour))
                y = smoothed(y, smooth)
            curve = place | {
                "name": ", ".join(filter(None, (name.strip() or panel.title, run.name if len(runs) > 1 else ""))),
                "data": _points(x, y),
                "lineStyle": {"color": colour, "width": 1 if quiet else 2, "type": dash},
                "itemStyle": {"color": colour},
                "symbol": "circle",
                "symbolSize": 5,
                "showSymbol": not quiet and (len(y) == 1 or (panel.kind == "epochs" and len(y) <= 40)),
                "tooltip": {"show": False} if quiet else {"valueFormatter": "%.1f\u00a0%%" if panel.share else "%.4g"},
            }
            if lines:
                style = {"color": look.muted, "width": 1, "type": "dotted"}
                curve["markLine"] = {
                    "silent": True, "symbol": "none", "label": {"show": False}, "lineStyle": style, "data": lines,
                }  # fmt: skip
                lines = []
            series.append(curve)
    return told


def _kept(runs: Sequence[Told], by: Axis, *, named: bool, look: Theme) -> list[dict[str, Any]]:
    """A rule where each run's weights are from; the word on it where `named`, for a panel's height says no more."""
    word = {"show": named, "formatter": "kept", "position": "insideStartTop", "rotate": 0, "distance": [4, 3]}
    word |= {"color": look.muted, "fontSize": 11}
    found = [(place_kept(run, by), dash) for run, dash in zip(runs, DASHES, strict=False)]
    style = {"color": look.muted, "width": 1}
    return [{"xAxis": at, "label": word, "lineStyle": style | {"type": dash}} for at, dash in found if np.isfinite(at)]


def _raw(x: Numbers, y: Numbers, colour: str) -> dict[str, Any]:
    """What a smoothed line is the mean of: each value, or strokes from the lowest to the highest of a few."""
    if len(x) > POINTS:
        at, low, high = envelope(x, y)
        x, y = np.repeat(at, 2), np.stack([low, high], axis=1).ravel()
    line = {"color": faded(colour, 0.3), "width": 1}
    bare = {"showSymbol": False, "silent": True, "tooltip": {"show": False}}
    return bare | {"data": _points(x, y), "lineStyle": line, "itemStyle": {"color": line["color"]}}


def _points(x: Numbers, y: Numbers) -> list[list[float | None]]:
    """What is not finite is a gap; five digits are more than a screen has."""
    return [[float(f"{a:.6g}"), float(f"{b:.5g}") if np.isfinite(b) else None] for a, b in zip(x, y, strict=True)]


def _colours(names: list[str], look: Theme) -> dict[str, str]:
    """Clean is blue and adversarial vermilion, whatever else the name says; the rest in the theme's order."""
    fixed = (("robust", "adv"), look.adversarial), (("clean", "nat", "accurate"), look.clean)
    found: dict[str, str] = {}
    spare = list(look.categories)
    for name in names:
        hit = next((colour for words, colour in fixed if any(word in name for word in words)), None)
        found[name] = look.ink if not name else hit if hit and hit not in found.values() else spare.pop(0)
        spare = spare or list(look.categories)
    return found
