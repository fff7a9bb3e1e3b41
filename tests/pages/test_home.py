"""Home: the scatter from the cards, the live miniature, the three cards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from pages.ui import pickers
from pages.ui.home_tour import STOPS
from pages.ui.home_tradeoff import wilson
from robust_core.checkpoints import CARD
from tests.pages.reading import PERTURB, player
from tests.pages.routers import AW, with_one_norm

ZOO = Path(__file__).resolve().parents[2] / "checkpoints"


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


def claim(zoo, name):
    """Its card as one that was imported with its figures, which are better than all that was measured here."""
    path = zoo / name / CARD
    card = json.loads(path.read_text())
    for measure in card["measures"]:
        measure |= {"claimed": True, "correct": 99, "class_correct": [10] * 9 + [9]}
    path.write_text(json.dumps(card | {"notes": "Imported from a.zip. "}))


def test_claims_of_imported_cards_are_marked_and_nowhere_the_best(open_page, zoo):
    said = "as an imported card claims, not measured here"
    assert said not in texts(open_page())
    claim(zoo, "fashion_mnist/aw_net")
    app = open_page()
    chart = figure(app)
    assert f"Open marks: {said}; Compare does not rank them." in texts(app)
    drawn = {
        place[0]: (symbol, text)
        for trace in chart["data"]
        for place, symbol, text in zip(
            trace.get("customdata") or (), trace["marker"]["symbol"], trace.get("text") or (), strict=False
        )
    }
    assert {name: symbol.endswith("-open") for name, (symbol, _) in drawn.items()} == {
        "fashion_mnist/standard": False, "fashion_mnist/pgd_at": False, "fashion_mnist/aw_net": True,
    }  # fmt: skip
    assert said in drawn["fashion_mnist/aw_net"][1]
    assert said not in drawn["fashion_mnist/pgd_at"][1]
    assert "as a card claims" in [trace.get("name") for trace in chart["data"]]
    assert "Best W-Robust: PGD-AT, 70.0\u00a0%" in chart["layout"]["meta"]["alt"]
    assert "soft label of the picture above, PGD-AT as teacher" in texts(app)


def test_claims_do_not_decide_whose_board_is_shown(open_page, zoo):
    for name in ("one", "two", "three", "four"):
        shutil.copytree(zoo / "fashion_mnist/pgd_at", zoo / "brought" / name)
        claim(zoo, f"brought/{name}")
        path = zoo / "brought" / name / CARD
        path.write_text(path.read_text().replace('"eps": 0.1', '"eps": 0.2').replace('"eps":0.1', '"eps":0.2'))
    drawn = {row[0] for trace in figure(open_page())["data"] for row in trace.get("customdata") or ()}
    assert drawn == {"fashion_mnist/standard", "fashion_mnist/pgd_at", "fashion_mnist/aw_net"}


def test_a_crowd_of_robust_networks_can_be_looked_at_closer(open_page, zoo):
    def names(app):
        return {row[0] for trace in figure(app)["data"] for row in trace.get("customdata") or ()}

    assert not open_page().segmented_control  # of two robust ones there is no crowd
    assert "fashion_mnist/standard" in names(open_page(near="robust"))
    for name in ("a", "b", "c", "d"):
        shutil.copytree(zoo / "fashion_mnist/pgd_at", zoo / "more" / name)
    app = open_page()
    assert "fashion_mnist/standard" in names(app)
    low = figure(app)["layout"]["yaxis"]["range"][0]
    app.segmented_control(key="w_near").set_value("robust").run()
    assert not app.exception
    assert app.query_params["near"] == "robust"
    assert names(app) == {"fashion_mnist/pgd_at", "fashion_mnist/aw_net", *(f"more/{name}" for name in "abcd")}
    assert figure(app)["layout"]["yaxis"]["range"][0] > 0.4 > low


def test_many_networks_do_not_push_the_routed_one_out_of_its_card(open_page, zoo):
    for name in ("a", "b", "c", "d"):
        shutil.copytree(zoo / "fashion_mnist/pgd_at", zoo / "brought" / name)
        claim(zoo, f"brought/{name}")
    shown = texts(open_page())
    assert "P(type = adversarial)" in shown
    assert "No routed network here yet" not in shown


def test_the_card_of_the_router_is_of_one_whose_guess_decides(open_page, zoo, monkeypatch):
    mixed = zoo / "fashion_mnist/aw_net_mixed"
    shutil.copytree(zoo / AW, mixed)
    card = json.loads((mixed / CARD).read_text())
    (mixed / CARD).write_text(json.dumps(card | {"title": "Mixed by type"}))
    with_one_norm(zoo, monkeypatch)
    shown = texts(open_page(model=AW))
    assert "Mixed by type on this one picture" in shown
    assert "AW-Net on this one picture" not in shown
    assert "the guess mixes nothing" not in shown
    shutil.rmtree(mixed)
    assert "the guess mixes nothing" in texts(open_page(model=AW))


def test_routing_is_shown_first_by_one_whose_guess_decides(open_page, zoo):
    """By the lecture's last stop, and to who comes to the page without a network."""
    shutil.copytree(zoo / AW, zoo / f"{AW}_mixed")
    last = open_page().get("page_link")
    query = next(p.proto.query_string for p in last if "looks first" in p.proto.label)
    assert parse_qs(query)["model"] == [f"{AW}_mixed"]
    assert open_page("pages/2_Routing.py").selectbox(key="w_model").value == f"{AW}_mixed"


def test_charts_can_be_taken_along_as_pictures(open_page):
    drawn = open_page().get("plotly_chart")
    assert drawn
    assert all('"toImage"' in chart.proto.config for chart in drawn)


def test_each_stop_of_the_lecture_leads_to_what_it_tells_of(open_page):
    app = open_page()
    numbered = [p.proto for p in app.get("page_link") if p.proto.label.startswith("**")]
    assert [stop.label for stop in numbered] == [
        "**1 · One falls, one stands**", "**2 · Cliff and plain**", "**3 · A network that looks first**",
    ]  # fmt: skip
    first, second, third = ({k: v[0] for k, v in parse_qs(stop.query_string).items()} for stop in numbered)
    data = player(open_page(PERTURB, **first))
    assert [lane["title"] for lane in data["lanes"]] == ["Standard", "PGD-AT"]
    assert data["step"] == 0
    assert open_page(PERTURB, **second).segmented_control(key="w_closer").value == "surface"
    assert open_page("pages/2_Routing.py", **third).selectbox(key="w_model").value == "fashion_mnist/aw_net"


def test_a_lecture_of_too_few_stops_is_not_given(open_page, zoo):
    shutil.rmtree(zoo / "fashion_mnist/standard")
    assert not [p for p in open_page().get("page_link") if p.proto.label.startswith("**")]


@pytest.mark.parametrize("folder", ["fashion_mnist", "cifar10"])
def test_every_stop_has_its_networks_in_the_zoo(folder):
    leaves = {leaf for stop in STOPS for leaves in stop.nets.values() for leaf in leaves.split(",")}
    assert leaves <= {path.parent.name for path in (ZOO / folder).glob(f"*/{CARD}")}
