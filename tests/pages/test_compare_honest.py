"""Compare, looked at by a sceptic: hostile cards, what fills the board, what may stand in a report."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from pages.ui import compare_cards, compare_classes, compare_take, compare_trust
from pages.ui.compare_scatter import names_on, points_of
from pages.ui.compare_transfer import masked
from pages.ui.frame import verbatim
from pages.ui.memory import shared
from robust_core import checkpoints, data
from robust_core.attacks import AttackSettings, run
from robust_core.cards import Card
from robust_core.checkpoints import CARD
from robust_core.evaluation.leaderboard import ordered, row
from robust_core.evaluation.scores import boards, yardsticks
from robust_core.frozen import frozen
from tests.evaluation.claims import PGD as ATTACK
from tests.evaluation.claims import card, doubts, evaluation, measure, tally
from tests.evaluation.test_leaderboard import CLEAN, ROBUST, listed
from tests.pages.comparing import AW, COMPARE, PGD, STANDARD, change, chart, plain, rows, said

EVIL = "![](https://evil.example/p.png) [a](https://evil.example) <img src=x> :red[b] $x$"


def shown_of(tmp_path, cards, under=0):
    """What Compare shows of these cards, by name."""
    every = [listed(tmp_path / "shapes" / name, one) for name, one in cards.items()]
    board = boards(every)[0]
    stick = yardsticks(board, every)[under]
    found = ordered([row(one, board, stick.id) for one in every], "w_robust")
    return compare_cards.Shown(board=board, yardstick=stick, rows=found, every=found, sort="w_robust",
                               listed={one.name: one for one in every}, chosen=[one.name for one in found])  # fmt: skip


def raw(app):
    every = [*app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.success]
    return "\n".join(element.value for element in every)


def disarmed(text):
    """What is left of Markdown once everything that a backslash disarms is taken out."""
    return re.sub(r"\\.", "", text)


@pytest.mark.parametrize("question", ["doubts", "missing", "classes", "transfer"])
def test_what_people_wrote_is_shown_as_they_wrote_it(open_page, zoo, question):
    for name in (AW, PGD, STANDARD):
        card_ = Card.model_validate_json((zoo / name / CARD).read_bytes())
        moved = [m.model_copy(update={"data_name": EVIL, "data_fingerprint": "9" * 64}) for m in card_.measures]
        change(zoo / name, title=f"{EVIL} {name}", measures=() if name == STANDARD else tuple(moved), method="imported")
    app = open_page(COMPARE, compare=question, n_compare="50", steps_compare="1")
    text = raw(app)
    assert verbatim(EVIL) in text
    text = disarmed(text)
    for live in ("](", "<img", ":red", "$x$", "!["):
        assert live not in text


def test_a_broken_card_s_words_are_no_markup(open_page, zoo):
    card_ = json.loads((zoo / AW / CARD).read_text())
    (zoo / AW / CARD).write_text(json.dumps(card_ | {"![](https://evil.example/p.png)": 1}))
    text = raw(open_page(COMPARE))
    assert "evil" in text
    assert "](" not in disarmed(text)


@pytest.mark.parametrize("eps", [8 / 255, 4 / 255, 0.1, 0.031, 1 / 3, 1.0, 0.5, 16.5 / 255])
def test_a_printed_budget_is_read_back_as_the_same(eps):
    assert AttackSettings(name="fgsm", eps=compare_trust.eps_text(eps)).eps == eps


def test_the_command_leads_to_the_same_board(open_page, zoo):
    card_ = Card.model_validate_json((zoo / PGD / CARD).read_bytes())
    at = AttackSettings(name="pgd", eps=8 / 255, steps=20)
    change(zoo / PGD, measures=(card_.measures[0], card_.measures[1].model_copy(update={"attack": at})))
    for name in (AW, STANDARD):
        change(zoo / name, measures=())
    (code,) = open_page(COMPARE, compare="missing").code
    words = shlex.split(code.value.splitlines()[0])
    assert words[words.index("--eps") + 1] == "8/255"


def test_the_commands_ask_for_what_the_yardstick_needs(tmp_path):
    clean, worst = tally(24, 24, 20, 20), tally(9, 9, 9, 9)
    whole = card("Whole", evaluations=(evaluation(clean, worst, plan=("table", "autoattack")),))
    cards = {"a": whole, "b": card("Bare", doubts=(doubts(True),))}
    shown = shown_of(tmp_path, cards)
    found = {}
    for stick in yardsticks(shown.board, shown.listed.values()):
        under = replace(shown, yardstick=stick)
        bare = row(shown.listed["shapes/b"], shown.board, stick.id)
        found[stick.id] = compare_trust.commands(under, bare)
    plans = {key: [line.split("--plan ")[1].split()[0] for line in lines if "--plan" in line]
             for key, lines in found.items()}  # fmt: skip
    assert plans["group:table"] == plans["pgd:20:0.025:uniform:1:True"] == ["table"]
    assert plans["group:autoattack"] == ["autoattack"]
    assert plans["worst:table+autoattack"] == []  # all groups: the default
    assert all("--no-doubts" in lines[-1] for lines in found.values())
    only = shown_of(tmp_path / "2", {"a": card(measures=(CLEAN, measure(5, 5, 5, 5, attack=ATTACK.replace(steps=5)))),
                                     "b": card("Bare", doubts=(doubts(True),))})  # fmt: skip
    assert compare_trust.way(only) is None
    assert not any("evaluate" in line for line in compare_trust.commands(only, only.every[-1]))


def test_one_is_evaluated_from_here_where_that_fills_the_board(open_page, zoo, monkeypatch):
    begun = []
    monkeypatch.setattr("pages.ui.library_evaluate.evaluations.start", lambda found, **how: begun.append((found, how)))
    app = open_page(COMPARE, compare="missing", eval_model=AW, n_eval="20")
    button = next(b for b in app.button if b.key == f"library_evaluate {AW}")
    button.click().run()
    assert not app.exception
    ((found, how),) = begun
    assert (found.name, how["n"], how["data_name"]) == (AW, 20, "fashion_mnist_small")
    monkeypatch.setenv("ROBUSTLENS_LIBRARY", "read-only")
    app = open_page(COMPARE, compare="missing")
    assert not [b for b in app.button if b.key.startswith("library_evaluate")]
    assert "nothing is evaluated from the pages" in said(app)


def test_the_checks_alone_are_not_asked_for_on_all_images(tmp_path):
    many = [measure(*(25,) * 4, attack=attack).model_copy(update=tally(*(900,) * 4, each=1000).model_dump())
            for attack in (None, ATTACK)]  # fmt: skip
    shown = shown_of(tmp_path, {"a": card(measures=tuple(many)), "b": card("Bare")})
    known, bare = (compare_trust.commands(shown, one) for one in shown.every)
    assert ["--n 1000" in line for line in known] == [True]
    assert [line.split()[3] for line in bare] == ["measure", "evaluate"]
    assert ["--n 4000" in line for line in bare] == [True, False]


def test_checks_that_could_not_be_made_are_drawn_as_none(open_page, zoo):
    known = Card.model_validate_json((zoo / PGD / CARD).read_bytes())
    for name, passed in ((STANDARD, (None, None, None)), (AW, (True, None, None)), (PGD, (True, True, True))):
        made = doubts(*passed, sha=Card.model_validate_json((zoo / name / CARD).read_bytes()).weights_sha256)
        change(zoo / name, doubts=(made.model_copy(update={"data_fingerprint": known.measures[0].data_fingerprint}),))
    found = {title: cells["doubts"] for title, cells in rows(open_page(COMPARE)).items()}
    assert (found["Standard"]["kind"], found["Standard"]["text"]) == ("none", "– no check decides")
    assert (found["AW-Net"]["kind"], found["AW-Net"]["text"][0]) == ("none", "–")
    assert (found["PGD-AT"]["kind"], found["PGD-AT"]["text"]) == ("ok", "✓ 3 of 3 passed")


def test_a_report_holds_what_was_computed_of_these_networks_on_this_board(monkeypatch):
    kept: dict[str, object] = {}
    monkeypatch.setattr(compare_take, "kept_here", lambda: kept)

    def of(board, *shas):
        picked = [SimpleNamespace(card=SimpleNamespace(weights_sha256=sha)) for sha in shas]
        return SimpleNamespace(board=SimpleNamespace(id=board), picked=picked)

    compare_take.keep(of("one", "a", "b"), "eps", "Against ε", lambda look: go.Figure(), "told")
    assert [section.title for section in compare_take.live(of("one", "b", "a"), kept)] == ["Against ε"]
    for other in (of("two", "a", "b"), of("one", "a"), of("one", "a", "b", "c")):
        assert compare_take.live(other, kept) == []


def test_a_hostile_card_in_the_report_is_text(tmp_path):
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    names = (evil, "bee", "cat", "dog")
    hostile = {"class_names": names, "measures": (CLEAN, ROBUST), "method": evil, "doubts": (doubts(None),)}
    twins = {name: card(evil, seed=seed, **hostile) for name, seed in (("a", 3), ("b", 4))}
    shown = shown_of(tmp_path, twins)
    figure = go.Figure().update_layout(meta={"alt": evil})
    computed = [compare_take.Section(title=evil, drawn=[lambda look: figure], told=[evil])]
    text = compare_take.html_report(shown, compare_classes.section(shown), points_of(shown), names_on(shown), computed)
    assert "<img src=x" not in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "seed 3)" in text
    for picture in ("Clean against robust", "The worst class against all"):
        part = text.split(f"<h2>{picture}</h2>")[1].split("<h2>")[0]
        for told in ("n: the first 100 test images", "PGD-20", "ε = 0.1", "seed 0"):
            assert told in part


def test_costs_are_not_pushed_out_by_pictures():
    one = SimpleNamespace(card=card(sha="c" * 64))
    cost = SimpleNamespace()
    compare_cards._costs().put(compare_cards._cost_key(one.card), cost)
    for i in range(400):
        shared().put(("picture", i), i)
    assert compare_cards.known_cost(one) is cost


def test_long_lists_of_names_are_taken_from_the_url(open_page):
    app = open_page(COMPARE, models=f"{'x' * 400},{PGD}", other="y" * 400)
    assert app.multiselect[0].value == [PGD]
    assert "other" not in app.session_state["link"]
    app = open_page(COMPARE, models=f"{'x' * 4000},{PGD}")
    assert len(app.multiselect[0].value) == 3


def test_cells_of_the_matrix_are_the_row_s_images_judged_by_the_column(open_page):
    app = open_page(COMPARE, compare="transfer", n_compare="50", steps_compare="2", models=f"{PGD},standard")
    cells = next(t for t in chart(app, "compare_transfer")["data"] if t.get("mode") == "markers+text")
    shares = {(y, x): float(re.sub(r"<.*?>|%", "", text)) for y, x, text in zip(cells["y"], cells["x"], cells["text"],
                                                                               strict=True)}  # fmt: skip
    images = data.load("fashion_mnist_small").test.subset(slice(0, 50))
    nets = [frozen(checkpoints.load(checkpoints.find(name))) for name in (PGD, STANDARD)]
    x, y = images.floats(), images.labels
    attack = AttackSettings(name="pgd", eps=0.1, steps=2)
    wanted = []
    for crafted in nets:
        x_adv = run(attack, crafted, x, y, indices=torch.arange(50))
        with torch.no_grad():
            wanted.append([int((judge(x_adv).argmax(1) == y).sum()) for judge in nets])
    found = [[shares[r + 1, c] * 50 / 100 for c in range(2)] for r in range(2)]
    assert np.allclose(found, wanted)
    assert wanted[0] != wanted[1]  # whose images they are makes a difference


def test_noise_is_no_sign_of_masked_gradients():
    def right(*counts):
        return torch.stack([torch.arange(50) < count for count in counts])

    # Each judge (columns) under images of A (first) and B (second).
    assert masked({"A": right(20, 30), "B": right(18, 10)}) == []  # 2 of 50 fewer: chance
    assert masked({"A": right(20, 30), "B": right(5, 10)}) == [("A", "B", 20, 5)]
    assert masked({"A": right(20)}) == []
    six = {name: right(*[20] * 6) for name in "ABCDEF"}
    six["B"] = right(13, *[20] * 5)  # 7 discordant: 1 in 128, in one of 30 pairs
    assert masked(six) == []
    assert masked({"A": right(20, 20), "B": right(13, 20)}) == [("A", "B", 20, 13)]


def test_intervals_of_worst_class_and_nsd_stand_in_the_table(open_page, zoo):
    known = Card.model_validate_json((zoo / STANDARD / CARD).read_bytes())
    nothing = known.measures[1].model_copy(
        update={"n": 10_000, "correct": 0, "class_n": (1000,) * 10, "class_correct": (0,) * 10}
    )
    change(zoo / STANDARD, measures=(known.measures[0], nothing))
    found = rows(open_page(COMPARE))
    low, high = (float(end) for end in found["PGD-AT"]["worst_class"]["sub"].split(" … "))
    assert low < 60.0 <= high
    assert found["PGD-AT"]["worst_class"]["more"] == "10 classes alike"
    low, high = (float(end) for end in found["PGD-AT"]["nsd"]["sub"].split(" … "))
    assert low <= float(found["PGD-AT"]["nsd"]["text"]) < high
    none = found["Standard"]
    assert (none["robust"]["text"], none["robust"]["sub"]) == ("0.00\u00a0%", "0.00 … 0.04")
    assert (none["worst_class"]["text"], none["worst_class"]["sub"]) == ("0.0\u00a0%", "0.0 … 0.4")
    assert none["nsd"]["text"] == "–"
    assert "no image is right" in none["nsd"]["tip"]


def test_a_few_images_lead_no_board(open_page, zoo):
    known = Card.model_validate_json((zoo / STANDARD / CARD).read_bytes())
    few = {"n": 12, "correct": 12, "class_n": (2, 2, *(1,) * 8), "class_correct": (2, 2, *(1,) * 8)}
    change(zoo / STANDARD, measures=tuple(m.model_copy(update=few) for m in known.measures))
    app = open_page(COMPARE, compare="missing")
    found = rows(app)
    assert list(found) == ["AW-Net", "PGD-AT", "Standard"]
    assert [cells["rank"]["text"] for cells in found.values()] == ["1", "1", "–"]
    assert [mark["word"] for mark in found["Standard"]["name"]["marks"]] == ["n = 12, others 100"]
    (code,) = app.code  # what ranks it
    assert [line for line in code.value.splitlines() if "--no-doubts" not in line and "evaluate" not in line] == [
        f"python -m robust_core measure {STANDARD} --data fashion_mnist_small --n 1000 --eps 0.1"
    ]
    assert found["Standard"]["robust"]["text"] == "100.0\u00a0%"
    assert "Of fewer images than the others, and not ranked: Standard." in plain(raw(app))
    assert "Best W-Robust: Standard" not in chart(app, "compare_tradeoff")["layout"]["meta"]["alt"]
    for name in (AW, PGD):
        change(zoo / name, measures=())
    app = open_page(COMPARE)
    assert rows(app)["Standard"]["rank"]["text"] == "1"
    assert "Of fewer images" not in plain(raw(app))


def test_w_robust_has_an_interval_and_says_which(open_page):
    cell = rows(app := open_page(COMPARE))["PGD-AT"]
    ends = [[float(end) for end in cell[key]["sub"].split(" … ")] for key in ("clean", "robust", "w_robust")]
    for clean, robust, both in zip(*ends, strict=True):
        assert abs(both - (clean + robust) / 2) <= 0.11
    assert "W-Robust's interval: half the sum of the lower ends" in plain(raw(app))


def test_claims_are_open_marks_on_both_pictures(open_page, zoo):
    known = Card.model_validate_json((zoo / AW / CARD).read_bytes())
    said = tuple(m.model_copy(update={"claimed": True}) for m in known.measures)
    assert "Open marks" not in raw(open_page(COMPARE))
    change(zoo / AW, measures=said, notes="Imported from a.zip. ")
    app = open_page(COMPARE)
    assert "Open marks: as an imported card claims, not measured here, and not ranked." in plain(raw(app))
    for picture in ("compare_tradeoff", "compare_worst"):
        symbols = {
            place[0]: symbol
            for trace in chart(app, picture)["data"]
            for place, symbol in zip(trace.get("customdata") or (), trace["marker"]["symbol"], strict=False)
        }
        assert {name: symbol.endswith("-open") for name, symbol in symbols.items()} == {
            AW: True, PGD: False, STANDARD: False
        }  # fmt: skip
