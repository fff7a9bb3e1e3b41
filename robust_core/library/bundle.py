"""A checkpoint as one zip, to take along and to bring back: only the files a run has, each checked before it counts."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from robust_core import checkpoints, data
from robust_core.cards import IMPORTED
from robust_core.checkpoints import CARD, HISTORY, RECIPE, TIMES, WEIGHTS, Card, Checkpoint, write_card
from robust_core.data.archive import is_junk
from robust_core.folders import write_whole
from robust_core.library.arriving import place_of, room, settle
from robust_core.library.limits import plain, refuse_hidden, refuse_when_read_only
from robust_core.models import build
from robust_core.models.bounds import refuse_monstrous
from robust_core.titles import checked_title
from robust_core.training.recipe import read_recipe
from robust_core.types import UserError

MB = 2**20
LIMITS = {CARD: 4 * MB, RECIPE: MB, HISTORY: 64 * MB, WEIGHTS: 1024 * MB}  # unpacked; what else is in a zip is refused
ENTRIES = 64
RATIO = 20  # unpacked / packed, of the zip as a whole: weights hardly get smaller, text does
FREE = MB  # unpacked bytes up to which no ratio counts
MOST_TEXT = 4000  # characters of any text in a card
_ENCRYPTED = 0x1


def pack(found: Checkpoint) -> bytes:
    """The checkpoint's files as a zip, in a folder of its name. Raises UserError where it is gone."""
    held = io.BytesIO()
    try:
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in LIMITS:
                path = found.folder / name
                if path.is_file():
                    # Weights do not get smaller by packing, only slower.
                    how = zipfile.ZIP_STORED if name == WEIGHTS else zipfile.ZIP_DEFLATED
                    packed.writestr(f"{found.folder.name}/{name}", path.read_bytes(), how)
            if not packed.namelist():
                raise UserError(f"{found.name} is not here any more; somebody else may have deleted it")
    except OSError as error:
        raise UserError(f"{found.name} cannot be read: {error.strerror}") from error
    return held.getvalue()


def unpack(content: bytes, *, file: str, name: str = "") -> Checkpoint:
    """The checkpoint that a zip holds, in the zoo's folder, its card saying where it came from, and that its figures
    are claims. How many parameters it has is counted anew.

    file: the zip's name, for messages and the card. name: of the checkpoint; its folder's in the zip by default.
    Raises UserError, and leaves nothing, for a zip that is none or a bomb, for any file that a run does not have, and
    where card, weights and architecture do not fit each other.
    """
    refuse_when_read_only()
    file = plain(file, "the file's name", most=200)
    folder, files = _read(content, file)
    card = _card(files[CARD], file)
    place = place_of(card.data_name, name or folder or PurePosixPath(file).stem)
    with room(checkpoints.zoo_folder()) as folder_:
        made = folder_ / "made"
        made.mkdir()
        for each, held in files.items():
            write_whole(made / each, held)
        _check_texts(made, files, file)
        parameters = _check_weights(made / WEIGHTS, card, file)
        _check_runs(made, file)
        source = f"{IMPORTED}{file} (SHA-256 {hashlib.sha256(content).hexdigest()}). "
        known = {"notes": source + card.notes, "parameters": parameters}
        write_card(made, card.model_copy(update=known | _claims(card)))
        settle(made, place)
    return checkpoints.at(checkpoints.zoo_folder() / place)


def _read(content: bytes, file: str) -> tuple[str, dict[str, bytes]]:
    """The folder in the zip ("" for none) and the files by name, at least card and weights."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            # Not info.is_dir(): that fails at an entry without a name.
            infos = [info for info in packed.infolist() if not info.filename.endswith("/")]
            _check_sizes(infos, len(content), file)
            kept = [info for info in infos if not _passed_over(info)]
            names = {info.filename: _known_name(info, file) for info in kept}
            folders = {PurePosixPath(name).parent.as_posix() for name in names}
            if len(folders) > 1 or len(set(names.values())) < len(names):
                raise UserError(f"{file} holds more than one run; import them one by one")
            files = {names[info.filename]: _bytes(packed, info, file) for info in kept}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, RuntimeError, zlib.error) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{file} is not a zip that can be read; make it anew") from error
    if missing := [name for name in (CARD, WEIGHTS) if name not in files]:
        raise UserError(f"{file} lacks {' and '.join(missing)}: it is not a finished run")
    return folders.pop().removeprefix("."), files


def _passed_over(info: zipfile.ZipInfo) -> bool:
    """What systems put into folders, and what was timed on another machine."""
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    return is_junk(parts) or parts[-1:] == (TIMES,)


def _check_sizes(infos: list[zipfile.ZipInfo], size: int, file: str) -> None:
    total = sum(info.file_size for info in infos)
    if len(infos) > ENTRIES:
        raise UserError(f"{file} holds {len(infos)} files; a run has at most {len(LIMITS)}")
    if total > max(FREE, RATIO * size):
        raise UserError(f"{file} unpacks to {total / MB:.0f} MiB from {size / MB:.2f} MiB, as no run does")


def _known_name(info: zipfile.ZipInfo, file: str) -> str:
    """The name of a run's file. Raises UserError for any other, by name and by kind."""
    parts = PurePosixPath(info.filename).parts
    told = ascii(info.filename[:120])
    kind = stat.S_IFMT(info.external_attr >> 16)
    if ".." in parts or info.filename.startswith("/") or "\\" in info.filename or ":" in info.filename:
        raise UserError(f"{file} holds a name that leaves its folder, {told}; nothing was unpacked")
    if not parts or parts[-1] not in LIMITS or len(parts) > 2:
        raise UserError(f"{file} holds {told}, which no finished run has; known: {', '.join(LIMITS)}")
    if kind not in (0, stat.S_IFREG) or info.flag_bits & _ENCRYPTED:
        raise UserError(f"{file}: {told} is a link, or locked with a password; pack the plain files")
    if info.file_size > LIMITS[parts[-1]]:
        raise UserError(
            f"{file}: {told} has {info.file_size / MB:.0f} MiB; at most {LIMITS[parts[-1]] / MB:.0f} are taken"
        )
    return parts[-1]


def _bytes(packed: zipfile.ZipFile, info: zipfile.ZipInfo, file: str) -> bytes:
    with packed.open(info) as stream:
        held = stream.read(info.file_size + 1)  # one more than promised: enough to notice a lie
    if len(held) != info.file_size:
        told = ascii(info.filename[:120])
        raise UserError(f"{file}: {told} is not as long as the zip says; make it anew")
    return held


def _card(content: bytes, file: str) -> Card:
    try:
        card = Card.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{file}: {CARD} is not a valid card: {where}: {first['msg']}") from error
    card = card.model_copy(update={"title": checked_title(card.title, f"{file}: the card's title")})
    plain(card.data_name, f"{file}: the card's data set")
    for name in card.class_names:
        plain(name, f"{file}: a class name")
    for text in filter(None, (card.method, card.licence)):
        plain(text, f"{file}: a text of the card", most=200)
    if not all(1 <= side <= 1024 for side in card.image_shape):
        raise UserError(f"{file}: images of {card.image_shape} are beyond what is taken here")
    refuse_monstrous(card.options)
    refuse_hidden(card.model_dump(exclude={"title"}), f"{file}: a text of the card", most=MOST_TEXT)
    _check_counts(card, file)
    return card


def _check_counts(card: Card, file: str) -> None:
    """Raises UserError for figures of more images than the set has, where that is known."""
    told = [(m.data_name, m.data_fingerprint, m.n) for m in card.measures]
    told += [(e.data_name, e.data_fingerprint, e.clean.n) for e in card.evaluations]
    told += [(d.data_name, d.data_fingerprint, d.n) for d in card.doubts]
    every = {name: data.DATASETS[name] for name in data.DATASETS.names()} if told else {}
    for name, fingerprint, n in told:
        for known, entry in every.items():
            same = entry.fingerprints is not None and entry.fingerprints[1] == fingerprint
            if (same or (known == name and not entry.own)) and entry.test and n > entry.test:
                raise UserError(f"{file}: its card claims {n:,} test images of {known}, which has {entry.test:,}")


def _claims(card: Card) -> dict[str, Any]:
    """Its figures, marked as such: nobody here has measured them."""
    every = {"measures": card.measures, "evaluations": card.evaluations, "doubts": card.doubts}
    return {key: tuple(each.model_copy(update={"claimed": True}) for each in held) for key, held in every.items()}


def _check_texts(made: Path, files: Mapping[str, bytes], file: str) -> None:
    """Raises UserError for a recipe or a history that is none."""
    if RECIPE in files:
        try:
            read_recipe(made / RECIPE)
        except RecursionError as error:
            raise UserError(f"{file}: {RECIPE} is no recipe: it is nested too deeply") from error
    *whole, last = files.get(HISTORY, b"").split(b"\n")
    for number, line in enumerate([*whole, last], start=1):
        try:
            event = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError) as error:
            if number > len(whole) and not isinstance(error, RecursionError):
                continue  # torn: the run was killed while it wrote
            event = None
        if not isinstance(event, dict):
            raise UserError(f"{file}: line {number} of {HISTORY} is no event, as a run writes them")


def _check_weights(path: Path, card: Card, file: str) -> int:
    """The card's hash, and names and shapes by the file's header alone: nothing is built in memory yet.

    Returns how many parameters there are.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != card.weights_sha256:
        raise UserError(
            f"{file}: {WEIGHTS} is not the file its card describes (SHA-256 {digest[:12]}…, card says "
            f"{card.weights_sha256[:12]}…)"
        )
    try:
        with safe_open(path, framework="pt") as held:
            found = {key: tuple(held.get_slice(key).get_shape()) for key in held.keys()}  # noqa: SIM118  it is no dict
    except SafetensorError as error:
        raise UserError(f"{file}: {WEIGHTS} is not a .safetensors file: {error}") from error
    with torch.device("meta"):
        net = build(
            card.architecture, in_channels=card.image_shape[0], num_classes=len(card.class_names), **card.options
        )
    wanted = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
    if found != wanted:
        odd = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        raise UserError(
            f"{file}: the weights do not fit the card's architecture {card.architecture!r}: {len(odd)} keys differ, "
            f"first {odd[0]}: {found.get(odd[0], 'missing')} for {wanted.get(odd[0], 'none')}"
        )
    return sum(parameter.numel() for parameter in net.parameters())


def _check_runs(made: Path, file: str) -> None:
    """Loads it once, as pages will."""
    try:
        checkpoints.load(checkpoints.at(made))
    except UserError as error:
        raise UserError(f"{file}: {str(error).partition(': ')[2] or error}") from error
