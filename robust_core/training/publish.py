"""From a finished run to a checkpoint: the card of what was trained, before anything is measured."""

from __future__ import annotations

import hashlib
import platform
from typing import Any

import torch

from robust_core.checkpoints import STATE, WEIGHTS, Card, read_history, write_card
from robust_core.training.loop import fresh_network
from robust_core.training.run import SAVED, Run
from robust_core.types import Splits, UserError


def publish(run: Run, data: Splits, *, device: torch.device) -> Card:
    """Writes the run's card, without measures, and drops the state. Raises UserError with no weights."""
    weights = run.folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{run.folder} has no {WEIGHTS} yet: train it for at least one epoch")
    recipe = run.recipe
    net = fresh_network(recipe, data.train)
    history = read_history(run.folder)
    epochs = [event for event in history if event.get("event") == "epoch"]
    card = Card(
        title=recipe.title,
        method=recipe.objective.name,
        architecture=recipe.model.architecture,
        options=recipe.model.options,
        image_shape=data.train.shape,
        class_names=data.train.class_names,
        data_name=data.train.name,
        data_fingerprint=data.train.fingerprint,
        weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        parameters=sum(p.numel() for p in net.parameters()),
        seed=recipe.seed,
        train_seconds=epochs[-1]["seconds"] if epochs else 0.0,
        device=str(device),
        versions={"python": platform.python_version(), "torch": torch.__version__},
        notes=_changes(history),
    )
    write_card(run.folder, card)
    (run.folder / STATE / SAVED).unlink(missing_ok=True)
    return card


def _changes(history: list[dict[str, Any]]) -> str:
    """A recipe that was changed on the way does not repeat its run: the card must say so."""
    told = []
    for event in history:
        if event.get("event") == "change":
            values = ", ".join(f"{k} = {v:g}" for k, v in event.items() if k not in ("event", "step"))
            told.append(f"from step {event['step']} on {values}")
    return f"Changed while it was trained: {'; '.join(told)}." if told else ""
