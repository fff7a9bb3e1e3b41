"""Percentages are written in one way on every page: "86.3 %", with a space that no line breaks at."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.pages.comparing import AW, PGD, STANDARD
from tests.pages.trained import TRAIN, add_run, story

UI = Path(__file__).parents[2] / "pages/ui"
WRITTEN = ("markdown", "caption", "info", "warning", "error", "success")
LENGTHS = {"left", "right", "top", "bottom", "width", "height"}  # of an ECharts option, where "53%" is a place
ODD = re.compile(r"\d ?%")


def words(value, key=""):
    """Every text in what a chart or a component was given."""
    if isinstance(value, str):
        return [] if key in LENGTHS or value.startswith("data:") else [value]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [text for k, part in items for text in words(part, k)]


def texts(app):
    found = [one.value for kind in WRITTEN for one in app.get(kind)]
    for element in app.get("html"):
        body = element.proto.body
        found += [] if "<style" in body else [re.sub(r"<[^>]*>", " ", body), *re.findall(r'title="([^"]*)"', body)]
    for chart in (*app.get("plotly_chart"), *app.get("echarts_chart")):
        found += words(json.loads(chart.proto.spec))
    for element in app.get("bidi_component"):
        found += words(json.loads(element.proto.json)) if element.proto.json else []
    for frame in app.dataframe:
        found += [str(cell) for column in frame.value.columns for cell in frame.value[column]]
    found += [option for box in app.selectbox for option in box.options]
    return found


@pytest.mark.parametrize(
    ("page", "chosen"),
    [
        ("app.py", {}),
        *(
            ("pages/1_Perturb.py", {"versus": STANDARD, "closer": closer, "steps": "2"})
            for closer in ("smallest", "transfer", "surface", "export")
        ),
        *(
            ("pages/2_Routing.py", {"model": AW, "ask": asked, "steps": "2", "filter": "stem.0:1"})
            for asked in ("override", "weights", "crowd")
        ),
        *(
            ("pages/3_Temperatures.py", {"model": PGD, "versus": AW, "ask": asked})
            for asked in ("pair", "bench", "confusion")
        ),
        (TRAIN, {"watch": PGD}),
        *(("pages/5_Compare.py", {"compare": opened}) for opened in ("eps", "classes", "transfer", "doubts")),
        ("pages/6_Library.py", {"model": PGD}),
    ],
)
def test_a_share_in_percent_has_its_space(open_page, zoo, page, chosen):
    add_run(zoo / PGD, story(3))
    app = open_page(page, **chosen)
    found = texts(app)
    assert [text for text in found if ODD.search(text)] == []
    assert any("\u00a0%" in text for text in found)


def test_what_the_browser_writes_has_its_space_too():
    lines = [line for path in UI.glob("*/*.js") for line in path.read_text().splitlines()]
    told = [line for line in lines if ".style." not in line and "style: `" not in line]
    assert [line for line in told if re.search(r"(?<!u00a0)%[\"`]", line)] == []
