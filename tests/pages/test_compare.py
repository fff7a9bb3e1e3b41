"""Compare: the board from cards alone, what is missing and doubtful, and the chosen networks asked live."""

from __future__ import annotations

import gc
import hashlib
import shutil
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pages.ui import compare_cards, compare_table, link, served
from pages.ui.closer import named
from robust_core import charts, checkpoints
from robust_core.attacks import AttackSettings
from robust_core.cards import Card, Doubt, Doubts
from robust_core.checkpoints import CARD, WEIGHTS, write_card
from tests.pages.comparing import AW, COMPARE, PGD, STANDARD, alt, board, change, chart, plain, rows, said


def checked(card: Card, *passed: bool) -> Doubts:
    checks = tuple(
        Doubt(name=name, title=name, ran="it", figure=0.25, limit=0.02, told=f"{name} told", passed=verdict)
        for name, verdict in zip(("more_steps", "noise"), passed, strict=True)
    )
    return Doubts(n=64, norm="linf", eps=0.1, seed=0, data_name=card.data_name, data_fingerprint=card.data_fingerprint,
                  weights_sha256=card.weights_sha256, checks=checks, versions={}, device="cpu", seconds=1)  # fmt: skip


def test_the_board_comes_from_cards_and_no_network_is_loaded(open_page, monkeypatch):
    monkeypatch.setattr(served, "_net", lambda *_: pytest.fail("a network was loaded"))
    app = open_page(COMPARE)
    found = rows(app)
    assert list(found) == ["AW-Net", "PGD-AT", "Standard"]  # W-Robust .70, .70, .46: equal ones by name
    aw = found["AW-Net"]
    assert [aw[key]["text"] for key in ("rank", "clean", "robust", "w_robust")] == [
        "1", "82.0\u00a0%", "58.0\u00a0%", "70.00\u00a0%",
    ]  # fmt: skip
    assert (aw["worst_class"]["text"], aw["n"]["text"], aw["n"]["sub"]) == ("50.0\u00a0%", "100", "seed 0")
    assert aw["robust"]["low"] < 0.58 < aw["robust"]["high"]
    assert aw["doubts"]["text"] == "not checked"
    assert aw["multiply_adds"]["text"].endswith("k")  # counted from what the card says of it
    assert aw["ms"]["text"] == "not measured"
    assert "PGD-20" in aw["robust"]["tip"]
    assert [cells["rank"]["text"] for cells in found.values()] == ["1", "1", "3"]
    assert "Ranked by W-Robust." in said(app)
    assert "first 100 test images" in said(app)
    assert "ε = 0.1 (25.5/255)" in said(app)
    assert "AW-Net 82.0\u00a0% clean and 58.0\u00a0% robust" in alt(app, "compare_tradeoff")
    assert "Standard 2.0\u00a0% over all" in alt(app, "compare_worst")


def test_what_is_missing_foreign_stale_or_caught_says_so(open_page, zoo):
    card = change(zoo / AW, measures=(), method="imported")
    change(zoo / PGD, doubts=(checked(Card.model_validate_json((zoo / PGD / CARD).read_bytes()), True, False),))
    with (zoo / STANDARD / WEIGHTS).open("ab") as file:
        file.write(b"more")
    app = open_page(COMPARE, compare="missing")
    found = rows(app)
    assert list(found) == ["PGD-AT", "Standard", "AW-Net"]
    assert {found["AW-Net"][key]["text"] for key in ("clean", "robust", "w_robust", "worst_class", "nsd", "n")} == {
        "not measured"
    }
    marks = {title: [mark["word"] for mark in cells["name"]["marks"]] for title, cells in found.items()}
    assert marks == {"PGD-AT": [], "Standard": ["stale card"], "AW-Net": ["imported"]}
    assert [found[title]["rank"]["text"] for title in found] == ["1", "–", "–"]
    assert "seed not known" in found["AW-Net"]["name"]["sub"]
    assert found["PGD-AT"]["doubts"]["text"] == "✗ 1 of 2 caught"
    assert "noise told" in found["PGD-AT"]["doubts"]["tip"]
    assert "Not measured so, and not drawn: AW-Net" in said(app)
    assert (
        "**AW-Net** lacks robust accuracy under the attack chosen above, clean accuracy and the checks for a false "
        "sense of security."
    ) in said(app)
    (code,) = app.code
    assert f"evaluate {AW} --data fashion_mnist_small --n 1000 --norm linf --eps 0.1" in code.value
    assert f"measure {AW} --data fashion_mnist_small --n 1000 --eps 0.1\n" in code.value
    assert "evaluate fashion_mnist/pgd_at" not in code.value
    app = open_page(COMPARE, compare="doubts")
    assert "✗ 0.25</b>" in said(app)
    assert "✓ 0.25" in said(app)
    assert "not checked" in said(app)
    assert card.title in said(app)


def test_a_zoo_in_which_nothing_was_measured(open_page, zoo):
    for name in (AW, PGD, STANDARD):
        change(zoo / name, measures=())
    app = open_page(COMPARE, compare="classes")
    assert {cells["robust"]["text"] for cells in rows(app).values()} == {"not measured"}
    assert "None of the chosen networks was measured so" in said(app)


def test_an_empty_zoo_says_what_to_do(open_page, zoo):
    shutil.rmtree(zoo / "fashion_mnist")
    assert "robust_core train" in open_page(COMPARE).info[0].value


def test_a_broken_card_is_named_and_the_others_go_on(open_page, zoo):
    (zoo / AW / CARD).write_text("{")
    app = open_page(COMPARE)
    assert "fashion_mnist/aw_net" in plain(app.warning[0].value)
    assert set(rows(app)) == {"PGD-AT", "Standard"}


def test_boards_are_of_one_budget_and_filters_leave_the_rest_out(open_page, zoo):
    card = Card.model_validate_json((zoo / PGD / CARD).read_bytes())
    wide = card.measures[1].model_copy(update={"attack": AttackSettings(name="pgd", eps=0.2, steps=20)})
    change(zoo / PGD, measures=(*card.measures, wide.model_copy(update={"correct": 30, "class_correct": (3,) * 10})))
    app = open_page(COMPARE, board="fashion_mnist_small:linf:0.2")
    found = rows(app)
    assert found["PGD-AT"]["robust"]["text"] == "30.0\u00a0%"
    assert found["AW-Net"]["robust"]["text"] == found["Standard"]["robust"]["text"] == "not measured"
    app.selectbox(key="w_board").set_value("fashion_mnist_small:linf:0.1").run()
    assert rows(app)["PGD-AT"]["robust"]["text"] == "60.0\u00a0%"
    app.selectbox(key="w_architecture").set_value("aw_net").run()
    assert list(rows(app)) == ["AW-Net"]
    assert "2 more filtered out" in said(app)
    assert "Ranked by W-Robust, filtered to architecture AW-Net" in said(app)
    app.selectbox(key="w_method").set_value("standard").run()
    assert board(app) is None
    assert "No network here has this method" in said(app)
    assert not app.exception


def test_order_and_choice_are_in_the_url(open_page):
    app = open_page(COMPARE, sort="clean", models=f"{AW},standard")
    assert list(rows(app)) == ["Standard", "AW-Net", "PGD-AT"]
    assert [cells["rank"]["text"] for cells in rows(app).values()] == ["1", "2", "3"]
    assert [row["id"] for row in board(app)["rows"] if row["chosen"]] == [STANDARD, AW]
    app.multiselect[0].set_value([PGD]).run()
    assert app.query_params["models"] == PGD
    app.multiselect[0].set_value([]).run()
    assert "models" not in app.query_params
    assert len(app.multiselect[0].value) == 3
    app = open_page(COMPARE, sort="nonsense", models="gone,away", under="nothing", board="none")
    assert list(rows(app)) == ["AW-Net", "PGD-AT", "Standard"]
    assert len(app.multiselect[0].value) == 3


def test_a_column_is_sorted_the_other_way_round(open_page, zoo):
    change(zoo / PGD, measures=())
    app = open_page(COMPARE, sort="-clean")
    assert list(rows(app)) == ["AW-Net", "Standard", "PGD-AT"]  # what is not measured stays last
    assert [cells["rank"]["text"] for cells in rows(app).values()] == ["2", "1", "–"]
    assert (board(app)["sort"], board(app)["backwards"]) == ("clean", True)
    assert "the other way round: the best last" in said(app)
    app = open_page(COMPARE, sort="clean")
    assert (next(iter(rows(app))), board(app)["backwards"]) == ("Standard", False)
    assert "the other way round" not in said(app)
    for nonsense in ("--clean", "-", "-n"):
        assert board(open_page(COMPARE, sort=nonsense))["sort"] == "w_robust"


def test_a_click_on_the_sorted_heading_turns_the_order(monkeypatch):
    written = []
    monkeypatch.setattr(link, "write", lambda key, text: written.append((key, text)))
    for sort, backwards in (("clean", False), ("clean", True), ("nsd", True)):
        compare_cards.order_by(SimpleNamespace(sort=sort, backwards=backwards), "clean")
    assert written == [("sort", "-clean"), ("sort", "clean"), ("sort", "clean")]


def test_lists_of_names_are_short_and_read_back():
    options = dict.fromkeys(["a/x", "a/y,z", "b/x", "w"], "")
    names = ["a/x", "a/y,z", "b/x", "w"]
    assert link.listed(names) == "a/x,y%2Cz,b/x,w"
    assert link.some_of(options, 9)("a/x,y%2Cz,b/x,a/x,gone") == ["a/x", "a/y,z", "b/x"]
    assert link.some_of(options, 1)("a/x,b/x") == ["a/x"]
    assert link.some_of(options, 9)("nothing,here") is None


def test_classes_come_from_the_cards(open_page, zoo):
    card = Card.model_validate_json((zoo / PGD / CARD).read_bytes())
    robust = card.measures[1].model_copy(
        update={"n": 90, "correct": 35, "class_n": (0,) + (10,) * 9, "class_correct": (0, 1, *(5,) * 6, 2, 2)}
    )
    change(zoo / PGD, measures=(card.measures[0], robust))
    app = open_page(COMPARE, compare="classes", models=PGD)
    ticks = chart(app, "compare_classes")["layout"]["yaxis"]["ticktext"]
    assert ticks[0] == "Trouser"
    assert ticks[-1] == "T-shirt/top"  # no image of it
    assert "no image" in said(app)
    assert "1 of 10 classes absent" in [mark["word"] for mark in rows(app)["PGD-AT"]["name"]["marks"]]
    app.segmented_control(key="w_order_compare").set_value("name").run()
    assert chart(app, "compare_classes")["layout"]["yaxis"]["ticktext"] == sorted(ticks, key=str.casefold)


def test_200_cards_are_drawn_within_half_a_second(open_page, zoo, monkeypatch):
    card = Card.model_validate_json((zoo / PGD / CARD).read_bytes())
    weights = (zoo / PGD / WEIGHTS).read_bytes()
    assert hashlib.sha256(weights).hexdigest() == card.weights_sha256
    for i in range(197):
        folder = zoo / "many" / f"net_{i:03d}"
        folder.mkdir(parents=True)
        (folder / WEIGHTS).write_bytes(weights)
        right = [min(10, 4 + (i + k) % 7) for k in range(10)]
        robust = card.measures[1].model_copy(update={"correct": sum(right), "class_correct": tuple(right)})
        write_card(folder, card.model_copy(update={"title": f"Net {i}", "measures": (card.measures[0], robust)}))
    monkeypatch.setattr(served, "_net", lambda *_: pytest.fail("a network was loaded"))
    spent: list[float] = []

    def timed(module, name):
        """Processor time, as other work on the machine is none of the page's."""
        work = getattr(module, name)

        def clocked(*args):
            begun = time.thread_time()
            try:
                return work(*args)
            finally:
                spent[-1] += time.thread_time() - begun

        monkeypatch.setattr(module, name, clocked)

    timed(compare_cards, "open_cards")
    timed(compare_cards, "pick_board")
    timed(compare_table, "table")
    spent.append(0.0)
    app = open_page(COMPARE)
    assert len(board(app)["rows"]) == 200
    gc.freeze()  # what other tests left in memory is not the page's to look through
    for _ in range(3):
        compare_cards._listed.cache_clear()  # every card read from disk
        spent.append(0.0)
        app.run()
    gc.unfreeze()
    assert max(spent[1:]) < 0.5, spent
    spent.append(0.0)
    app.run()
    assert 0 < spent[-1] < 0.25, spent


def test_a_finished_run_stands_on_the_board(open_page, zoo):
    shutil.copytree(zoo / PGD, checkpoints.runs_folder() / "mine")
    change(checkpoints.runs_folder() / "mine", title="My run")
    assert list(rows(open_page(COMPARE))) == ["AW-Net", "My run", "PGD-AT", "Standard"]


def test_the_robust_ones_closer_in_both_pictures(zoo, open_page):
    for number in range(5):  # a crowd, with the shipped two, far above Standard
        shutil.copytree(zoo / "fashion_mnist/pgd_at", zoo / f"fashion_mnist/more_{number}")

    def drawn(app, key):
        return {place[0] for trace in chart(app, key)["data"] for place in trace.get("customdata") or ()}

    for key in ("compare_tradeoff", "compare_worst"):
        every, crowd = (drawn(open_page(COMPARE, near=near), key) for near in ("all", "robust"))
        assert every - crowd == {"fashion_mnist/standard"}
        assert len(crowd) == 7
    closer = chart(open_page(COMPARE, near="robust"), "compare_worst")
    assert closer["layout"]["xaxis"]["range"][0] > 0


def test_of_a_crowd_only_its_best_and_the_chosen_are_named():
    crowd = [charts.Checkpoint(id=f"n{k}", name=f"n{k}", clean=0.8 + k / 100, robust=0.7) for k in range(6)]
    fragile = charts.Checkpoint(id="frail", name="frail", clean=0.9, robust=0.01)
    robust = charts.Checkpoint(id="hard", name="hard", clean=0.7, robust=0.75)
    assert named([*crowd, fragile, robust], ["n2"]) == ["n2", "n5", "frail", "hard"]
    flattering = replace(crowd[5], ranked=False)  # its figures count for nothing against n4's
    assert named([*crowd[:5], flattering, fragile, robust], []) == ["n4", "n5", "frail", "hard"]
    # One that is beaten, and lies apart, is seen and not known: it has its name.
    apart = charts.Checkpoint(id="apart", name="apart", clean=0.8, robust=0.5)
    assert named([*crowd, fragile, apart], []) == ["n5", "frail", "apart"]
    fair = replace(crowd[0], worst_class=0.5)
    by_class = ("robust", "worst_class")
    assert named([fair, *crowd[1:], fragile], [], by_class) == ["n0", "frail"]
    assert named(crowd, []) == [one.id for one in crowd]  # nothing makes the scale but they themselves
