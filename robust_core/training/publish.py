"""From a finished run to a checkpoint: the card of what was trained, before anything is measured."""

from __future__ import annotations

import hashlib
import platform
import shutil

import torch

from robust_core.checkpoints import STATE, WEIGHTS, Card, read_history, write_card
from robust_core.training.loop import fresh_network
from robust_core.training.run import Run
from robust_core.types import Splits, UserError


def publish(run: Run, data: Splits, *, device: torch.device) -> Card:
    """Writes the run's card, without measures, and drops what only a resume needs. Raises UserError with no weights."""
    weights = run.folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{run.folder} has no {WEIGHTS} yet: train it for at least one epoch")
    recipe = run.recipe
    net = fresh_network(recipe, data.train)
    epochs = [event for event in read_history(run.folder) if event.get("event") == "epoch"]
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
    )
    write_card(run.folder, card)
    shutil.rmtree(run.folder / STATE, ignore_errors=True)
    return card
