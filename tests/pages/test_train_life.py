"""A run's whole life from the page, with real processes: started, seen, stopped, resumed, killed, the app restarted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from robust_core.checkpoints import CARD, STATE, read_history
from robust_core.data.own import keep
from robust_core.training.follow import _follower
from robust_core.training.record import read_record
from robust_core.training.run import Run
from robust_core.training.status import look
from tests.pages.test_train import buttons, told
from tests.pages.trained import TRAIN
from tests.training.test_loop import made

__all__ = ["made"]  # a fixture
pytestmark = pytest.mark.slow
PATIENCE = 120.0  # seconds; a process takes 4 of them to start on an idle core
TEXT = """
title = "Short"
data = { name = "stripes", holdout = 10, pad = 1 }
model = { architecture = "residual", options = { width = 4, blocks = [1] } }
objective = { name = "adversarial" }
attack = { name = "pgd", eps = 0.1, steps = 2 }
schedule = { epochs = 200, batch_size = 20, lr = 0.05 }
validation = { attack = { name = "pgd", eps = 0.1, steps = 2 } }
"""


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.03)


def test_started_stopped_resumed_killed_resumed(made, zoo, tmp_path: Path, monkeypatch, open_page) -> None:
    monkeypatch.setenv("ROBUSTLENS_CACHE", str(tmp_path / "cache"))
    keep(made, name="stripes", title="Stripes", source="", licence="")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run = tmp_path / "runs" / "short"
    app = open_page(TRAIN, train="new")
    app.text_area(key="train_editor").set_value(TEXT).run()
    assert not app.error
    app.button(key="train_start").click().run()
    assert not app.exception
    assert app.query_params["watch"] == "short"
    until(lambda: look(run).progress.epoch >= 2)
    app.run()
    assert "running" in told(app)
    total = look(run).progress.of
    assert f"of {total}" in told(app)

    app.button(key="train_stop_head_short").click().run()
    until(lambda: look(run).status == "stopped")
    app.run()
    assert "Stopped: asked to stop" in told(app)
    at = look(run).progress.step
    app.button(key="train_resume_head_short").click().run()
    until(lambda: Run(run).is_held and look(run).progress.step > at)

    process = int(read_record(run).process.partition("@")[0])
    os.kill(process, signal.SIGKILL)
    until(lambda: look(run).status == "dead")
    app = restarted(open_page)
    assert "It broke off" in told(app)
    assert "Resume" in buttons(app)
    app.button(key="train_resume_head_short").click().run()
    assert "Stop" in buttons(app)
    del app  # the tab is closed, and the app is gone with it: the run goes on

    until(lambda: look(run).status == "finished" and not (run / STATE).exists())
    app = restarted(open_page)
    assert f"{total} of {total}" in told(app)
    assert (run / CARD).is_file()
    steps = [event["step"] for event in read_history(run) if event["event"] == "step"]
    assert steps == [1, *range(20, total + 1, 20)]
    app.button(key="train_discard_list_short").click().run()
    assert not run.exists()


def restarted(open_page: Callable[..., AppTest]) -> AppTest:
    """The page in an app that has forgotten all."""
    st.cache_resource.clear()
    st.cache_data.clear()
    _follower.cache_clear()
    return open_page(TRAIN, watch="short")
