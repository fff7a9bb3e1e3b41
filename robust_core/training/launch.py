"""Where a run executes. A Launcher starts the process of a run and tells later whether it still lives.

Nothing else in the project knows which one it is. `Local` starts a detached process on this machine: it survives the
one that started it. Another place (a batch queue, another host) is another Launcher, given out by `launcher`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import robust_core
from robust_core.checkpoints import STATE
from robust_core.training.record import LOG

LAUNCHED = "ROBUSTLENS_LAUNCHED"  # set in the environment of a process that a launcher started


class Launcher(ABC):
    """Processes go by names that mean something to their launcher alone; equal names are the same process."""

    @abstractmethod
    def launch(self, folder: Path, *, device: str, cwd: Path, environment: Mapping[str, str]) -> str:
        """Starts the process that trains this run, from its last state or from the beginning; returns its name.

        Relative paths of the recipe count from cwd. Raises OSError where no process can be started.
        """

    @abstractmethod
    def alive(self, process: str) -> bool:
        """Is the process of this name still going?"""

    @abstractmethod
    def mine(self) -> str:
        """The name of the process that asks."""


class Local(Launcher):
    """A process on this machine, in a session of its own; what it prints goes to the run's log."""

    def launch(self, folder: Path, *, device: str, cwd: Path, environment: Mapping[str, str]) -> str:
        folder = folder.resolve()
        package = str(Path(robust_core.__file__).parent.parent)
        inherited = os.environ.get("PYTHONPATH")
        found = {"PYTHONPATH": os.pathsep.join([package, inherited] if inherited else [package])}
        command = [sys.executable, "-m", "robust_core", "resume", str(folder), "--device", device]
        with open(folder / STATE / LOG, "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=os.environ | found | dict(environment) | {LAUNCHED: "1", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        name = _name(process.pid)
        # Somebody has to wait for it, or it stays a zombie for as long as this process lives.
        threading.Thread(target=process.wait, daemon=True).start()
        return name

    def alive(self, process: str) -> bool:
        pid = process.partition("@")[0]
        return pid.isdigit() and _name(int(pid)) == process

    def mine(self) -> str:
        return _name(os.getpid())


def launcher() -> Launcher:
    """The one in use."""
    return Local()


def _name(pid: int) -> str:
    """ "pid@start@boot": the system gives pids out again, but never with one start time within one boot.

    The start is counted from the boot, not by the clock, which may jump. Empty for a process that has ended.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "" if Path("/proc/self").exists() else _name_without_proc(pid)
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    state, start = fields[0], fields[19]
    return "" if state in "ZX" else f"{pid}@{start}@{_boot()}"


@lru_cache(maxsize=1)
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _name_without_proc(pid: int) -> str:
    """The same on systems without /proc, such as macOS, to the second."""
    asked = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, start = asked.stdout.strip().partition(" ")
    return "" if not state or state.startswith("Z") else f"{pid}@{start.strip()}@"
