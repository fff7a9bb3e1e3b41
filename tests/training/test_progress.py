"""Progress is read from the tail: right for whole, torn, long and missing histories, and cheap."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from robust_core.checkpoints import HISTORY
from robust_core.training.progress import Progress, read_progress

STEP = {"event": "step", "of": 100, "images_per_second": 50.0, "seconds": 2.0, "seconds_left": 8.0}
EPOCH = {"event": "epoch", "epoch": 2, "step": 20, "seconds": 2.5, "clean": 0.8, "robust": 0.4, "w_robust": 0.6}
EPOCH["n"] = 10


def written(folder: Path, events: list[dict[str, Any]], torn: bytes = b"") -> Path:
    (folder / HISTORY).write_bytes(b"".join(json.dumps(event).encode() + b"\n" for event in events) + torn)
    return folder


def test_no_history_is_no_progress(tmp_path: Path) -> None:
    assert read_progress(tmp_path) == read_progress(written(tmp_path, [])) == Progress()


def test_the_last_step_and_the_last_validation_count(tmp_path: Path) -> None:
    events = [{"event": "start"}, EPOCH | {"epoch": 1, "clean": 0.1}, EPOCH, STEP | {"step": 20}, STEP | {"step": 40}]
    found = read_progress(written(tmp_path, events, torn=b'{"event": "step", "step": 6'))
    assert found == Progress(
        step=40, of=100, epoch=2, images_per_second=50, seconds=2, seconds_left=8, clean=0.8, robust=0.4, w_robust=0.6,
        n=10,
    )  # fmt: skip


def test_an_epoch_that_ended_after_the_last_step_line_counts(tmp_path: Path) -> None:
    found = read_progress(written(tmp_path, [STEP | {"step": 15}, EPOCH]))
    assert (found.step, found.seconds, found.of) == (20, 2.5, 100)


@pytest.mark.parametrize("since", [10, 2_000, 20_000])
def test_the_epoch_is_found_however_long_ago(tmp_path: Path, since: int) -> None:
    events = [EPOCH, *({**STEP, "step": 20 + i} for i in range(since))]
    found = read_progress(written(tmp_path, events))
    assert (found.epoch, found.step) == (2, 19 + since)


def test_a_long_history_is_read_in_milliseconds(tmp_path: Path) -> None:
    """As many whole epochs of 100 classes as ten papers have: what is not in the tail is not read."""
    by_class = {"class_clean": [0.123456789] * 100, "class_robust": [0.123456789] * 100}
    written(tmp_path, [{**EPOCH, **by_class, "epoch": i} for i in range(300)] * 10)
    assert (tmp_path / HISTORY).stat().st_size > 5e6
    before = time.process_time()
    assert read_progress(tmp_path).epoch == 299
    assert time.process_time() - before < 0.05


@pytest.mark.parametrize("nonsense", [-1.0, float("nan"), float("inf"), 10**400, "soon", None])
def test_seconds_that_cannot_be_are_not_told(tmp_path: Path, nonsense: object) -> None:
    """Of a clock that jumped, in a history from elsewhere."""
    written(tmp_path, [STEP | {"step": 20, "seconds": nonsense, "seconds_left": nonsense}])
    found = read_progress(tmp_path)
    assert (found.step, found.seconds, found.seconds_left) == (20, 0.0, None)
