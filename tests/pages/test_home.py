"""Home: the scatter from the cards, the live miniature, the three cards."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest

from pages.ui import pickers, verdicts
from pages.ui.home_tradeoff import wilson
from robust_core.checkpoints import CARD
from robust_core.library.claims import CLAIMS


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
    assert "Best W-Robust: PGD-AT, 70.0%" in chart["layout"]["meta"]["alt"]
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


def claimed(app):
    return next(
        (c for c in map(json.loads, (p.proto.spec for p in app.get("plotly_chart"))) if "Claims" in str(c["layout"])),
        None,
    )


def test_the_claims_are_answered_by_the_cards(open_page, zoo):
    app = open_page()
    shown = texts(app)
    assert "AW-Net against its static twin, W-Robust: their recipes differ (a recipe is missing" in shown
    assert "Not asked yet" in shown
    assert "B-MTARD against MTARD, W-Robust" in shown
    # W-Robust of the cards: 70 and 70 %.
    assert claimed(app)["data"][0]["x"] == [0.0]
    for name in ("aw_net", "pgd_at"):
        (zoo / "fashion_mnist" / name / "recipe.toml").write_text('title = "T"\n[objective]\nname = "adversarial"\n')
    again = open_page()
    assert "recipes differ" not in texts(again)
    assert "undecided here" in str(claimed(again)["layout"])
    link = next(p for p in again.get("page_link") if p.proto.label == "Compare them")
    assert "models=fashion_mnist" in link.proto.query_string or "aw_net" in str(link.proto)


def test_gains_are_points_and_nsd_is_told_as_it_is(open_page, zoo):
    made = {"absld": (85, (500, 400)), "rslad": (85, (300, 200))}
    for name, (clean, right) in made.items():
        retaught(zoo, name, clean, right)
    app = open_page()
    worst, nsd = claimed(app)["data"][-2:]
    assert worst["x"] == pytest.approx([20.0])
    # Five classes of 500 and five of 400 right in 1,000: spread 50 of 450; 50 of 250 the other.
    assert nsd["x"] == pytest.approx([100 * (50 / 250 - 50 / 450)])
    said = " ".join(a["text"] for a in claimed(app)["layout"]["annotations"])
    assert "0.111 and 0.200" in said
    assert "40.0 and 20.0 %" in said
    assert "holds here" in said
    assert "first 10,000 test images of fashion_mnist_small, PGD-20" in texts(app).replace("\\", "")


def test_what_few_images_know_is_named_once():
    def found(title, n):
        return SimpleNamespace(beyond=SimpleNamespace(yardstick=SimpleNamespace(title=title), n=n))

    both = [found("worst case (and of a router)", 128), found("worst case", 128), SimpleNamespace(beyond=None)]
    assert verdicts._known_of_few(both) == ["worst case (128 images)"]
    apart = [*both[:1], found("worst case", 500)]
    assert verdicts._known_of_few(apart) == ["worst case (and of a router) (128 images)", "worst case (500 images)"]


@pytest.mark.parametrize(
    ("paired", "said"),
    [
        ((True, True), "images' chance alone, image by image; another seed"),
        ((True, False), "image by image but for ABSLD against RSLAD, worst class, where the cards do not tell enough;"),
        ((False, False), "images' chance alone; another seed"),
    ],
)
def test_what_the_intervals_are_of_is_said(monkeypatch, paired, said):
    monkeypatch.setattr(verdicts, "_measured", lambda by: "PGD-20")
    found = [
        SimpleNamespace(
            by=SimpleNamespace(paired=known), claim=claim, beyond=None, wider=None, unequal=(), against=0, doubted=()
        )
        for known, claim in zip(paired, (CLAIMS[2], CLAIMS[3]), strict=True)
    ]
    assert said in verdicts._remarks(found)[0]


@pytest.mark.parametrize(("side", "word"), [(1, "better"), (-1, "worse")])
def test_what_more_images_decide_under_a_weaker_attack_is_said(monkeypatch, side, word):
    monkeypatch.setattr(verdicts, "_measured", lambda by: "PGD-20")
    wider = SimpleNamespace(side=side, method=0.552, rival=0.56)
    found = SimpleNamespace(by=SimpleNamespace(paired=True), claim=CLAIMS[0], beyond=None, wider=wider, unequal=(),
                            against=0, doubted=())  # fmt: skip
    told = verdicts._remarks([found])[1]
    assert f"55.2 and 56.0 % on the PGD\\-20, {word} beyond chance" in told


def retaught(zoo, name, clean, right):
    """PGD-AT's folder once more, as of another method, with so many right of 1,000 in each half of the classes."""
    folder = shutil.copytree(zoo / "fashion_mnist" / "pgd_at", zoo / "fashion_mnist" / name)
    told = json.loads((folder / CARD).read_text()) | {"title": name, "method": name}
    counts = ([clean * 10] * 10, [right[0]] * 5 + [right[1]] * 5)
    for measure, correct in zip(told["measures"], counts, strict=True):
        measure |= {"n": 10_000, "correct": sum(correct), "class_n": [1000] * 10, "class_correct": correct}
    (folder / CARD).write_text(json.dumps(told))
    (folder / "recipe.toml").write_text(f'title = "T"\n[objective]\nname = "{name}"\n')


def test_what_a_recipe_says_is_shown_and_not_done(open_page, zoo):
    for name in ("absld", "rslad"):
        retaught(zoo, name, 85, (300, 200))
    recipe = zoo / "fashion_mnist" / "absld" / "recipe.toml"
    recipe.write_text(recipe.read_text() + '[data]\nname = "/home/someone/x ![i](http://e/y) :red[z]"\n')
    said = next(c.value for c in open_page().caption if "recipes differ (data" in c.value)
    assert "someone" not in said
    assert ":red[" not in said
    assert "](" not in said
    recipe.write_text("x = " + "[" * 20_000)
    assert "a recipe is missing" in texts(open_page())


def test_a_routed_network_s_page_answers_its_claim(open_page):
    assert claimed(open_page("pages/2_Routing.py", model="fashion_mnist/aw_net")) is not None
    assert claimed(open_page("pages/3_Temperatures.py", model="fashion_mnist/pgd_at")) is None
