"""The table that the command line prints tells the worst case that a card knows, not one attack alone."""

from __future__ import annotations

from pathlib import Path

from robust_core.checkpoints import Checkpoint
from robust_core.library import table
from tests.evaluation.claims import PGD, card, evaluation, measure, put, tally


def test_the_worst_case_of_the_most_attacks_stands_beside_one_attack(tmp_path: Path) -> None:
    clean = tally(24, 24, 20, 20)
    found = put(
        tmp_path / "shapes" / "net",
        card(
            measures=(measure(24, 24, 20, 20), measure(16, 16, 16, 16, attack=PGD)),
            evaluations=(
                evaluation(clean, tally(8, 8, 8, 8), plan=("table", "autoattack")),
                evaluation(clean, tally(16, 16, 16, 16)),
                evaluation(clean, tally(1, 1, 1, 1), plan=("table", "autoattack", "adaptive"), sha="b" * 64),
            ),
        ),
    )
    row = table.row(found)
    assert (row["clean"], row["robust"], row["worst_case"], row["worst_n"]) == (0.88, 0.64, 0.32, 100)
    heads, line = table.lines([row])
    assert heads.split()[:3] == ["checkpoint", "method", "architecture"]
    assert line.split()[1:7] == ["trades", "residual", "1,000", "88.00%", "64.00%", "32.00%"]
    assert line.endswith("seed 0; n = 100, ε = 0.1, table + autoattack")


def test_what_was_not_measured_and_what_is_broken_are_told(tmp_path: Path) -> None:
    bare = put(tmp_path / "shapes" / "bare", card())
    broken = Checkpoint(name="shapes/broken", folder=tmp_path, card=None, problem="no card.json")
    _, first, second = table.lines([table.row(bare), table.row(broken)])
    assert first.split()[4:] == ["—", "—", "—", "not", "measured"]
    assert second.split(maxsplit=1) == ["shapes/broken", "no card.json"]
