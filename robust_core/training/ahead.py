"""An estimate made by a process of its own, so that whoever asks is not held up and keeps its threads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path

import robust_core
from robust_core.training.estimate import Estimate
from robust_core.training.limits import limits, refuse_when_off
from robust_core.training.memory import Memory
from robust_core.training.queue import environment
from robust_core.training.recipe import Recipe
from robust_core.training.work import NICENESS
from robust_core.types import UserError

PATIENCE = 180.0  # seconds after which an estimate is given up


class Ahead:
    """An estimate under way. Its process has the cores that the run would have, and yields to the app as it would.

    `stop()` ends it; so does letting go of this object.
    """

    def __init__(self, recipe: Recipe, device: str = "auto") -> None:
        """Starts it. Raises UserError where this deployment does not train."""
        refuse_when_off()
        self._folder = Path(tempfile.mkdtemp(prefix="estimate"))
        path = self._folder / "recipe.toml"
        path.write_text(recipe.to_toml(), encoding="utf-8")
        package = str(Path(robust_core.__file__).parent.parent)
        told = os.environ | environment(limits().running)
        told["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "robust_core", "estimate", str(path), "--json", "--device", device]
        with open(path.with_name("said"), "wb") as said, open(path.with_name("wrong"), "wb") as wrong:
            self._process = subprocess.Popen(
                command, env=told, stdin=subprocess.DEVNULL, stdout=said, stderr=wrong, start_new_session=True
            )
        self.stop = weakref.finalize(self, _end, self._process, self._folder)
        self._until = time.monotonic() + PATIENCE
        try:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)
        except OSError:
            return  # it has ended already

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def overdue(self) -> bool:
        """Still running after the time it was given."""
        return self.running and time.monotonic() > self._until

    def result(self) -> Estimate | None:
        """The estimate; None while it is being made. Raises UserError with what the recipe's process had to say."""
        code = self._process.poll()
        if code is None:
            if time.monotonic() < self._until:
                return None
            self.stop()
            raise UserError(f"no estimate within {PATIENCE:.0f} s: the machine is too busy, or the network too large")
        folder = self._folder
        if code == 0:
            found = json.loads((folder / "said").read_bytes())
            return Estimate(**found | {"memory": Memory(**found["memory"])})
        wrong = (folder / "wrong").read_text(encoding="utf-8", errors="replace").strip()
        raise UserError(wrong.removeprefix("error: ")[-600:] or f"the estimate's process ended with code {code}")


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)
