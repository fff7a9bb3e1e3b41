"""A launcher that launches nothing, for tests of who may do what when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robust_core.training import control, launch
from robust_core.training.recipe import Recipe
from robust_core.training.record import read_record, write_record
from robust_core.types import UserError
from tests.training.test_loop import tiny


class Pretended(launch.Launcher):
    """Launches nothing, and remembers what it was asked to."""

    def __init__(self) -> None:
        self.launched: list[str] = []
        self.living: set[str] = set()
        self.told: dict[str, Any] = {}

    def launch(self, folder: Path, *, device: str, cwd: Path, environment: Mapping[str, str]) -> str:
        self.launched.append(folder.name)
        self.told[folder.name] = (device, cwd, dict(environment))
        name = f"pretended {len(self.launched)}"
        self.living.add(name)
        return name

    def alive(self, process: str) -> bool:
        return process in self.living

    def mine(self) -> str:
        return "mine"

    def end(self, folder: Path, phase: str | None = None) -> None:
        """Its process ends; with a phase, it leaves word of how."""
        record = read_record(folder)
        assert record is not None
        self.living.discard(record.process)
        if phase is not None:
            write_record(folder, replace(record, phase=phase))  # type: ignore[arg-type]


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretended:
    made = Pretended()
    monkeypatch.setattr(launch, "launcher", lambda: made)
    monkeypatch.setenv("ROBUSTLENS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("ROBUSTLENS_MAX_RUNNING", "1")
    return made


@pytest.fixture
def recipe() -> Recipe:
    base = tiny()
    return base.model_copy(update={"data": base.data.model_copy(update={"name": "fashion_mnist_small"})})


def statuses() -> dict[str, str]:
    return {run.name: run.status for run in control.runs()}


def at_once(actions: list[Callable[[], Any]]) -> list[str]:
    """All at the same moment; what each was told."""
    told: list[str] = []
    gate = threading.Barrier(len(actions))

    def act(action: Callable[[], Any]) -> None:
        gate.wait()
        try:
            action()
            told.append("")
        except UserError as error:
            told.append(str(error))

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told
