"""Home: the scatter from the cards, the live miniature, the three cards."""

from __future__ import annotations

import json
import shutil

import pytest

from pages.ui import pickers
from pages.ui.home_tradeoff import wilson
from robust_core.checkpoints import CARD


def texts(app):
    return " ".join(
        [m.value for m in app.markdown] + [c.value for c in app.caption] + [h.proto.body for h in app.get("html")]
    )


def figure(app):
    return json.loads(app.get("plotly_chart")[0].proto.spec)


def test_scatter_shows_what_the_cards_say(open_page):
    chart = figure(open_page())
    ids = {
        row[0]: (x, y)
        for t in chart["data"]
        if t.get("customdata")
        for row, x, y in zip(t["customdata"], t["x"], t["y"], strict=True)
    }
    assert ids["fashion_mnist/standard"] == (0.90, 0.02)
    assert ids["fashion_mnist/aw_net"] == (0.82, 0.58)


def test_miniature_is_computed_for_every_network(open_page):
    shown = texts(open_page())
    for title in ("Standard", "PGD-AT", "AW-Net"):
        assert title in shown
    assert "PGD-20" in shown
    assert "seed 0" in shown


def test_another_picture_changes_the_index_for_all_pages(open_page, monkeypatch):
    monkeypatch.setattr(pickers.random, "randrange", lambda n: n - 11)
    app = open_page(index="7")
    assert "test image 7." in texts(app)
    app.button[0].click().run()
    assert not app.exception
    assert "test image 1989." in texts(app)
    assert app.query_params["index"] == "1989"
    app.switch_page("pages/1_Perturb.py").run()
    assert app.number_input(key="w_index").value == 1989


def test_temperatures_move_the_miniatures(open_page):
    app = open_page()
    before = texts(app)
    for slider in app.slider:
        slider.set_value(slider.max)
    app.run()
    assert not app.exception
    assert texts(app) != before


def test_without_networks_home_says_what_to_do(open_page, zoo):
    shutil.rmtree(zoo / "fashion_mnist")
    app = open_page()
    assert "robust_core train" in app.info[0].value


def test_without_a_routed_network_nothing_is_invented(open_page, zoo):
    shutil.rmtree(zoo / "fashion_mnist" / "aw_net")
    shown = texts(open_page())
    assert "No routed network here yet" in shown
    assert "P(type = adversarial)" not in shown


def test_wilson_against_a_known_interval():
    # Brown, Cai, DasGupta 2001: 0 of 10 gives [0, 0.2775]
    low, high = wilson(0, 10)
    assert low == 0
    assert high == pytest.approx(0.2775, abs=1e-4)


def test_one_picture_holds_one_set_of_images_and_one_budget(open_page, zoo):
    shutil.copytree(zoo / "fashion_mnist/pgd_at", zoo / "fashion_mnist/mine")
    path = zoo / "fashion_mnist/mine" / CARD
    card = json.loads(path.read_text())
    card["title"] = "Mine"
    for measure in card["measures"]:
        measure["data_fingerprint"] = "0" * 64
    path.write_text(json.dumps(card))
    app = open_page()
    drawn = {row[0] for trace in figure(app)["data"] for row in trace.get("customdata") or ()}
    assert drawn == {"fashion_mnist/standard", "fashion_mnist/pgd_at", "fashion_mnist/aw_net"}
    assert "on a board of their own: Mine." in texts(app)
