"""Times are kept beside the card, are of one network, say where they were taken, and never stand in anybody's way."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from pathlib import Path

import pytest

from robust_core.cards import Card
from robust_core.checkpoints import CARD, TIMES
from robust_core.evaluation.cost import Cost, processor
from robust_core.evaluation.leaderboard import ordered, row
from robust_core.evaluation.report import lines, records
from robust_core.evaluation.scores import boards
from robust_core.evaluation.timings import MOST_BYTES, network_of, read_cost, write_cost
from tests.evaluation.claims import card
from tests.evaluation.test_leaderboard import CLEAN, PGD_ID, ROBUST, listed


def cost(**settings: object) -> Cost:
    usual = {"multiply_adds": 1000, "one_ms": 0.5, "one_low": 0.4, "one_high": 0.6, "batch_ms": 0.1, "batch": 64,
             "repeats": 30, "images": 350, "threads": 1, "device": "cpu", "processor": processor(),
             "day": date(2026, 11, 22)}  # fmt: skip
    return Cost(**usual | settings)  # type: ignore[arg-type]


def test_what_was_timed_is_read_back_and_the_card_is_left_as_it_is(tmp_path: Path) -> None:
    one = listed(tmp_path / "shapes" / "a", card())
    folder, before = one.checkpoint.folder, (one.checkpoint.folder / CARD).read_bytes()
    assert read_cost(folder, one.card) is None
    assert write_cost(folder, one.card, cost())
    assert read_cost(folder, one.card) == cost()
    assert (folder / CARD).read_bytes() == before
    assert json.loads((folder / TIMES).read_text())["cost"]["day"] == "2026-11-22"


@pytest.mark.parametrize("change", [{"weights_sha256": "b" * 64}, {"options": {"width": 8}}, {"architecture": "moe"}])
def test_times_of_another_network_are_none_of_this_one(tmp_path: Path, change: dict[str, object]) -> None:
    one = card()
    assert write_cost(tmp_path, one, cost())
    assert read_cost(tmp_path, one.model_copy(update=change)) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b"{}", b'{"net": "x"}', b" " * (MOST_BYTES + 1)],
)
def test_a_file_that_is_none_of_ours_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TIMES).write_bytes(content)
    assert read_cost(tmp_path, card()) is None


@pytest.mark.parametrize("wrong", [{"one_ms": -1}, {"one_ms": float("nan")}, {"batch": 0}, {"processor": "x" * 999}])
def test_figures_that_cannot_be_are_not_believed(tmp_path: Path, wrong: dict[str, object]) -> None:
    kept = {"net": network_of(card()), "cost": json.loads(cost().model_dump_json()) | wrong, "later": 1}
    (tmp_path / TIMES).write_text(json.dumps(kept))
    assert read_cost(tmp_path, card()) is None
    (tmp_path / TIMES).write_text(json.dumps(kept | {"cost": json.loads(cost().model_dump_json()) | {"more": 1}}))
    assert read_cost(tmp_path, card()) == cost()  # as a later version may write it


def test_where_the_processor_has_no_name_a_machine_knows_itself_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines of one architecture are not one machine."""
    assert cost().here
    for name in ("processor", "machine"):
        monkeypatch.setattr(platform, name, lambda: "aarch64")
    monkeypatch.setattr("builtins.open", lambda *_, **__: (_ for _ in ()).throw(OSError("no such file")))
    told = {}
    try:
        for node in ("one", "other", ""):
            monkeypatch.setattr(platform, "node", lambda node=node: node)
            processor.cache_clear()
            told[node] = processor()
            assert cost(processor=told[node]).here == bool(node)
            assert not cost(processor="aarch64").here
        assert len(set(told.values())) == 3
        assert told[""] == processor("cuda:99") == ""
        assert "one" not in told["one"]  # nobody's host name goes into a file
    finally:
        processor.cache_clear()


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    assert not write_cost(tmp_path / "gone", card(), cost())
    (tmp_path / TIMES).mkdir()  # stands in the way, whoever we are
    assert not write_cost(tmp_path, card(), cost())
    assert os.listdir(tmp_path) == [TIMES]
    assert read_cost(tmp_path, card()) is None


def test_milliseconds_of_another_machine_are_marked_and_not_sorted(tmp_path: Path) -> None:
    measured: dict[str, object] = {"measures": (CLEAN, ROBUST)}
    names: dict[str, Card] = {name: card(name, **measured) for name in ("quick", "slow", "away")}
    every = {name: listed(tmp_path / "shapes" / name, one) for name, one in names.items()}
    (board,) = boards(every.values())
    costs = {"quick": cost(one_ms=0.2), "slow": cost(one_ms=0.9), "away": cost(one_ms=0.1, processor="Abacus")}
    rows = ordered([row(one, board, PGD_ID, costs[name]) for name, one in every.items()], "ms")
    assert [one.title for one in rows] == ["quick", "slow", "away"]
    assert len({one.value("multiply_adds") for one in rows}) == 1  # the same on every machine
    assert [line[-2] for line in lines(rows)] == ["0.20", "0.90", "0.10 (another machine)"]
    taken = records(rows, board, None)
    assert [record["ms_measured_here"] for record in taken] == ["yes", "yes", "no"]
    assert "Abacus" in str(taken[2]["ms_measured"])
