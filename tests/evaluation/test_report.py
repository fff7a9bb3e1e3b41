"""What is taken home says what was not measured, and every number with what repeats it."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from robust_core.evaluation.footing import on_one_footing
from robust_core.evaluation.leaderboard import ordered, row
from robust_core.evaluation.report import (
    about,
    doubt_lines,
    headings,
    lines,
    records,
    standing,
    to_csv,
    to_markdown,
)
from robust_core.evaluation.scores import boards, yardsticks
from robust_core.tallies import Figure
from tests.evaluation.claims import PGD, card, doubts, evaluation, measure, tally
from tests.evaluation.test_leaderboard import CLEAN, PGD_ID, ROBUST, listed


def taken(tmp_path: Path) -> tuple[object, object, list[object]]:
    whole = listed(tmp_path / "shapes" / "a", card("=1+1|<b>", measures=(CLEAN, ROBUST), doubts=(doubts(True, False),)))
    bare = listed(tmp_path / "shapes" / "b", card("Bare"))
    (board,) = boards([whole, bare])
    (stick,) = yardsticks(board, [whole, bare])
    return board, stick, ordered([row(one, board, stick.id) for one in (bare, whole)], "w_robust")


def test_csv_is_read_back_with_every_number(tmp_path: Path) -> None:
    board, stick, rows = taken(tmp_path)
    whole, bare = csv.DictReader(io.StringIO(to_csv(rows, board, stick)))
    assert whole["title"] == "'=1+1|<b>"  # no formula
    assert [float(whole[key]) for key in ("clean", "robust", "w_robust", "worst_class")] == [0.88, 0.5, 0.69, 0.2]
    assert float(whole["robust_low"]) < 0.5 < float(whole["robust_high"])
    for end in ("low", "high"):
        ends = float(whole[f"clean_{end}"]), float(whole[f"robust_{end}"])
        assert float(whole[f"w_robust_{end}"]) == pytest.approx(sum(ends) / 2, abs=2e-6)
    for name in ("w_robust", "worst_class", "nsd"):
        assert 0 < float(whole[f"{name}_low"]) < float(whole[name]) < float(whole[f"{name}_high"])
        assert bare[f"{name}_low"] == bare[f"{name}_high"] == "not measured"
    assert (whole["robust_n"], whole["eps"], whole["norm"], whole["seed"]) == ("100", "0.1", "linf", "0")
    assert "PGD-20" in whole["attack"]
    assert whole["test_images_sha256"] == "f" * 64
    assert (whole["doubts_passed"], whole["doubts_caught"]) == ("1 of 2", "check1")
    for key in (
        "clean",
        "robust",
        "robust_n",
        "w_robust",
        "worst_class",
        "nsd",
        "ms_per_image",
        "seed",
    ):
        assert bare[key] == "not measured"
    assert int(bare["multiply_adds"]) > 1000  # of the architecture the card names
    assert bare["doubts_passed"] == "not checked"
    assert bare["rank"] == ""
    assert to_csv([], board, stick) == "name\n"


def test_markdown_has_a_table_of_equal_width_and_says_what_it_is(tmp_path: Path) -> None:
    board, stick, rows = taken(tmp_path)
    text = to_markdown(rows, board, stick)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4
    widths = {line.replace("\\|", "").count("|") for line in table}
    assert widths == {len(headings()) + 1}
    assert "&lt;b>" in text
    assert "50.0\u00a0% [40.4, 59.6]" in text
    assert re.search(r"\| 69\.00\u00a0% \[\d\d\.\d\d, \d\d\.\d\d\] \|", text)
    assert "W-Robust's interval: half the sum of the lower ends of both" in text
    assert "1 of 2 caught" in text
    assert re.search(r"\| 20\.0\u00a0% \[\d+\.\d, \d+\.\d\] dog \| 0\.447 \[0\.\d{3}, 0\.\d{3}\] \|", text)
    for told in ("PGD-20, step 0.0125", "L∞, ε = 0.1 (25.5/255)", "seed 0", "the first 100 test images"):
        assert told in text


def test_rows_of_words_match_their_headings(tmp_path: Path) -> None:
    board, _, rows = taken(tmp_path)
    assert all(len(line) == len(headings()) for line in lines(rows))
    assert "none" in " ".join(about([], board, None))
    assert [line[2] for line in doubt_lines(rows)] == ["passed", "caught"]


def test_ranks_go_by_a_key_that_judges_and_the_order_is_told(tmp_path: Path) -> None:
    board, stick, rows = taken(tmp_path)
    assert [line[0] for line in lines(rows, "clean")] == ["1", "–"]
    assert [line[0] for line in lines(rows, "parameters")] == ["–", "–"]
    whole, bare = csv.DictReader(io.StringIO(to_csv(rows, board, stick, "nsd")))
    assert (whole["rank"], whole["ranked_by"], bare["rank"]) == ("1", "nsd", "")
    assert "Ranked by NSD, filtered to method trades" in about(rows, board, stick, "nsd", ["method trades"])
    assert "In order of ms/image, not ranked" in to_markdown(rows, board, stick, "ms")


def test_networks_of_one_title_are_told_apart(tmp_path: Path) -> None:
    cards = {"a": card("Twin", seed=3), "b": card("Twin", seed=4), "c": card("Twin", method="imported")}
    every = [listed(tmp_path / "shapes" / name, one) for name, one in cards.items()]
    (board,) = boards(every)
    found = [row(one, board, "") for one in every]
    assert [line[1] for line in lines(found)] == [
        "Twin (shapes/a, seed 3)", "Twin (shapes/b, seed 4)", "Twin (shapes/c, seed not known)",
    ]  # fmt: skip
    seeds = [line["training_seed"] for line in csv.DictReader(io.StringIO(to_csv(found, board, None)))]
    assert seeds == ["3", "4", "not known"]


def test_markdown_holds_no_picture_of_somebody_s(tmp_path: Path) -> None:
    one = listed(tmp_path / "shapes" / "a", card("![](https://evil.example/p.png)", measures=(CLEAN, ROBUST)))
    (board,) = boards([one])
    assert "](https" not in to_markdown([row(one, board, "pgd:20:uniform:1:True")], board, None)


def test_where_nothing_is_right_the_interval_is_no_point_and_nsd_is_undefined(tmp_path: Path) -> None:
    nothing = measure(0, 0, 0, 0, attack=PGD)
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, nothing)))
    (board,) = boards([one])
    found = row(one, board, PGD_ID)
    (words,) = lines([found])
    assert words[5] == "0.0\u00a0% [0.0, 3.7]"  # 3.8416 / 103.8416
    assert words[7] == "0.0\u00a0% [0.0, 13.3] 4 classes alike"  # 3.8416 / 28.8416
    assert words[8] == "not defined"
    (record,) = records([found], board, None)
    assert record["nsd_low"] == record["nsd_high"] == record["nsd"] == "not defined: none is right"
    assert record["robust_high"] == 0.036995


def test_an_imported_card_s_own_intervals_are_not_taken_over(tmp_path: Path) -> None:
    made = evaluation(tally(24, 24, 20, 20), tally(20, 15, 10, 5))
    spread = made.figures["nsd"].value
    told = {"worst_class": Figure(value=0.2, low=0.19, high=0.21), "nsd": Figure(value=spread, low=0.44, high=0.45)}
    for claimed in (False, True):
        said = made.model_copy(update={"figures": made.figures | told, "claimed": claimed})
        one = listed(tmp_path / str(claimed) / "a", card(evaluations=(said,)))
        (board,) = boards([one])
        found = row(one, board, "group:table").intervals
        assert (found == told) is not claimed
        assert found["worst_class"].low < 0.2 < found["worst_class"].high


def test_of_how_many_networks_a_board_speaks_is_said(tmp_path: Path) -> None:
    few = measure(5, 5, 5, 5, attack=PGD).model_copy(update=tally(9, 9, 9, 9, each=10).model_dump())
    cards = {"a": (CLEAN, ROBUST), "b": (CLEAN, few), "c": (CLEAN,), "d": ()}
    every = [listed(tmp_path / "shapes" / name, card(name, measures=made)) for name, made in cards.items()]
    board = boards(every)[0]
    whole, short, *bare = (row(one, board, PGD_ID) for one in every)
    assert standing([whole]) == standing([whole, whole]) == ""
    assert standing([whole, *bare]) == "Measured so: 1 of 3 networks; ranks are among these"
    assert standing([whole, *bare], "ms") == "Measured so: 1 of 3 networks"
    assert standing(bare) == "Measured so: 0 of 2 networks"
    marked = on_one_footing([whole, short, *bare])
    said = "Measured so: 2 of 4 networks; 1 of these is ranked, and where one is not, a mark says why"
    assert standing(marked) == said
    assert said in about(marked, board, None)
    assert said in to_markdown(marked, board, None)
    (alone,) = [one for one in marked if one.fewer]
    assert standing([alone]).endswith("; none of these is ranked, and where one is not, a mark says why")


def test_what_the_numbers_are_is_read_at_once(tmp_path: Path) -> None:
    counts = [tally(*(each // 2,) * 4, each=each).model_dump() for each in (25, 250, 2500)]
    every = [
        listed(tmp_path / "shapes" / str(k), card(str(k), measures=(ROBUST.model_copy(update=count),)))
        for k, count in enumerate(counts)
    ]
    board = boards(every)[0]
    rows = [row(one, board, PGD_ID) for one in every]
    stick = yardsticks(board, every)[0]

    def told(count: int) -> str:
        return " | ".join(about(rows[:count], board, stick))

    assert "n: the first 100 test images; 95\u00a0% intervals" in told(1)
    assert "n: the first 100 or 1,000 test images, as each row says; 95" in told(2)
    assert "n: the first 100, 1,000 or 10,000 test images, as each row says; 95" in told(3)
    assert "n: none measured so; 95" in told(0)
    assert "Robust: still right under PGD-20, step 0.0125" in told(1)


def test_what_a_card_tells_of_a_check_is_written_as_all_percentages_are(tmp_path: Path) -> None:
    made = doubts(True)
    made = made.model_copy(update={"checks": (made.checks[0].model_copy(update={"told": "12.5% stand"}),)})
    one = listed(tmp_path / "shapes" / "a", card(measures=(CLEAN, ROBUST), doubts=(made,)))
    ((*_, told, _),) = doubt_lines([row(one, boards([one])[0], PGD_ID)])
    assert told == "12.5\u00a0% stand"
