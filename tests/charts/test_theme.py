"""Both looks: readable, and clean never mistaken for adversarial, with or without colour vision."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from robust_core.charts import DARK, LIGHT, Theme, alt, signed, taken_along, theme
from robust_core.charts.series import in_percents
from robust_core.charts.theme import axis, figure, label, mixed, round_shares, share_axis

ROOT = Path(__file__).parents[2]
# Streamlit's page and its second surface.
SURFACES = {"light": ("#ffffff", "#f0f2f6"), "dark": ("#0e1117", "#262730")}
# Machado et al. 2009, severity 1, on linear RGB.
SEEN_BY = {
    "all": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG's ratio, 1 to 21."""
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(colour: str, eye: str) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(SEEN_BY[eye] @ linear(colour), 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_words_and_marks_stand_out_from_the_page(look: Theme) -> None:
    for surface in SURFACES[look.name]:
        assert contrast(look.ink, surface) >= 7
        assert contrast(look.muted, surface) >= 4.5
        for mark in (look.clean, look.adversarial, look.good, *look.categories):
            assert contrast(mark, surface) >= 3, mark


@pytest.mark.parametrize("eye", SEEN_BY)
@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_clean_and_adversarial_differ_for_every_eye(look: Theme, eye: str) -> None:
    # 2.3 is a just noticeable difference in CIELAB; what a red-green deficiency confuses lies below ten.
    assert np.linalg.norm(lab(look.clean, eye) - lab(look.adversarial, eye)) > 40
    assert np.linalg.norm(lab(look.good, eye) - lab(look.adversarial, eye)) > 15


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_objectives_have_colours_of_their_own(look: Theme) -> None:
    taken = (look.clean, look.adversarial, look.muted)
    for one, other in combinations(look.categories, 2):
        assert np.linalg.norm(lab(one, "all") - lab(other, "all")) > 15, (one, other)
    assert not set(look.categories) & set(taken)


def test_theme_by_name_is_light_where_the_page_does_not_know() -> None:
    assert theme("dark") is DARK
    assert theme("light") is LIGHT
    assert theme("") is LIGHT


def test_a_figure_stands_on_its_page_and_carries_its_sentence() -> None:
    chart = figure(DARK, height=200, alt="Three of 10.")
    assert chart.layout.paper_bgcolor == DARK.page  # a saved picture of it can be read on any slide
    assert chart.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert chart.layout.font.color == DARK.ink
    assert alt(chart) == "Three of 10."
    assert alt(go.Figure()) == ""
    assert axis(LIGHT, nticks=3)["nticks"] == 3


def test_a_figure_is_taken_along_under_a_name_any_file_system_takes() -> None:
    tools = taken_along("epsilon_fashion_mnist/aw_net <b>")
    assert tools["modeBarButtons"] == [["toImage"]]
    assert tools["toImageButtonOptions"]["filename"] == "robustlens_epsilon_fashion_mnist_aw_net_b"


def test_a_picture_says_below_itself_what_it_shows() -> None:
    bare = figure(DARK, height=200, alt="Three of 10.", margin_b=60)
    chart = signed(bare, "A <b> & " + "word " * 40, DARK)
    lines = chart.layout.title.text.split("<br>")
    assert lines[0].startswith("A &lt;b&gt; &amp; word")
    assert len(lines) == 3
    assert all(len(line) < 120 for line in lines)
    # Below what was there: the plot keeps its height, and the lines stand in the room that was added.
    assert chart.layout.height - chart.layout.margin.b == 200 - 60
    assert chart.layout.height * chart.layout.title.y == pytest.approx(chart.layout.height - 200)
    assert (bare.layout.height, bare.layout.title.text) == (200, None)


def test_two_networks_have_the_colours_of_their_lanes_in_a_film() -> None:
    lanes = re.findall(r"--lane-([ab]): (#\w+)", (ROOT / "pages/ui/player/player.css").read_text())
    assert lanes[:2] == [("a", LIGHT.good), ("b", LIGHT.categories[1])]
    assert lanes[2:] == [("a", DARK.good), ("b", DARK.categories[1])]


def test_shares_are_told_in_percent_with_a_space() -> None:
    assert in_percents(np.array([0.863, 0.9999999, np.nan])) == ["86.3\u00a0%", "100.0\u00a0%", ""]
    assert in_percents(np.array([0.126]), decimals=0) == ["13\u00a0%"]
    across = share_axis(LIGHT, "share", at=(0, 0.125, 1), range=[0, 1])
    assert (across["tickvals"], across["ticktext"]) == ([0, 0.125, 1], ["0\u00a0%", "12.5\u00a0%", "100\u00a0%"])
    assert "tickformat" not in across  # Plotly's would stand first


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.41, 0.79, [0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75]),
        (0.583, 0.597, [0.584, 0.586, 0.588, 0.59, 0.592, 0.594, 0.596]),
    ],
)
def test_round_shares_fill_a_range_and_stay_in_it(low: float, high: float, found: list[float]) -> None:
    assert round_shares(low, high) == pytest.approx(found)


def test_names_are_plain_text_of_bounded_length() -> None:
    assert label("<b>cat</b> & dog", 40) == "&lt;b&gt;cat&lt;/b&gt; &amp; dog"
    assert label("x" * 30, 10) == "x" * 9 + "…"


def test_mixed_goes_from_one_colour_to_the_other() -> None:
    assert mixed("#ff8000", "#000000", 0.0) == "#000000"
    assert mixed("#ff8000", "#000000", 1.0) == "#ff8000"
    assert mixed("#ff8000", "#000000", 0.5) == "#804000"
