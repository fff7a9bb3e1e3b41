"""Colours, type and the empty figure that every chart starts from.

Clean is blue and adversarial is vermilion everywhere in the project. The hues are Okabe & Ito's (2008), which stay
apart under every common colour blindness; the dark theme takes lighter steps of the same hues. Backgrounds are
transparent, so a chart lies on whatever page holds it. Show figures as they are (in Streamlit: `theme=None`).
"""

from __future__ import annotations

import html
import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

ThemeName = Literal["light", "dark"]
Colour = str  # "#rrggbb"

# The page's own font, then ones of about its width: a figure saved as a picture is laid out here and drawn without it.
FONT = '"Source Sans", "Source Sans 3", "Source Sans Pro", Helvetica, Arial, "Liberation Sans", sans-serif'


LINE, HIGH = 100, 15  # of a line below a figure, which may be half a page wide: letters, px
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a share's axis
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # between round shares
FOOT = 54  # px below a plot that its axis takes: ticks and a title, with what lines below rise above their place


@dataclass(frozen=True, kw_only=True)
class Theme:
    """One look. page: the background the colours were chosen for, also the halo around marks. categories: for
    things that are neither clean nor adversarial (objectives), in a fixed order."""

    name: ThemeName
    page: Colour
    ink: Colour
    muted: Colour
    grid: Colour
    clean: Colour
    adversarial: Colour
    good: Colour
    categories: tuple[Colour, ...]


LIGHT = Theme(
    name="light",
    page="#ffffff",
    ink="#262730",
    muted="#5b6472",
    grid="#e3e6eb",
    clean="#0072b2",
    adversarial="#d55e00",
    good="#00805c",
    categories=("#009e73", "#aa4499", "#b07d00", "#332288", "#cc6677", "#117733", "#6b7a00", "#7d6650"),
)
DARK = Theme(
    name="dark",
    page="#0e1117",
    ink="#fafafa",
    muted="#a3abb8",
    grid="#2b303b",
    clean="#56b4e9",
    adversarial="#f0803c",
    good="#2fbf96",
    categories=("#2fbf96", "#cc79a7", "#e69f00", "#8f86e0", "#e2808f", "#5fae6e", "#b5b84c", "#cdb79b"),
)


def theme(name: str) -> Theme:
    """ "light" or "dark"; anything else (a page that does not know yet) is light."""
    return DARK if name == "dark" else LIGHT


def figure(look: Theme, *, height: int, alt: str, **layout: Any) -> go.Figure:
    """An empty figure in this look. height in px; alt: what the figure shows, with its numbers, in a sentence."""
    settings: dict[str, Any] = {
        "template": go.layout.Template(),
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "paper_bgcolor": look.page,  # so that a picture of it can be read wherever it is put
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": look.ink},
        "hoverlabel": {
            "bgcolor": look.page,
            "bordercolor": look.muted,
            "font": {"family": FONT, "size": 13, "color": look.ink},
            "align": "left",
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12},
            "bgcolor": "rgba(0,0,0,0)",
        },
        "dragmode": False,
        "meta": {"alt": alt},
    }
    return go.Figure(layout={**settings, **layout})


def axis(look: Theme, title: str = "", **settings: Any) -> dict[str, Any]:
    """One axis in this look: hairline grid, no frame, labels that keep their room."""
    return {
        "title": {"text": title, "font": {"size": 12, "color": look.muted}, "standoff": 6},
        "gridcolor": look.grid,
        "gridwidth": 1,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "tickfont": {"size": 12, "color": look.muted},
        "ticklabelstandoff": 4,
        "automargin": True,
        "fixedrange": True,
        **settings,
    }


def share_axis(look: Theme, title: str = "", *, at: Sequence[float] = QUARTERS, **settings: Any) -> dict[str, Any]:
    """An axis of shares in [0, 1], its ticks in percent as `in_percent` writes them, which no format of Plotly's does.
    at: where they stand."""
    told = [f"{100 * share:.4g}\u00a0%" for share in at]
    return axis(look, title, **{"tickvals": list(at), "ticktext": told, **settings})


def round_shares(low: float, high: float, most: int = 8) -> list[float]:
    """Round shares within a range, at most so many or hardly more: ticks where a range is not known beforehand."""
    step = next((s for s in STEPS if (high - low) / s <= most), 1.0)
    return [round(k * step, 6) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def note(look: Theme, text: str, **place: Any) -> dict[str, Any]:
    """A quiet remark inside a figure, as an annotation."""
    settings: dict[str, Any] = {
        "text": text,
        "showarrow": False,
        "font": {"size": 11, "color": look.muted},
        "align": "left",
        "xanchor": "left",
        "yanchor": "top",
    }
    return {**settings, **place}


def taken_along(name: str) -> dict[str, Any]:
    """How Plotly is to show a figure: no tool over it but the one that saves it as a picture, large enough to print."""
    file = re.sub(r"[^A-Za-z0-9]+", "_", f"robustlens {name}").strip("_")
    picture = {"format": "png", "scale": 3, "filename": file}
    return {"scrollZoom": False, "displaylogo": False, "modeBarButtons": [["toImage"]], "toImageButtonOptions": picture}


def signed(chart: go.Figure, told: str, look: Theme = LIGHT) -> go.Figure:
    """The figure with a line below it on whom it shows and how it was measured: a picture stands without its page."""
    chart, lines = go.Figure(chart), textwrap.wrap(told, LINE)
    room = HIGH * len(lines) + 6
    height = chart.layout.height + room
    chart.update_layout(
        title={
            "text": "<br>".join(html.escape(line, quote=False) for line in lines),
            "font": {"size": 11, "color": look.muted},
            "x": 0, "xanchor": "left", "pad": {"l": 8},
            "y": room / height, "yref": "container", "yanchor": "top",
        },
        height=height,
        margin_b=room + max(chart.layout.margin.b, FOOT),  # said here: an axis that takes its own would lie over it
    )  # fmt: skip
    return chart


def alt(chart: go.Figure) -> str:
    """The sentence that stands for a figure where it cannot be seen."""
    return str((chart.layout.meta or {}).get("alt", ""))


def label(name: str, limit: int = 24) -> str:
    """A user's name (of a class, of a checkpoint) as plain text: Plotly reads tags, and long names eat the figure."""
    short = name if len(name) <= limit else name[: limit - 1] + "…"
    return html.escape(short, quote=False)


def halo(look: Theme) -> str:
    """A CSS text shadow in the page's colour: words stay readable where they cross a line."""
    return ", ".join([f"0 0 3px {look.page}"] * 3)


def mixed(colour: Colour, into: Colour, share: float) -> Colour:
    """`share` of one colour in another, opaque: for scales whose legend must show the very same colours."""
    parts = [(int(colour[i : i + 2], 16), int(into[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def faded(colour: Colour, opacity: float) -> str:
    """The colour, see-through: opacity in [0, 1]."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
