"""From a released state dict to a checkpoint: a folder of weights and card, as a finished run leaves one."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from robust_core import checkpoints, data
from robust_core.checkpoints import WEIGHTS, Card, Checkpoint, write_card
from robust_core.folders import write_tensors
from robust_core.models.released import Normalisation, import_released
from robust_core.titles import MOST, checked_title
from robust_core.types import UserError


def adopt(
    path: Path,
    folder: Path,
    *,
    architecture: str,
    data_name: str,
    normalize: Normalisation | None = None,
    title: str = "",
    method: str = "imported",
    options: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Imports a state dict (`import_released`) trained on the data set of that name into a folder of its own.

    Nothing is measured. A data set that is known by name need not be there: its image shape and class names are.
    Raises UserError where the file does not fit architecture or data set, or where the folder is in use.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already; choose another folder for the checkpoint, or delete it")
    title = checked_title(title or path.stem[:MOST])
    name, shape, class_names = _task(data_name)
    released = import_released(path, architecture, normalize=normalize, options=options)
    net = released.net
    if (net.in_channels, net.num_classes) != (shape[0], len(class_names)):
        raise UserError(
            f"{path.name} knows {net.num_classes} classes of images of {net.in_channels} channels; {name} has "
            f"{len(class_names)} of {shape[0]}; name the data set it was trained on"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / WEIGHTS, net.state_dict())
    source = hashlib.sha256(path.read_bytes()).hexdigest()
    write_card(
        folder,
        Card(
            title=title,
            method=method,
            architecture=architecture,
            options=released.options,
            image_shape=shape,
            class_names=class_names,
            data_name=name,
            data_fingerprint="",  # by whom and on which copy of the images it was trained, the file does not say
            weights_sha256=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
            parameters=sum(p.numel() for p in net.parameters()),
            seed=0,
            train_seconds=0.0,
            device="cpu",
            versions={"python": platform.python_version(), "torch": torch.__version__},
            notes=". ".join((f"Imported from {path.name} (SHA-256 {source})", *released.notes)) + ".",
        ),
    )
    return checkpoints.at(folder)


def parse_normalisation(mean: str, std: str) -> Normalisation | None:
    """Two texts "0.4914,0.4822,0.4465" as numbers, None for two empty ones. Raises UserError for any other text."""
    if bool(mean) != bool(std):
        raise UserError("input normalisation needs both mean and std")
    try:
        return ([float(m) for m in mean.split(",")], [float(s) for s in std.split(",")]) if mean else None
    except ValueError:
        raise UserError(f"mean and std take one number a channel, as 0.49,0.48,0.45; got {mean!r}, {std!r}") from None


def _task(data_name: str) -> tuple[str, tuple[int, int, int], tuple[str, ...]]:
    """Name, image shape and class names of a data set, from what is known of it, else from its images."""
    if data_name in data.DATASETS.names():
        known = data.DATASETS[data_name]
        return data_name, known.shape, known.class_names
    images = data.load(data_name).train
    return images.name, images.shape, images.class_names
