"""State dicts that others released (.pt, .pth, .safetensors) into networks of ours.

Files are read with `weights_only=True`: what is more than tensors, numbers and text is refused, never unpickled. What
training code wraps around a state dict is looked through; what is left must fit the architecture key by key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robust_core.models import ARCHITECTURES, build
from robust_core.models.state_dicts import bare_key, listed, read_state_dict
from robust_core.types import Classifier, UserError

NOT_OPTIONS = ("name", "in_channels", "num_classes", "seed")  # of an architecture
Normalisation = tuple[Sequence[float], Sequence[float]]  # mean and std per channel, of images in [0, 1]

# A torchvision residual net's names for what CIFAR code calls otherwise; taken where they lead to a key that is wanted.
SPELLINGS = (("downsample.", "shortcut."), ("fc.", "linear."))
# Options that the keys themselves decide, tried in order.
VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "preact_resnet18": ({}, {"final_norm": True}),
    "residual": ({}, {"shortcut": "A"}),
    "resnet18": ({}, {"shortcut": "A"}),
    "resnet56": ({}, {"shortcut": "A"}),
}
# Modules that released code builds and never runs.
NEVER_RUN: dict[str, tuple[str, ...]] = {"wrn_34_10": ("sub_block1.",)}
# What no file can tell, although it changes what the network computes.
UNTOLD = {
    "preact_resnet18": "whether its 1×1 shortcuts read the activated input (assumed) or the input: if the accuracy is "
    "not what its authors report, set shortcut_from=input"
}


@dataclass(frozen=True, kw_only=True)
class Released:
    """An imported network: eval mode, no gradients. `build(architecture, **options)` makes another of its form.

    notes: sentences on what was assumed or left out.
    """

    net: Classifier
    architecture: str
    options: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """How a state dict differs from a network's: key names, with shapes (found for wanted) where these differ."""

    missing: list[str]
    unexpected: list[str]
    misshaped: list[str]

    @property
    def size(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.misshaped)

    def __str__(self) -> str:
        parts = {"missing": self.missing, "unexpected": self.unexpected, "mis-shaped": self.misshaped}
        return "; ".join(f"{kind} {listed(names)}" for kind, names in parts.items() if names)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A file beside an architecture. channels, classes: by its first and last layer. options: with what it stores.

    nearest: half a sentence on an architecture that fits better. tensors: those that count, by key.
    """

    channels: int
    classes: int
    options: dict[str, Any]
    tensors: dict[str, Tensor]
    misfit: Misfit
    nearest: str
    notes: tuple[str, ...]


def import_released(
    path: Path,
    architecture: str,
    *,
    num_classes: int | None = None,
    normalize: Normalisation | None = None,
    options: Mapping[str, Any] | None = None,
) -> Released:
    """The network whose state dict lies at `path`, as a registered architecture.

    num_classes: checked, where given, against what the last layer says. normalize: mean and std the network was trained
    with, in units of [0, 1]; a normalisation layer in the file is honoured, and refused where it says otherwise.
    options: the architecture's. Raises UserError where the file is not a plain state dict, or where keys or shapes do
    not fit: it names them, and the nearest architecture.
    """
    seen = compare(path, architecture, num_classes=num_classes, normalize=normalize, options=options)
    if seen.misfit.size:
        raise UserError(f"{path.name} does not fit {architecture!r}: {seen.misfit}{seen.nearest}")
    net = build(architecture, in_channels=seen.channels, num_classes=seen.classes, seed=0, **seen.options)
    spelt = _respelt(seen.tensors, net.state_dict().keys())
    net.load_state_dict({key: tensor.float() for key, tensor in spelt.items()}, strict=False)
    return Released(
        net=net.eval().requires_grad_(False), architecture=architecture, options=seen.options, notes=seen.notes
    )


def compare(
    path: Path,
    architecture: str,
    *,
    num_classes: int | None = None,
    normalize: Normalisation | None = None,
    options: Mapping[str, Any] | None = None,
) -> Comparison:
    """What `import_released` would make of the file, before anything is made of it. Raises UserError as it does, except
    for a misfit."""
    tensors = read_state_dict(path)
    stored, tensors = _normalisation(path, tensors)
    options = dict(options or {})
    if told := [key for key in NOT_OPTIONS if key in options]:
        raise UserError(f"{', '.join(told)} cannot be an option: the file and the data set say it; leave it out")
    if "mean" in options or "std" in options:
        raise UserError("give mean and std as the import's own, not among the architecture's options")
    if normalize is not None:
        options |= {"mean": list(normalize[0]), "std": list(normalize[1])}
    channels, classes = _sizes(tensors, num_classes)
    options = _agreed(path, options, stored, channels)
    if num_classes is not None and classes != num_classes:
        raise UserError(f"{path.name}: its last layer has {classes} classes, and {num_classes} are asked for")

    never_run = [key for key in tensors if key.startswith(NEVER_RUN.get(architecture, ()))]
    tensors = {key: tensor for key, tensor in tensors.items() if key not in never_run}
    variants = [{**variant, **options} for variant in VARIANTS.get(architecture, ({},))]
    misfits = [misfit_of(architecture, channels, classes, variant, tensors) for variant in variants]
    best = min(range(len(variants)), key=lambda i: misfits[i].size)
    size = misfits[best].size
    notes = [f"Left out, as no pass runs them: {listed(never_run)}"] if never_run else []
    if architecture in UNTOLD and "shortcut_from" not in options:
        notes.append(f"The file cannot tell {UNTOLD[architecture]}")
    return Comparison(
        channels=channels,
        classes=classes,
        options=variants[best],
        tensors=tensors,
        misfit=misfits[best],
        nearest=_nearest(architecture, size, channels, classes, tensors) if size else "",
        notes=tuple(notes),
    )


def _normalisation(path: Path, tensors: dict[str, Tensor]) -> tuple[dict[str, list[float]], dict[str, Tensor]]:
    """Mean and std as options, where a layer at the front stores them, and the tensors without that layer."""
    pairs = [(key, key[:-4] + "std") for key in tensors if key.split(".")[-1] == "mean"]
    pairs += [(key, key[:-2] + "sigma") for key in tensors if key.split(".")[-1] == "mu"]
    if not pairs:
        return {}, tensors
    (mean, std), *more = pairs
    if more or std not in tensors:
        why = "there is more than one" if more else f"{std} is missing"
        raise UserError(
            f"{path.name}: {listed(key for key, _ in pairs)} would be an input normalisation, but {why}; "
            "leave it out of the file and give mean and std"
        )
    rest = {key: tensor for key, tensor in tensors.items() if key not in (mean, std)}
    if rest and all(key.startswith("1.") for key in rest):  # a Sequential of that layer and the network
        rest = {bare_key(key.removeprefix("1.")): tensor for key, tensor in rest.items()}
    return {"mean": tensors[mean].float().flatten().tolist(), "std": tensors[std].float().flatten().tolist()}, rest


def _agreed(path: Path, given: dict[str, Any], stored: Mapping[str, list[float]], channels: int) -> dict[str, Any]:
    """The options with the file's own normalisation among them.

    Raises UserError for values that are not one a channel for images in [0, 1], or that file and user give differently.
    """
    for kind, values in stored.items():
        said = given.get(kind, values)
        if len(said) != len(values) or any(abs(a - b) > 1e-4 for a, b in zip(said, values, strict=True)):
            raise UserError(f"{path.name} stores {kind} {_told(values)}, but {_told(said)} is given: leave it out")
    options = {**given, **stored}
    for kind in ("mean", "std"):
        values = options.get(kind, [])
        if kind in options and len(values) != channels:
            raise UserError(f"{path.name}: {kind} must be {channels} numbers, one a channel; got {_told(values)}")
        if any(not (0 <= v <= 1 if kind == "mean" else 0 < v <= 1) for v in values):
            raise UserError(f"{path.name}: {kind} {_told(values)} is not of images in [0, 1]; divide it by 255?")
    return options


def _sizes(tensors: Mapping[str, Tensor], num_classes: int | None) -> tuple[int, int]:
    """Channels of the images by the first conv, and classes by the last layer; 3 and 10 where there is none."""

    def outermost(names: str, ndim: int) -> Tensor | None:
        keys = [k for k, t in tensors.items() if re.search(rf"(^|\.)({names})\.weight$", k) and t.ndim == ndim]
        return tensors[min(keys, key=lambda key: key.count("."))] if keys else None

    stem, head = outermost("conv1", 4), outermost("linear|fc", 2)
    return 3 if stem is None else stem.shape[1], (num_classes or 10) if head is None else len(head)


def misfit_of(
    architecture: str, channels: int, classes: int, options: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> Misfit:
    with torch.device("meta"):  # shapes alone, without the memory and time of drawing weights
        net = build(architecture, in_channels=channels, num_classes=classes, **options)
    wanted = {key: t.shape for key, t in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    found = {key: tensor.shape for key, tensor in _respelt(tensors, wanted.keys()).items()}
    odd = [key for key, shape in wanted.items() if found.get(key, shape) != shape]
    return Misfit(
        missing=[key for key in wanted if key not in found],
        unexpected=[key for key in found if key not in wanted],
        misshaped=[f"{key} {tuple(found[key])} for {tuple(wanted[key])}" for key in odd],
    )


def _respelt(tensors: Mapping[str, Tensor], wanted: Any) -> dict[str, Tensor]:
    """The tensors under our keys where a usual spelling of a wanted key was found."""
    found = {}
    for key, tensor in tensors.items():
        others = [key.replace(theirs, ours) for theirs, ours in SPELLINGS]
        ours = next((name for name in others if name in wanted and name not in tensors), key)
        found[ours if key not in wanted else key] = tensor
    return found


def _nearest(asked: str, size: int, channels: int, classes: int, tensors: Mapping[str, Tensor]) -> str:
    """Half a sentence on the architecture, with its default options, that fits best; "" if none does better, or where
    more keys differ than there are: of everything strange the smallest network would be the nearest."""
    sizes: dict[str, int] = {}
    for name in ARCHITECTURES.names():
        kept = {key: t for key, t in tensors.items() if not key.startswith(NEVER_RUN.get(name, ()))}
        for variant in VARIANTS.get(name, ({},)):
            misfit = misfit_of(name, channels, classes, variant, kept)
            sizes[name] = min(misfit.size, sizes.get(name, misfit.size))
    best = min(sizes, key=lambda name: sizes[name])
    if sizes[best] == 0:
        return f"; it fits {best!r}"
    near = best != asked and sizes[best] < min(size, len(tensors))
    return f"; the nearest is {best!r} ({sizes[best]} keys differ)" if near else ""


def _told(values: Sequence[float]) -> str:
    return f"({', '.join(f'{v:.4g}' for v in values)})"
