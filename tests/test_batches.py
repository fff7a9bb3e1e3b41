"""Many batches at once give what one after the other gives, in order, and end together."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from robust_core import batches
from robust_core.batches import cores, in_batches


@pytest.mark.parametrize("at_once", [None, 1, 3])
def test_answers_come_in_order_whatever_runs_at_once(at_once: int | None) -> None:
    told: list[tuple[int, int]] = []
    x = torch.arange(10.0)
    parts = in_batches(lambda rows: x[rows] * 2, 10, 4, progress=lambda *at: told.append(at), at_once=at_once)
    assert torch.equal(torch.cat(parts), x * 2)
    assert [len(part) for part in parts] == [4, 4, 2]
    assert told == [(4, 10), (8, 10), (10, 10)]
    assert in_batches(lambda rows: x[rows], 0, 4, at_once=at_once) == []


def test_batches_really_meet() -> None:
    """Each waits for the other: one after the other would never end."""
    meeting = threading.Barrier(2, timeout=20)
    assert sorted(in_batches(lambda rows: meeting.wait() >= 0, 2, 1, at_once=2)) == [True, True]


def test_a_thread_takes_no_more_cores_than_the_caller() -> None:
    before = torch.get_num_threads()
    assert set(in_batches(lambda rows: torch.get_num_threads(), 4, 1, at_once=2)) == {before}


@pytest.mark.parametrize("at_once", [1, 2])
def test_an_error_in_the_work_or_from_the_one_who_watches_ends_it(at_once: int) -> None:
    done: list[int] = []

    def work(rows: slice) -> None:
        time.sleep(0.001)  # or a busy machine ends all of it before the one who watches is heard
        done.append(rows.start)

    def stop(at: int, _of: int) -> None:
        raise InterruptedError(f"at {at}")

    with pytest.raises(InterruptedError, match="at 1"):
        in_batches(work, 1000, 1, progress=stop, at_once=at_once)
    assert len(done) < 1000
    with pytest.raises(ZeroDivisionError):
        in_batches(lambda rows: 1 // rows.start, 3, 1, at_once=at_once)


def test_cores_are_there() -> None:
    assert cores() >= 1


def test_who_gave_its_cores_away_keeps_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "cores", lambda: 8)
    for told, own in (("2", 2), ("", 8), ("99", 8), ("x", 8)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert batches.share() == own
