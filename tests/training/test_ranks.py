"""Two processes train as one does: the same history, whatever the objective and the network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from robust_core import ranks
from robust_core.checkpoints import read_history
from robust_core.types import UserError
from tests.training.several import main

ROOT = Path(__file__).parents[2]
CLOCKS = ("seconds", "seconds_left", "images_per_second")
APART = (*CLOCKS, "processes")  # what may differ


def numbers(event: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in event.items() if key not in APART}


def by_two(folder: Path, objective: str, architecture: str) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tests.training.several", str(folder), objective, architecture]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "architecture"),
    [("b_mtard", "residual"), ("absld", "aw_net"), ("adversarial", "moe"), ("trades", "residual")],
)
def test_two_processes_tell_the_history_of_one(objective: str, architecture: str, tmp_path: Path) -> None:
    main(tmp_path / "one", objective, architecture)
    by_two(tmp_path / "two", objective, architecture)
    one, two = (read_history(tmp_path / name) for name in ("one", "two"))
    assert len(one) == len(two) > 10
    for a, b in zip(one, two, strict=True):
        assert numbers(a).keys() == numbers(b).keys()
        for key, value in numbers(a).items():
            told = flat(value)
            expected = told if isinstance(told, str) else pytest.approx(told, rel=1e-4, abs=1e-4)
            assert flat(b[key]) == expected, (key, a.get("step"))


def flat(value: object) -> object:
    """Numbers in one list: approx does not look into nested ones."""
    if isinstance(value, dict):
        return [x for part in value.values() for x in (flat(part) if isinstance(part, list) else [part])]
    return [-1.0 if x is None else x for x in value] if isinstance(value, list) else value


def test_alone_everything_is_the_identity() -> None:
    value = torch.tensor([1.0, 2.0])
    assert ranks.total(value) is value
    assert ranks.mean(value) is value
    assert (ranks.rank(), ranks.world(), ranks.share(10)) == (0, 1, slice(0, 10))
    assert ranks.any_of(True)
    assert not ranks.any_of(False)


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "world", lambda: 3)
    with pytest.raises(UserError, match="batch_size 16 cannot be shared evenly by 3"):
        ranks.share(16)
