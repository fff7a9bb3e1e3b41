"""Routing, one image: its maps, a filter, every override, static networks, nonsense in, own pictures."""

from __future__ import annotations

import io
import shutil
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from pages.ui import routes
from robust_core.charts import FAINT
from robust_core.types import Route
from tests.pages.routers import (
    AW,
    MOE,
    QUICK,
    ROUTING,
    captions,
    charts,
    component,
    healthy,
    held,
    html,
    maps,
    routers,  # noqa: F401
    with_one_norm,
)


def test_the_route_is_on_screen_with_no_button_pressed_and_a_router_is_chosen(open_page):
    app = healthy(open_page(ROUTING, **QUICK))
    drawn = maps(app)
    assert drawn["kind"] == "signals"
    assert [conv["n"] for conv in drawn["convs"]] == [4, 4, 8, 8, 16, 16]
    assert len(drawn["index"]) == len(drawn["pType"]) == len(drawn["told"]) == 4
    assert app.query_params["model"] == AW
    assert "PGD-3, L∞" in captions(app)
    assert not charts(app)


def test_a_mixture_shows_its_experts(open_page):
    drawn = maps(healthy(open_page(ROUTING, model=MOE, **QUICK)))
    assert drawn["kind"] == "experts"
    assert drawn["pType"] is None
    assert drawn["convs"][0]["used"][-1].count("→") == 1


def test_the_order_of_filters_is_by_change_or_by_index(open_page):
    app = open_page(ROUTING, **QUICK)
    changed = [conv["order"] for conv in maps(app)["convs"]]
    app.button_group(key="w_order").set_value("index").run()
    indexed = [conv["order"] for conv in maps(healthy(app))["convs"]]
    assert indexed == [list(range(len(order))) for order in changed]
    assert indexed != changed
    assert "filter index" in captions(app)


def test_eps_moves_the_route_and_zero_leaves_it(open_page):
    app = open_page(ROUTING, eps="0.2", **QUICK)
    far = maps(app)["drift"][-1]
    app.slider(key="w_eps").set_value(0.0).run()
    still = maps(healthy(app))
    assert far > 0
    assert still["drift"] == [0.0] * 4
    assert still["told"][-1].startswith("The routes do not part: ")
    assert still["told"][-1].endswith("the signals hardly change (mean |Δω| at most 0.000).")


def test_differences_that_are_none_are_painted_pale(open_page):
    far, near = (maps(open_page(ROUTING, eps=eps, **QUICK)) for eps in ("0.2", "0.0"))
    assert far["change"] > FAINT
    assert near["change"] == near["faint"] == FAINT
    assert near["reach"] > FAINT  # its own signals are far from 1
    assert routes._top([torch.tensor([1.0, 1.001])], 1.0) == FAINT


def test_a_filter_is_looked_at_by_link_and_closed(open_page):
    app = healthy(open_page(ROUTING, filter="layer2.0.conv1:3", **QUICK))
    assert maps(app)["chosen"] == ["layer2.0.conv1", 3]
    assert "#### layer2.0.conv1, filter 3" in [m.value for m in app.markdown]
    assert html(app).count("put back alone") == 1
    app.button(key="close_filter").click().run()
    assert maps(healthy(app))["chosen"] is None
    for wrong in ("layer9.conv1:3", "layer2.0.conv1:99", "layer2.0.conv1:-1", "x"):
        assert maps(healthy(open_page(ROUTING, filter=wrong, **QUICK)))["chosen"] is None


def test_a_link_says_at_which_step_the_film_begins(open_page):
    assert maps(open_page(ROUTING, **QUICK))["step"] is None
    assert maps(open_page(ROUTING, at_step="2", **QUICK))["step"] == 2
    for wrong in ("-1", "two", "99999999"):
        app = open_page(ROUTING, at_step=wrong, **QUICK)
        assert maps(app)["step"] is None
        assert "at_step" not in app.query_params


def test_an_expert_is_looked_at(open_page):
    app = healthy(open_page(ROUTING, model=MOE, filter="layer1.0.conv2:1", **QUICK))
    assert "#### layer1.0.conv2, expert 1" in [m.value for m in app.markdown]


def test_nothing_is_held_at_first_and_nothing_is_computed_over_many(open_page):
    app = open_page(ROUTING, **QUICK)
    assert len(held(app)) == 1
    assert "Nothing is held yet" in captions(app)


def test_where_nothing_is_mixed_no_batch_norm_is_offered(open_page, zoo, monkeypatch):
    with_one_norm(zoo, monkeypatch)
    app = healthy(open_page(ROUTING, path="clean", **QUICK))
    assert "w_path" not in [group.key for group in app.get("button_group")]
    assert "Nothing is held yet" in captions(app)
    assert "P(type) is told and decides nothing: this network has one batch norm" in captions(app)
    assert not any("takes" in line for line in maps(app)["told"])
    app.selectbox(key="w_signals").set_value("ones").run()
    assert "signals of 1" in captions(app)


@pytest.mark.parametrize(
    ("control", "key", "value", "said"),
    [
        ("button_group", "w_path", "clean", "clean batch norm"),
        ("button_group", "w_path", "adversarial", "adversarial batch norm"),
        ("button_group", "w_path", "between", "P(adversarial) = 0.50"),
        ("selectbox", "w_signals", "clean", "the clean image's signals"),
        ("selectbox", "w_signals", "adversarial", "the adversarial image's signals"),
        ("selectbox", "w_signals", "class_mean", "class-mean signals"),
        ("selectbox", "w_signals", "shuffled", "shuffled signals"),
        ("selectbox", "w_signals", "ones", "signals of 1"),
        ("slider", "w_scale", 0.5, "signals × 0.5"),
    ],
)
def test_every_override_changes_the_picture_and_the_count(open_page, control, key, value, said):
    app = open_page(ROUTING, held_n="64", **QUICK)
    before = held(app)[0]
    getattr(app, control)(key=key).set_value(value).run()
    after = held(healthy(app))
    assert len(after) == 2
    assert after[0] != before
    assert f"Held: {said}." in captions(app)
    assert "n = 64 test images" in captions(app)


def test_the_share_the_place_and_the_number_are_taken(open_page):
    app = open_page(ROUTING, path="between", signals="ones", held_n="64", **QUICK)
    app.slider(key="w_share").set_value(0.8).run()
    app.selectbox(key="w_where").set_value("layer2.0").run()
    healthy(app)
    assert "Held: P(adversarial) = 0.80, signals of 1 in layer2.0." in captions(app)
    app.selectbox(key="w_held_n").set_value("128").run()
    assert "n = 128 test images" in captions(healthy(app))


def test_an_attack_on_the_held_network_is_one_row_more(open_page):
    app = open_page(ROUTING, path="clean", held_n="64", steps_pgd="2")
    assert "knows the held route" not in held(app)[1]
    app.toggle(key="w_anew").set_value(True).run()
    assert "knows the held route" in held(healthy(app))[1]


def test_an_expert_is_held_in_one_conv(open_page):
    app = open_page(ROUTING, model=MOE, held_n="64", **QUICK)
    assert len([box for box in app.selectbox if box.key.startswith("w_expert_")]) == 6
    app.selectbox(key="w_expert_layer2.0.conv1").set_value("1").run()
    assert "Held: layer2.0.conv1: expert 1." in captions(healthy(app))


def test_attacks_that_know_the_router_are_choices_where_they_fit(open_page):
    app = open_page(ROUTING, attack="router_to_clean", steps_router_to_clean="3", route_weight="0")
    assert "PGD to the clean route" in captions(healthy(app))
    before = maps(app)["pType"]
    app.slider(key="w_route_weight").set_value(8.0).run()
    assert "λ = 8" in captions(healthy(app))
    assert maps(app)["pType"] != before
    moe = healthy(open_page(ROUTING, model=MOE, attack="router_signals", steps_router_signals="3"))
    assert "PGD on the signals" in captions(moe)
    assert "PGD to the clean route" not in moe.selectbox(key="w_attack").options


def test_a_static_network_says_why_and_offers_others(open_page):
    app = open_page(ROUTING, model="fashion_mnist/standard")
    assert "static" in app.info[0].value
    assert maps(app) is None
    app.button(key=f"take_{MOE}").click().run()
    assert maps(healthy(app))["kind"] == "experts"
    assert app.query_params["model"] == MOE


def test_with_no_router_at_all_it_says_how_to_get_one(open_page, zoo):
    for name in (AW, MOE):
        shutil.rmtree(zoo / name)
    app = healthy(open_page(ROUTING))
    assert "No network here routes yet" in " ".join(m.value for m in app.markdown)


NONSENSE = {
    "ask": "why", "order": "backwards", "path": "sideways", "signals": "none", "where": "layer77", "scale": "nan",
    "share": "7", "n": "12", "many": "yes", "filter": "::", "ribbon": "9-9", "states": "0", "by": "smell",
    "held_n": "-1", "table": "2", "eps": "inf",
}  # fmt: skip


def test_nonsense_in_the_url_falls_back_to_the_defaults(open_page):
    plain, odd = open_page(ROUTING, **QUICK), healthy(open_page(ROUTING, **NONSENSE, **QUICK))
    assert maps(odd) == maps(plain)
    assert held(odd) == held(plain)
    many = healthy(
        open_page(ROUTING, ask="crowd", many="1", n="7", states="99", ribbon="x", of_class="55", steps_pgd="2")
    )
    assert sum(link["count"] for link in component(many, "links")["links"] if link["block"] == 0) == 500


def test_an_own_picture_is_followed(open_page):
    buffer = io.BytesIO()
    Image.new("L", (40, 40), 120).save(buffer, "PNG")
    app = open_page(ROUTING, source="upload", **QUICK)
    assert maps(app) is None
    app.file_uploader[0].upload("mine.png", buffer.getvalue(), "image/png").run()
    assert len(maps(healthy(app))["index"]) == 4


def test_an_own_picture_comes_along_and_may_be_forgotten(open_page):
    buffer = io.BytesIO()
    Image.new("L", (40, 40), 120).save(buffer, "PNG")
    app = open_page("pages/1_Perturb.py", model=AW, versus="none", source="upload", **QUICK)
    app.file_uploader[0].upload("mine_*.png", buffer.getvalue(), "image/png").run()
    healthy(app.switch_page(ROUTING).run())
    assert len(maps(app)["index"]) > 1
    assert r"mine\_\*\.png has come along" in captions(app)
    app.button(key="upload_forget").click().run()
    assert maps(healthy(app)) is None


def test_perturb_offers_them_when_every_network_routes(open_page):
    alone = healthy(open_page("pages/1_Perturb.py", model=AW, versus="none", attack="path_clean", steps_path_clean="2"))
    assert alone.selectbox(key="w_attack").value == "path_clean"
    assert "PGD on the clean path" in captions(alone)
    beside = healthy(open_page("pages/1_Perturb.py", model=AW, versus="fashion_mnist/standard", attack="path_clean"))
    assert beside.selectbox(key="w_attack").value == "pgd"


@pytest.mark.parametrize(
    ("clean", "now", "told"),
    [
        (0.503, 0.497, "cannot tell what either picture is"),
        (0.1, 0.2, "takes both pictures for clean"),
        (0.9, 0.99, "takes both pictures for adversarial"),
        (0.1, 0.9, "takes the clean picture for clean, this one for adversarial"),
        (0.1, 0.52, "takes the clean picture for clean, this one for neither type"),
    ],
)
def test_what_the_router_makes_of_two_pictures(clean, now, told):
    assert routes._taken(*routes._kinds(clean, now)) == f"the router {told}"


@pytest.mark.parametrize(
    ("p_adversarial", "signal", "told"),
    [
        (0.2, 1.01, "do not part: the router takes both pictures for clean; the signals hardly change (mean |Δω| at "
         "most 0.010)."),
        (0.9, 1.01, "part: the router takes the clean picture for clean, this one for adversarial; the signals hardly "
         "change (mean |Δω| at most 0.010)."),
        (0.52, 1.01, "do not part: the router takes the clean picture for clean, this one for neither type; the "
         "signals hardly change (mean |Δω| at most 0.010)."),
        (0.2, 1.30, "part: the router takes both pictures for clean; the signals part in layer1.0 (mean |Δω| at most "
         "0.300)."),
    ],
)  # fmt: skip
def test_routes_part_by_type_or_by_signals(p_adversarial, signal, told):
    def route(p: float, omega: float) -> Route:
        return Route(signals={"layer1.0.conv1": torch.full((1, 4), omega)}, p_type=torch.tensor([[1 - p, p]]))

    way = SimpleNamespace(clean=route(0.1, 1.0), route=route(p_adversarial, signal), index=(1,))
    assert routes._told(way, mixes=True) == [f"The routes {told}"]
    # A guess that mixes nothing is no part of the route.
    assert "takes" not in routes._told(way, mixes=False)[0]
    assert routes._told(way, mixes=False)[0].startswith("The routes part") == (signal > 1.1)
