"""Weights that somebody brings: what an import would do, told whole before anything is done, and the import itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust_core import checkpoints, data
from robust_core.checkpoints import Checkpoint, write_card
from robust_core.library.arriving import place_of, room, settle
from robust_core.library.limits import plain, refuse_when_read_only
from robust_core.models.bounds import refuse_monstrous
from robust_core.models.released import Normalisation, compare
from robust_core.titles import checked_title
from robust_core.training.adopt import adopt
from robust_core.training.recipe import parse_value
from robust_core.types import UserError

SUFFIXES = (".safetensors", ".pth", ".pt")
MAX_BYTES = 1024 * 2**20


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the one who brings weights says of them. architecture and options: the network's. data_name: what it was
    trained on. normalize: mean and std a channel, None for none or those in the file."""

    architecture: str
    data_name: str
    normalize: Normalisation | None = None
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an import would do. missing: keys the network has and the file has not; unexpected: the reverse; misshaped:
    in both, with the shapes found and wanted. problem: why it is refused, in a sentence, or None where it fits."""

    tensors: int
    parameters: int
    channels: int
    classes: int
    options: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None


def examine(content: bytes, file: str, asked: Asked) -> Report:
    """Reads the file and holds it against the architecture and the data set; writes nothing that stays.

    Raises UserError for a file that is no plain state dict (a pickle with code in it, say), and for an unknown name.
    """
    refuse_when_read_only()
    known = data.DATASETS[asked.data_name]
    refuse_monstrous(asked.options or {})
    with _lying(content, file) as path:
        seen = compare(path, asked.architecture, normalize=asked.normalize, options=asked.options)
    misfit = seen.misfit
    problems = []
    if misfit.size:
        problems.append(f"{file} does not fit {asked.architecture!r}: {misfit.size} of its keys differ{seen.nearest}")
    if (seen.channels, seen.classes) != (known.shape[0], len(known.class_names)):
        problems.append(
            f"{file} knows {seen.classes} classes of images of {seen.channels} channels; {asked.data_name} has "
            f"{len(known.class_names)} of {known.shape[0]}; name the data set it was trained on"
        )
    return Report(
        tensors=len(seen.tensors),
        parameters=sum(tensor.numel() for tensor in seen.tensors.values()),
        channels=seen.channels,
        classes=seen.classes,
        options=seen.options,
        missing=tuple(misfit.missing),
        unexpected=tuple(misfit.unexpected),
        misshaped=tuple(misfit.misshaped),
        notes=seen.notes,
        problem=". ".join(problems) or None,
    )


def bring(content: bytes, file: str, asked: Asked, *, title: str, licence: str = "") -> Checkpoint:
    """Makes a checkpoint of the file; it is there whole, or not at all.

    Raises UserError as `examine` does, where the file does not fit, and where there is a checkpoint of that name.
    """
    refuse_when_read_only()
    refuse_monstrous(asked.options or {})
    title = checked_title(title)
    licence = plain(licence, "the licence", most=200) if licence.strip() else ""
    place = place_of(asked.data_name, title)
    with _lying(content, file) as path:
        made = adopt(
            path,
            path.parent / "made",
            architecture=asked.architecture,
            data_name=asked.data_name,
            normalize=asked.normalize,
            title=title,
            options=asked.options,
        )
        assert made.card is not None
        write_card(made.folder, made.card.model_copy(update={"licence": licence}))
        checkpoints.load(checkpoints.at(made.folder))  # as pages will
        settle(made.folder, place)
    return checkpoints.at(checkpoints.zoo_folder() / place)


def parse_options(text: str) -> dict[str, Any]:
    """ "depth=28, widen=10", also one a line, as options. Raises UserError for what is not key=value."""
    parts = [part.strip() for part in re.split(r"[\n;]|,(?![^\[]*\])", text)]
    return dict(parse_value(part) for part in parts if part)


@contextmanager
def _lying(content: bytes, file: str) -> Iterator[Path]:
    """The file on disk under a harmless form of its name, which messages show, for as long as it takes."""
    if len(content) > MAX_BYTES:
        raise UserError(f"{file}: more than {MAX_BYTES // 2**20} MiB; import it on the command line")
    name = re.sub(r"[^\w.+-]+", "_", Path(file).name)[-80:].lstrip(".") or "weights"
    if Path(name).suffix.lower() not in SUFFIXES:
        raise UserError(f"{file}: weights come as {', '.join(SUFFIXES)}")
    with room(checkpoints.zoo_folder()) as folder:
        path = folder / name
        path.write_bytes(content)
        yield path
