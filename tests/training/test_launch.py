"""Processes by name: a pid that was given out again is another process, and a zombie is none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from robust_core.training import launch
from robust_core.training.launch import Local


def test_a_process_knows_itself_and_others_by_name() -> None:
    me = Local().mine()
    assert me.startswith(f"{os.getpid()}@")
    assert Local().alive(me)
    assert Local().mine() == me
    assert launch._name(os.getppid()) not in ("", me)


def test_a_reused_pid_is_another_process() -> None:
    pid, start, boot = Local().mine().split("@")
    assert not Local().alive(f"{pid}@{int(start) - 1}@{boot}")
    assert not Local().alive(f"{pid}@{start}@another-boot")
    for nonsense in ("", "0", "@", f"{pid}", "x@y@z"):
        assert not Local().alive(nonsense)


def test_a_process_that_ended_is_gone_though_nobody_waited_for_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = launch._name(process.pid)
    assert Local().alive(name)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is a zombie still
    assert not Local().alive(name)
    process.communicate()
    assert not Local().alive(name)


def test_without_proc_the_start_is_asked_of_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"7": "Ss   Sat Nov 22 12:59:00 2025\n", "8": "Z+   Sat Nov 22 12:59:01 2025\n"}

    def ps(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, told.get(command[-1], ""))

    monkeypatch.setattr(subprocess, "run", ps)
    assert launch._name_without_proc(7) == "7@Sat Nov 22 12:59:00 2025@"
    assert launch._name_without_proc(8) == launch._name_without_proc(9) == ""
