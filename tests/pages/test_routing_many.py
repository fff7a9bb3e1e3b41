"""Routing, many images: paths, codes, shares, load, the table of attacks, filters; and a constant router."""

from __future__ import annotations

import shutil

import pytest

from pages.ui.routing_weights import _defaults
from pages.ui.served import shelf
from robust_core.data import load
from tests.pages.routers import AW, MOE, QUICK, ROUTING, captions, charts, component, healthy, held, html, maps, routers  # noqa: F401


def test_many_images_wait_for_a_button(open_page):
    app = open_page(ROUTING, ask="crowd", n="100", **QUICK)
    assert component(app, "links") is None
    app.button(key="follow_many").click().run()
    drawn = component(healthy(app), "links")
    for block in range(2):
        assert sum(link["count"] for link in drawn["links"] if link["block"] == block) == 200
    assert "of the clean and" in " ".join(m.value for m in app.markdown)
    assert "n = 100 test images of fashion_mnist_small" in captions(app)


MANY = {"ask": "crowd", "many": "1", "n": "100", **QUICK}


def test_a_ribbon_lists_its_images_and_states_and_colours_are_chosen(open_page):
    app = healthy(open_page(ROUTING, **MANY))
    first = component(app, "links")["links"][0]
    app = healthy(open_page(ROUTING, ribbon=first["id"], **MANY))
    assert component(app, "links")["chosen"] == first["id"]
    assert html(app).count("<figcaption>") == min(first["count"], 60)
    app.slider(key="w_states").set_value(5).run()
    assert max(len(block["states"]) for block in component(healthy(app), "links")["blocks"]) > 3
    app.button_group(key="w_by").set_value("class").run()
    assert len(component(healthy(app), "links")["groups"]) == 10


def test_what_is_asked_and_of_how_many_is_turned_by_its_widgets(open_page):
    app = open_page(ROUTING, **QUICK)
    assert held(app)
    asked = app.button_group(key="w_ask")
    asked.set_value("crowd").run()
    assert not held(healthy(app))
    assert app.query_params["ask"] == "crowd"
    app.selectbox(key="w_n").set_value("100").run()
    app.button(key="follow_many").click().run()
    assert sum(link["count"] for link in component(healthy(app), "links")["links"]) == 400  # two blocks, two types
    assert "n = 100 test images" in captions(app)
    app.selectbox(key="w_of_class").set_value("3").run()
    app.button_group(key="w_by").set_value("class").run()
    drawn = component(healthy(app), "links")
    assert {drawn["groups"][link["group"]] for link in drawn["links"]} == {"Dress"}
    app.selectbox(key="w_n").set_value("250").run()
    few = min(250, int((load("fashion_mnist_small").test.labels == 3).sum()))
    assert few > 100
    assert f"n = {few} test images" in captions(healthy(app))
    assert sum(link["count"] for link in component(app, "links")["links"]) == 4 * few
    app.button_group(key="w_ask").set_value("override").run()
    assert held(healthy(app))
    assert component(app, "links") is None


def test_each_view_of_many_images_is_turned_to_by_its_widget(open_page):
    app = healthy(open_page(ROUTING, model=MOE, **MANY))
    drawn = {}
    for view in ("codes", "shares", "load", "paths"):
        app.button_group(key="w_view").set_value(view).run()
        assert (component(healthy(app), "links") is not None) == (view == "paths")
        drawn[view] = [chart["data"] for chart in charts(app)]
    assert [len(found) for found in drawn.values()] == [1, 2, 1, 0]
    assert drawn["codes"] != drawn["load"]


def test_one_class_alone(open_page):
    app = healthy(open_page(ROUTING, of_class="3", by="class", **MANY))
    drawn = component(app, "links")
    assert {drawn["groups"][link["group"]] for link in drawn["links"]} == {"Dress"}


def test_the_map_of_codes_is_coloured_three_ways(open_page):
    app = healthy(open_page(ROUTING, view="codes", **MANY))
    names = {}
    for colour in ("type", "class", "right"):
        app.button_group(key="w_colour").set_value(colour).run()
        (chart,) = charts(healthy(app))
        names[colour] = [trace["name"] for trace in chart["data"]]
    assert len(names["type"]) == 2
    assert len(names["class"]) == 10
    assert all(name.startswith(("right", "wrong")) for name in names["right"])


def test_shares_add_up_on_screen_and_a_conv_is_chosen_for_its_class_means(open_page):
    app = healthy(open_page(ROUTING, view="shares", **MANY))
    shares, means = charts(app)
    assert len(shares["data"]) == 3
    app.selectbox(key="w_means_of").set_value("layer3.0.conv2").run()
    assert len(charts(healthy(app))[1]["data"][0]["z"][0]) == 16
    assert len(means["data"][0]["z"][0]) == 4


def test_load_is_offered_to_mixtures_alone(open_page):
    app = healthy(open_page(ROUTING, model=MOE, view="load", **MANY))
    assert [trace["name"] for trace in charts(app)[0]["data"]] == ["expert 0", "expert 1"]
    soft = healthy(open_page(ROUTING, model=AW, view="load", **MANY))
    assert not charts(soft)


def test_the_table_of_router_attacks(open_page):
    app = open_page(ROUTING, ask="attacks", attacked_n="50", steps_pgd="2")
    assert 'class="rl-attacks"' not in html(app)
    app.button(key="run_table").click().run()
    table = html(healthy(app))
    assert table.count("<tr><th>") == 8  # untouched, PGD and six that know the router
    assert "worst case, image by image" in table
    assert "told for what they are" in table
    assert "n = 50 test images" in captions(app)
    app.selectbox(key="w_attacked_n").set_value("100").run()
    assert "n = 100 test images" in captions(healthy(app))


def test_filters_of_any_two_networks_and_under_the_router(open_page):
    app = healthy(open_page(ROUTING, ask="weights", **QUICK))
    (norms,) = charts(app)
    assert [trace["name"] for trace in norms["data"][:2]] == ["AW-Net", "Standard"]
    app.button_group(key="w_filters").set_value("weights").run()
    (single,) = charts(healthy(app))
    assert single["data"] != norms["data"]
    app.selectbox(key="w_right").set_value("fashion_mnist/pgd_at").run()
    assert {trace["name"] for trace in charts(healthy(app))[0]["data"]} == {"AW-Net", "PGD-AT"}
    (before,) = charts(app)
    app.selectbox(key="w_left").set_value("fashion_mnist/standard").run()
    (after,) = charts(healthy(app))
    assert {trace["name"] for trace in after["data"]} == {"Standard", "PGD-AT"}
    assert after["data"] != before["data"]
    app.button_group(key="w_filters").set_value("effective").run()
    assert len(charts(healthy(app))[0]["data"]) == 18


@pytest.mark.parametrize(
    ("chosen", "other"), [("aw_net", "standard"), ("moe", "standard"), ("pgd_at", "standard"), ("standard", "pgd_at")]
)
def test_the_chosen_network_is_one_of_the_two(zoo, chosen, other):
    net, rival = shelf().nets[f"fashion_mnist/{chosen}"], f"fashion_mnist/{other}"
    assert _defaults(shelf(), net) == (net.name, rival)
    shutil.rmtree(zoo / rival)
    assert _defaults(shelf(), net)[0] == net.name
    assert _defaults(shelf(), net)[1] in shelf().nets


def test_a_saved_picture_of_filters_names_both_networks_and_counts_what_it_shows(open_page):
    app = healthy(open_page(ROUTING, ask="weights", **QUICK))
    (norms,) = charts(app)
    told = norms["layout"]["title"]["text"].replace("<br>", " ")
    # 4 of the stem, 4 + 4, 8 + 8 and 16 + 16 of the blocks, 8 and 16 of the two shortcuts.
    assert told.startswith("AW-Net: n = 84 filters of 9 convs. Standard: n = 84 filters of 9 convs. Weights as stored")
    app.button_group(key="w_filters").set_value("weights").run()
    (single,) = charts(healthy(app))
    assert " weights of 9 convs" in single["layout"]["title"]["text"].replace("<br>", " ")


def test_saved_pictures_name_network_attack_and_images(open_page):
    app = healthy(open_page(ROUTING, view="shares", **MANY))
    *_, means = charts(app)
    told = means["layout"]["title"]["text"].replace("<br>", " ")
    assert told.startswith("layer1.0.conv1 of AW-Net: n = 100 test images of fashion_mnist_small, PGD-3, L∞, ε = 0.1")
    assert "seed 0" in told


def test_a_constant_router_is_said_to_be_so_and_not_drawn(open_page):
    app = healthy(open_page(ROUTING, **MANY))
    assert any("decides the same" in info.value for info in app.info)
    assert component(app, "links") is None
    assert not charts(app)
