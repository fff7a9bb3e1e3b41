"""Two processes train as one does: the same history, whatever the objective and the network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from robust_core import ranks
from robust_core.checkpoints import HISTORY, read_history
from robust_core.types import UserError
from tests.training.several import main

ROOT = Path(__file__).parents[2]
CLOCKS = ("seconds", "seconds_left", "images_per_second")
APART = (*CLOCKS, "processes")  # what may differ


def numbers(event: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in event.items() if key not in APART}


def start_two(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *arguments]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def by_two(folder: Path, *jobs: str) -> None:
    running = start_two("tests.training.several", str(folder), *jobs)
    _, said = running.communicate(timeout=240)
    assert running.returncode == 0, said[-3000:]


JOBS = ("b_mtard-residual-2", "absld-aw_net-2", "adversarial-moe-2", "trades-residual-2")
EXACT = "absld-aw_net-2-float64"
LONG = "b_mtard-residual-10"


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each job's run by two processes, all in one start."""
    folder = tmp_path_factory.mktemp("two")
    by_two(folder, *JOBS, EXACT, LONG)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_two_processes_tell_the_history_of_one(job: str, of_two: Path, tmp_path: Path) -> None:
    main(tmp_path, job)
    same_story(tmp_path / job, of_two / job)


@pytest.mark.slow
def test_in_float64_they_do_to_the_ninth_digit(of_two: Path, tmp_path: Path) -> None:
    """At a full learning rate, under an attack that goes by signs: what parts two processes from one is rounding."""
    main(tmp_path, EXACT)
    same_story(tmp_path / EXACT, of_two / EXACT, within=1e-9)


def same_story(first: Path, second: Path, within: float = 1e-4) -> None:
    one, two = read_history(first), read_history(second)
    assert len(one) == len(two) > 10
    for a, b in zip(one, two, strict=True):
        assert numbers(a).keys() == numbers(b).keys()
        for key, value in numbers(a).items():
            told = flat(value)
            expected = told if isinstance(told, str) else pytest.approx(told, rel=within, abs=within)
            assert flat(b[key]) == expected, (key, a.get("step"))


@pytest.mark.slow
def test_one_of_two_killed_and_both_resumed(of_two: Path, tmp_path: Path) -> None:
    """kill -9 on the second process; torchrun ends, is started again, and the history is that of no kill, exactly."""
    running = start_two("tests.training.several", str(tmp_path), LONG)
    deadline = time.monotonic() + 120
    while not any(event["event"] == "epoch" for event in story_so_far(tmp_path / LONG)):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(second_process(str(tmp_path)), signal.SIGKILL)
    running.communicate(timeout=120)
    assert running.returncode != 0
    assert story_so_far(tmp_path / LONG)[-1]["step"] < 50
    by_two(tmp_path, LONG)
    whole, killed = ([numbers(event) for event in read_history(folder / LONG)] for folder in (of_two, tmp_path))
    assert len(whole) > 50
    assert whole == killed


def story_so_far(folder: Path) -> list[dict[str, Any]]:
    path = folder / HISTORY
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.is_file() else []


def second_process(argument: str) -> int:
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            ours = argument.encode() in (place / "cmdline").read_bytes()
            if ours and b"\0RANK=1\0" in b"\0" + (place / "environ").read_bytes() + b"\0":
                return int(place.name)
    raise AssertionError("no second process")


@pytest.mark.slow
def test_what_is_wrong_is_said_once_by_two_processes(tmp_path: Path) -> None:
    """No folder is left, so that the mended command runs."""
    to = tmp_path / "run"
    told = ("robust_core", "train", "recipes/bundled_pgd_at.toml", "--to", str(to), "--device", "cpu")
    running = start_two(*told, "--set", "batch_size=127")
    _, said = running.communicate(timeout=120)
    assert running.returncode != 0
    assert said.count("error: batch_size 127 cannot be shared evenly by 2 processes") == 1
    assert not to.exists()


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


@pytest.fixture
def a_group_of_one(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.usefixtures("a_group_of_one")
def test_the_shared_norm_is_the_norm_in_either_precision(dtype: torch.dtype) -> None:
    plain, shared = nn.BatchNorm2d(3), ranks.SharedBatchNorm(3)
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(8, 3, 5, 5, generator=generator) * 3 + 7).to(dtype)
    given = [x.clone().requires_grad_() for _ in range(2)]
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        seen = [norm(one) for norm, one in zip((plain, shared), given, strict=True)]
    for one in seen:
        (one.float() ** 3).sum().backward()
    near = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 0.05, "atol": 0.05}
    assert seen[0].dtype == seen[1].dtype == dtype
    torch.testing.assert_close(seen[1], seen[0], **near)
    torch.testing.assert_close(given[1].grad, given[0].grad, **near)
    torch.testing.assert_close(shared.running_mean, plain.running_mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shared.running_var, plain.running_var, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("a_group_of_one")
def test_what_one_says_and_what_one_cannot_do() -> None:
    assert ranks.said("ε = 0.1") == "ε = 0.1"
    assert ranks.said("") == ""
    with ranks.agreed():
        pass
    with pytest.raises(UserError, match="^no such image$"), ranks.agreed():
        raise UserError("no such image")
