"""A run is a folder. Everything a training leaves behind is written here, and only here.

recipe.toml  history.jsonl (append-only, one event a line)  weights.safetensors (the best so far)  state/ (for resume)
The state is one file, written whole and renamed: after a kill at any moment the last one counts, and the history is
cut back to where it stood then, so a resumed run tells the same story as one that was never interrupted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from robust_core.checkpoints import CARD, HISTORY, RECIPE, STATE, TIMES, WEIGHTS
from robust_core.checkpoints import runs_folder as runs_folder
from robust_core.folders import is_held, locked, sweep, write_tensors, write_whole
from robust_core.training.recipe import Recipe, read_recipe
from robust_core.types import UserError

SAVED = "state.safetensors"  # in STATE


@dataclass(frozen=True)
class State:
    """A training between two steps. tensors: weights, momentum, running means; facts: counters and sums, as JSON."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """The folder of one training."""

    folder: Path

    @staticmethod
    def create(folder: Path, recipe: Recipe) -> Run:
        """A new run. Raises UserError where the folder already holds one."""
        run = Run(folder)
        run._refuse_a_second()
        (folder / STATE).mkdir(parents=True, exist_ok=True)
        with run.held():
            run._refuse_a_second()  # of two at once, the one that came second
            write_whole(folder / RECIPE, recipe.to_toml().encode())
        return run

    def _refuse_a_second(self) -> None:
        if (self.folder / CARD).exists():
            raise UserError(f"{self.folder} already holds a run that is finished; choose another folder with --to")
        if any((self.folder / name).exists() for name in (RECIPE, WEIGHTS)):
            raise UserError(f"{self.folder} already holds a run; resume it, or choose another folder with --to")

    @property
    def recipe(self) -> Recipe:
        return read_recipe(self.folder / RECIPE)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps every other process from writing this run; the system lets go of it even after kill -9.

        Raises UserError where another process holds it.
        """
        (self.folder / STATE).mkdir(exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.folder / STATE / "lock"))
            except TimeoutError as error:
                raise UserError(f"{self.folder} is being trained by another process; stop that one first") from error
            except FileNotFoundError as error:
                raise UserError(f"{self.folder} was finished or discarded a moment ago") from error
            yield

    def sweep(self) -> None:
        """Removes what a process that was killed while it wrote left behind. For whoever holds the run."""
        for name in (RECIPE, CARD, WEIGHTS, TIMES, f"{STATE}/{SAVED}"):
            sweep(self.folder / name)

    @property
    def is_held(self) -> bool:
        """Does a process hold this run now?"""
        return is_held(self.folder / STATE / "lock")

    @property
    def has_state(self) -> bool:
        """Is anything saved to go on from?"""
        return (self.folder / STATE / SAVED).is_file()

    @property
    def saved_step(self) -> int:
        """Of the saved state, from its header alone; 0 where there is none, or none that can be read."""
        try:  # numpy: for torch the file is opened twice, and may be another one by then
            with safe_open(self.folder / STATE / SAVED, framework="numpy") as file:
                return int(json.loads(file.metadata()["facts"])["step"])
        except (SafetensorError, OSError, ValueError, KeyError, TypeError):
            return 0

    def log(self, event: Mapping[str, Any]) -> None:
        """Appends one event."""
        with open(self.folder / HISTORY, "a", encoding="utf-8") as file:
            file.write(json.dumps(event, allow_nan=True) + "\n")

    def save_state(self, state: State) -> None:
        """Keeps the training's state, together with the length the history has now."""
        history = self.folder / HISTORY
        facts = {**state.facts, "history_bytes": history.stat().st_size if history.exists() else 0}
        write_tensors(self.folder / STATE / SAVED, state.tensors, {"facts": json.dumps(facts)})

    def load_state(self) -> State | None:
        """The last state, with the history cut back to it; None (and no history) where none was saved."""
        path, history = self.folder / STATE / SAVED, self.folder / HISTORY
        if not path.exists():
            if (self.folder / WEIGHTS).exists():
                raise UserError(f"{self.folder} has weights but no state to go on from; train anew in another folder")
            history.unlink(missing_ok=True)
            return None
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads(file.metadata()["facts"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  it is no dict
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} cannot be read: {error}; delete it to start this run anew") from error
        if history.exists():
            os.truncate(history, min(facts["history_bytes"], history.stat().st_size))
        return State(tensors=tensors, facts=facts)

    def save_weights(self, weights: Mapping[str, Tensor]) -> None:
        write_tensors(self.folder / WEIGHTS, weights)
