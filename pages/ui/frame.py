"""The frame every page stands in: page set-up, menu, process-wide settings, and a boundary that keeps errors local."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
import torch
from PIL import Image, ImageDraw
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from pages.ui import link
from robust_core import charts
from robust_core.library.limits import read_only
from robust_core.types import UserError

ROOT = Path(__file__).parents[2]
PAGES = (  # path from the app's folder, label, icon; a page joins by one line, and is listed once its file is there
    ("app.py", "Home", ":material/scatter_plot:"),
    ("pages/1_Perturb.py", "Perturb", ":material/blur_on:"),
    ("pages/2_Routing.py", "Routing", ":material/alt_route:"),
    ("pages/3_Temperatures.py", "Temperatures", ":material/thermostat:"),
    ("pages/4_Train.py", "Train", ":material/model_training:"),
    ("pages/5_Compare.py", "Compare", ":material/leaderboard:"),
    ("pages/6_Library.py", "Library", ":material/inventory_2:"),
)


def frame(title: str) -> None:
    """Sets the page up and draws the menu. Every page calls this first."""
    st.set_page_config(page_title=f"{title} · RobustLens", page_icon=_icon(), layout="wide")
    settle_process()
    st.html(Path(__file__).with_name("style.css"))
    link.arrive(title)
    with st.sidebar:
        st.html('<div class="brand">Robust<b>Lens</b></div>')
        chosen = link.for_menu()
        for path, label, icon in PAGES:
            if (ROOT / path).is_file():
                st.page_link(path, label=label, icon=icon, query_params=chosen)


def respelled() -> list[Route]:
    """Routes from /perturb to /Perturb: Streamlit tells the two apart, and would show Home without a word."""

    def to(label: str) -> Route:
        async def redirect(request: Request) -> RedirectResponse:
            return RedirectResponse(f"{label}?{request.url.query}".rstrip("?"))

        return Route(f"/{label.lower()}", redirect)

    return [to(label) for path, label, _ in PAGES if path.startswith("pages/")]


class ImagesMissingError(UserError):
    """A page needs the test images of a network, and they are not on this machine. sets: names of those that would
    do and can be downloaded."""

    def __init__(self, told: str, sets: Sequence[str]) -> None:
        super().__init__(told)
        self.sets = tuple(sets)


@contextmanager
def guarded(what: str = "") -> Iterator[None]:
    """A boundary around a section: a UserError becomes one sentence on screen, and the rest of the page goes on."""
    try:
        yield
    except ImagesMissingError as missing:  # nothing is wrong: there is a next step
        st.info(verbatim(str(missing)), icon=":material/photo_library:")
        if missing.sets and not read_only():
            st.page_link("pages/6_Library.py", label="Get them on the Library page", icon=":material/download:",
                         query_params=link.params() | {"shelf": "sets", "set": missing.sets[0]})  # fmt: skip
    except UserError as error:
        told = verbatim(str(error))
        st.error(f"{verbatim(what)}: {told}" if what else told, icon=":material/error:")


def verbatim(text: str) -> str:
    """Text as Markdown that shows it as it is. For whatever people called their networks, sets and files."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!|<>$:~&" else c for c in text)


def look() -> charts.Theme:
    """The charts' theme that fits the visitor's."""
    return charts.theme(st.context.theme.type or "light")


def colours() -> str:
    """The theme's colours as CSS variables, for a style attribute: c clean, a adversarial, q quiet, ok good."""
    now = look()
    return f"--c:{now.clean};--a:{now.adversarial};--q:{now.muted};--ok:{now.good}"


def show(chart: object, key: str, *, told: str = "", **settings: object) -> object:
    """A Plotly figure of robust_core.charts as it is, with its sentence for those who cannot see it; to be taken along
    as a picture from the button that appears over it. told: a line for that picture alone, as plain text; the page says
    it beside the figure."""
    config = charts.taken_along(key)
    chart = charts.signed(chart, told, look()) if told else chart
    return st.plotly_chart(chart, theme=None, key=key, alt=charts.alt(chart), config=config, **settings)


@st.cache_resource(show_spinner=False)
def settle_process() -> None:
    """Once a process. One thread is twice as fast as two on single small images, and visitors share the cores."""
    torch.set_num_threads(1)


@st.cache_resource(show_spinner=False)
def _icon() -> Image.Image:
    """A lens, half clean and half adversarial. Drawn here: Streamlit would fetch a named icon from the internet."""
    icon = Image.new("RGBA", (64, 64))
    pen = ImageDraw.Draw(icon)
    pen.pieslice((4, 4, 60, 60), 90, 270, fill="#0072b2")
    pen.pieslice((4, 4, 60, 60), 270, 90, fill="#d55e00")
    return icon
