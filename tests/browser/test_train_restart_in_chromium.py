"""The server is killed while a run goes on, and another one finds it: a run belongs to its folder, to no server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from robust_core.checkpoints import STATE, read_history
from robust_core.training import launch
from robust_core.training.progress import read_progress
from robust_core.training.record import read_record
from robust_core.training.run import Run
from robust_core.training.status import look
from tests.browser.serving import free_port, serving
from tests.browser.test_train_in_chromium import RECIPE, step
from tests.browser.waiting import until
from tests.pages.conftest import make_zoo

pytestmark = pytest.mark.browser
OUTLIVES = RECIPE.replace("6000", "1000").replace("Watched", "Outlives").replace("epochs = 3", "epochs = 1")
OUTLIVES = OUTLIVES.replace("batch_size = 100", "batch_size = 50")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """Where the run will be; its process ends with the test, however that goes."""
    folder = tmp_path / "runs" / "outlives"
    yield folder
    if (record := read_record(folder)) and launch.launcher().alive(record.process):
        tell(folder, signal.SIGKILL)


def tell(run: Path, what: signal.Signals) -> None:
    os.kill(int(read_record(run).process.partition("@")[0]), what)


def reached(run: Path) -> int:
    return read_progress(run).step


def test_a_run_outlives_the_server_that_started_it(run: Path, tmp_path: Path, page) -> None:
    port = free_port()
    places = {"ROBUSTLENS_CHECKPOINTS": str(make_zoo(tmp_path / "zoo")), "ROBUSTLENS_RUNS": str(run.parent)}
    places |= {"OMP_NUM_THREADS": "1"}  # of the run, too: a core is left for the server
    with serving(tmp_path / "first.txt", places, port) as (server, process):
        page.goto(f"{server}/Train?train=new")
        editor = page.get_by_role("textbox", name="As TOML")
        editor.wait_for()
        editor.fill(OUTLIVES)
        editor.press("Control+Enter")
        until(lambda: page.get_by_role("textbox", name="Title").input_value() == "Outlives")
        page.get_by_role("button", name="Start training").focus()
        page.keyboard.press("Enter")
        until(lambda: reached(run) > 0)
        page.goto("about:blank")
        os.killpg(process.pid, signal.SIGKILL)  # with all that hangs on it, as when a terminal is closed
        process.wait(timeout=20)
    killed_at = reached(run)
    assert look(run).status == "running"
    until(lambda: reached(run) > killed_at)  # there is no server now
    tell(run, signal.SIGSTOP)  # or, on a quick machine, it would be over before the next one answers
    paused_at = reached(run)
    assert killed_at < paused_at < look(run).progress.of == 180

    with serving(tmp_path / "second.txt", places, port) as (server, _):
        page.goto(f"{server}/Train?watch=outlives")
        page.locator(".rl-facts .running").wait_for()
        assert step(page) == paused_at
        page.get_by_role("button", name="Stop").first.wait_for()
        tell(run, signal.SIGCONT)
        until(lambda: step(page) > paused_at)  # and it moves
        page.locator(".rl-facts .finished").wait_for(timeout=120_000)
        assert step(page) == 180
    until(lambda: not (run / STATE).exists())
    assert not Run(run).is_held
    history = read_history(run)
    assert [event["step"] for event in history if event["event"] == "step"] == [1, *range(20, 181, 20)]
    assert [event["epoch"] for event in history if event["event"] == "epoch"] == [1]
    assert [event["event"] for event in history].count("start") == 1
    assert history[-1]["event"] == "complete"
