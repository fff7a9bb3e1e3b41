"""Do the papers' claims hold here: the rows from the cards, what is said below them, and the way to Compare."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest

from pages.ui import verdicts
from robust_core.checkpoints import CARD
from robust_core.evaluation.plan import plan_for
from robust_core.evaluation.scores import Board
from robust_core.library.claims import CLAIMS, Pair
from tests.evaluation.test_plan import SHAPE, net
from tests.pages.comparing import COMPARE, rows
from tests.pages.test_home import texts


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
    (asked,) = links(again)
    assert asked["models"] == ["fashion_mnist/aw_net,pgd_at"]


def links(app):
    """What each claim's link to Compare asks for."""
    found = [p.proto for p in app.get("page_link") if " against " in p.proto.label]
    return [parse_qs(one.query_string) for one in found]


def test_a_claim_s_link_shows_its_figures_on_compare(open_page, zoo):
    for name, right in {"absld": (500, 400), "rslad": (300, 200)}.items():
        retaught(zoo, name, 85, right)
        # A weaker attack that only these two met, under which all others lack a figure: not what Compare opens with.
        path = zoo / "fashion_mnist" / name / CARD
        path.write_text(path.read_text().replace('"steps": 20', '"steps": 30').replace('"steps":20', '"steps":30'))
    worst, nsd = links(open_page(method="adversarial"))[-2:]
    assert (worst["sort"], nsd["sort"]) == (["worst_class"], ["nsd"])
    assert worst["models"] == ["fashion_mnist/absld,rslad"]
    assert worst["method"] == ["any"]  # a filter would hide the two
    board = rows(open_page(COMPARE))
    assert board["absld"]["worst_class"]["text"] == "not measured"
    shown = rows(open_page(COMPARE, **{key: value for key, (value,) in worst.items()}))
    assert {name: shown[name]["worst_class"]["text"] for name in ("absld", "rslad")} == {
        "absld": "40.0\u00a0%", "rslad": "20.0\u00a0%",
    }  # fmt: skip
    assert next(iter(shown)) == "absld"


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
    assert "40.0 and 20.0\u00a0%" in said
    assert "holds here" in said
    assert "on the first n test images of fashion_mnist_small, L∞, ε = 0.1 (25.5/255)" in texts(app).replace("\\", "")
    named = [a["text"] for a in claimed(app)["layout"]["annotations"]]
    assert any("absld and rslad<" in row and "PGD-20" in row and "n\u00a0=\u00a010,000" in row for row in named)


def judged(paired, under="pgd", n=10_000):
    board = Board(id="b", data_name="shapes", fingerprint="", norm="linf", eps=0.1, task=((1, 8, 8), ()))
    return SimpleNamespace(paired=paired, yardstick=SimpleNamespace(id=under), n=n, board=board, spared=False)


def test_rows_on_another_footing_are_announced_and_the_papers_attacks_named():
    def told(*by):
        whole = {"claim": CLAIMS[2], "beyond": None, "wider": None, "unequal": (), "against": (), "doubted": ()}
        return verdicts._remarks([SimpleNamespace(by=one, **whole) for one in by])[0]

    assert "in bold" not in told(judged(True), judged(True))
    assert "in bold" in told(judged(True), judged(True, n=1000))
    assert "papers' attacks:" not in told(judged(True))
    said = told(judged(True), judged(True, "group:table"))
    assert "in bold" in said
    made = plan_for(net(), SHAPE, ("table",)).describe().values()
    assert {one.partition(",")[0] for one in made} == {"FGSM", "PGD-20", "CW-30"}
    assert "FGSM, PGD-20 with two sizes of step, and CW-30" in said


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
        (
            (True, False),
            "image by image but for ABSLD against RSLAD, worst class, where too few images differ, or are told;",
        ),
        ((False, False), "images' chance alone; another seed"),
    ],
)
def test_what_the_intervals_are_of_is_said(paired, said):
    found = [
        SimpleNamespace(by=judged(known), claim=claim, beyond=None, wider=None, unequal=(), against=(), doubted=())
        for known, claim in zip(paired, (CLAIMS[2], CLAIMS[3]), strict=True)
    ]
    assert said in verdicts._remarks(found)[0]


@pytest.mark.parametrize(("side", "word"), [(1, "better"), (-1, "worse")])
def test_what_more_images_decide_under_a_weaker_attack_is_said(monkeypatch, side, word):
    monkeypatch.setattr(verdicts, "_measured", lambda by: "PGD-20")
    wider = SimpleNamespace(side=side, method=0.552, rival=0.56)
    found = SimpleNamespace(by=judged(True), claim=CLAIMS[0], beyond=None, wider=wider, unequal=(),
                            against=(), doubted=())  # fmt: skip
    told = verdicts._remarks([found])[1]
    assert f"55.20 and 56.00\u00a0% on the PGD\\-20, {word} beyond chance" in told


def listed_as(title, name):
    return SimpleNamespace(card=SimpleNamespace(title=title), name=name)


def against(decides, *pairs):
    """What is said of the pairs that contradict a shown one, M and R, or decide what it does not."""
    by = SimpleNamespace(**vars(judged(True)) | {"decides": decides})
    found = SimpleNamespace(by=by, claim=CLAIMS[2], beyond=None, wider=None, unequal=(), pairs=9, doubted=(),
                            method=listed_as("M", "x/m"), rival=listed_as("R", "x/r"), against=pairs)  # fmt: skip
    return verdicts._remarks([found])[1].replace("\\", "").partition("trained alike, ")[2]


def other(title, gain, name="x/other", **footing):
    known = SimpleNamespace(**vars(judged(True, **footing)) | {"gain": gain, "low": gain - 0.01, "high": gain + 0.01})
    known.yardstick.title = "PGD-9"
    return Pair(listed_as(title, name), listed_as("R", "x/r2"), known)


def test_the_pairs_that_decide_otherwise_are_named():
    gain = "+2.0 points [+1.0, +3.0]"
    assert against(-1, other("B", 0.02)) == f"decides otherwise: B and R, {gain}."
    assert against(0, other("B", 0.02)) == f"decides it, the one shown does not: B and R, {gain}."
    both = against(0, other("B", 0.02), other("*C*", -0.02))
    assert both == f"decide it, the one shown does not: B and R, {gain}; *C* and R, −2.0 points [−3.0, −1.0]."
    assert against(1, *[other(letter, -0.02) for letter in "BCDEF"]).endswith("; 2 more.")


def test_a_pair_is_told_from_another_of_its_titles_and_its_footing_from_the_row_s():
    assert "M (x/seed_1) and R (x/r2), +2.0" in against(-1, other("M", 0.02, "x/seed_1"))
    assert "B (x/1) and R (x/r2), +2.0" in against(-1, other("B", 0.02, "x/1"), other("B", 0.03, "x/2"))
    assert against(-1, other("B", 0.02, under="pgd9")).endswith("+3.0] under PGD-9, n = 10,000.")
    assert against(-1, other("B", 0.02, n=2000)).endswith("+3.0] under PGD-9, n = 2,000.")
    elsewhere = other("B", 0.02)
    elsewhere.by.board = replace(elsewhere.by.board, eps=0.2)
    assert against(-1, elsewhere).endswith("+3.0] under shapes, L∞, ε = 0.2 (51/255).")


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
    app = open_page("pages/2_Routing.py", model="fashion_mnist/aw_net")
    assert claimed(app) is not None
    (closed,) = [one for one in app.expander if "claims" in one.label]
    assert not closed.proto.expanded
    assert closed.label.endswith("AW-Net against its static twin, W-Robust: **trained differently**")
    assert "### Do the papers" not in texts(app)
    assert claimed(open_page("pages/3_Temperatures.py", model="fashion_mnist/pgd_at")) is None
    home = open_page()
    assert not [one for one in home.expander if "claims" in one.label]
    assert "### Do the papers' claims hold here?" in texts(home)
