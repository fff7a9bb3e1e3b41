"""Compare says whose figures count: those that flatter, those of few networks, checks beside a network that falls."""

from __future__ import annotations

import json

import pytest

from robust_core.cards import Card, Evaluation, Tally
from robust_core.checkpoints import CARD
from tests.evaluation.claims import doubts, evaluation
from tests.pages.comparing import AW, COMPARE, PGD, STANDARD, change, chart, plain, rows, said

WORST = "worst:table"


def evaluated(zoo, name, clean, robust, plan=("table",), n=100):
    """As `name`'s card would have it: of 10 classes so many right in a hundred, of n images."""
    card = Card.model_validate_json((zoo / name / CARD).read_bytes())

    def tally(share: int) -> Tally:
        each = n // 10
        return Tally(n=n, correct=share * n // 100, class_n=(each,) * 10, class_correct=(share * each // 100,) * 10)

    made = evaluation(tally(clean), tally(robust), plan=plan, sha=card.weights_sha256)
    where = {"data_name": card.measures[0].data_name, "data_fingerprint": card.measures[0].data_fingerprint}
    return Evaluation.model_validate(made.model_dump() | where)


def test_a_network_spared_the_attacks_on_its_router_is_not_ranked_and_may_be_made_whole(open_page, zoo):
    change(zoo / PGD, evaluations=(evaluated(zoo, PGD, 80, 50),))
    whole, spared = (evaluated(zoo, AW, 90, share, plan, n)
                     for share, plan, n in ((40, ("table", "adaptive"), 100), (80, ("table",), 1000)))  # fmt: skip
    change(zoo / AW, evaluations=(spared,))
    change(zoo / STANDARD, architecture="moe", evaluations=(evaluated(zoo, STANDARD, 90, 0, ("table", "adaptive")),))
    app = open_page(COMPARE, under=WORST, compare="missing")
    found = rows(app)
    assert list(found) == ["PGD-AT", "Standard", "AW-Net"]
    assert [cells["rank"]["text"] for cells in found.values()] == ["1", "2", "–"]
    assert [mark["word"] for mark in found["AW-Net"]["name"]["marks"]] == ["router not attacked"]
    assert "2 of these are ranked, and where one is not, a mark says why." in said(app)
    assert "**AW-Net** lacks the attacks that know its router" in said(app)
    lines = app.code[0].value.splitlines()
    assert lines[0] == (
        f"python -m robust_core evaluate {AW} --data fashion_mnist_small --n 1000 --norm linf --eps 0.1 "
        "--plan table,adaptive"
    )
    assert "flatters them, and not ranked: AW-Net." in said(app)
    assert "Best W-Robust: PGD-AT" in chart(app, "compare_tradeoff")["layout"]["meta"]["alt"]
    # With a whole evaluation on fewer images that one stands there, and counts.
    change(zoo / AW, evaluations=(spared, whole))
    found = rows(open_page(COMPARE, under=WORST))
    assert (found["AW-Net"]["robust"]["text"], found["AW-Net"]["n"]["text"]) == ("40.0\u00a0%", "100")
    assert [cells["rank"]["text"] for cells in found.values()] == ["1", "1", "3"]
    assert not found["AW-Net"]["name"]["marks"]


def test_of_how_many_networks_a_board_speaks_stands_above_it(open_page, zoo):
    assert "Measured so" not in said(open_page(COMPARE))
    change(zoo / PGD, measures=())
    app = open_page(COMPARE)
    told = [one.value for one in app.markdown if "Measured so" in one.value]
    assert [plain(text) for text in told] == ["Measured so: 2 of 3 networks; ranks are among these."]
    assert not any("Measured so" in one.value for one in app.caption)  # once


@pytest.mark.parametrize(("right", "kind"), [(2, ""), (4, ""), (5, "ok"), (60, "ok")])
def test_checks_passed_beside_a_network_that_falls_are_no_good_news(open_page, zoo, right, kind):
    card = Card.model_validate_json((zoo / STANDARD / CARD).read_bytes())
    left = {"correct": right, "class_correct": tuple(right // 10 + (k < right % 10) for k in range(10))}
    made = doubts(True, True, sha=card.weights_sha256, print_=card.measures[0].data_fingerprint)
    change(zoo / STANDARD, measures=(card.measures[0], card.measures[1].model_copy(update=left)), doubts=(made,))
    cell = rows(open_page(COMPARE))["Standard"]["doubts"]
    assert (cell["text"], cell["kind"]) == ("✓ 2 of 2 passed", kind)
    assert cell["tip"].startswith("These checks ask whether the attack was an honest one, not whether the network")


def test_a_claim_that_spares_the_router_says_so(open_page, zoo):
    for name in ("aw_net", "pgd_at"):
        (zoo / "fashion_mnist" / name / "recipe.toml").write_text('title = "T"\n[objective]\nname = "adversarial"\n')
    change(zoo / PGD, evaluations=(evaluated(zoo, PGD, 80, 30, n=1000),))
    spared, whole = (evaluated(zoo, AW, 90, share, plan, 1000)
                     for share, plan in ((60, ("table",)), (20, ("table", "adaptive"))))  # fmt: skip

    def told():
        app = open_page()
        drawn = " ".join(p.proto.spec for p in app.get("plotly_chart"))
        return said(app), json.loads('"' + drawn.partition("Claims of the papers. ")[2].partition('"')[0] + '"')

    change(zoo / AW, evaluations=(spared,))
    captions, drawn = told()
    assert "undecided here, +20.0 points" in drawn  # and would hold, were it not for what is missing
    assert "attacks that know its router are left out, which can only flatter AW-Net: it may lose here, not win." in (
        captions
    )
    assert "restarts that its rival did not meet" not in captions
    change(zoo / AW, evaluations=(spared, whole))
    assert "20.0\u00a0% of the first 1,000 images stand, 20.0\u00a0% without them" in told()[0]
