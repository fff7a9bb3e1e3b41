"""What was timed of a checkpoint, in a file beside its card: the card itself keeps what is true on every machine.

A card of this version is thereby one that older code reads too, and a folder that cannot be written to loses nothing
but the memory of its times.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from robust_core.cards import Card
from robust_core.checkpoints import TIMES
from robust_core.evaluation.cost import Cost
from robust_core.folders import write_whole

MOST_BYTES = 16_384  # a longer file is none of ours
STEADY = 1.5  # upper quartile / lower quartile, up to which a time is to be relied on


class _Kept(BaseModel):
    """net: of which network the times are. Fields that a later version adds are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    net: str = Field(max_length=64)
    cost: Cost


def network_of(card: Card) -> str:
    """SHA-256 of what makes the network that is timed: its weights, architecture and options."""
    made = [card.weights_sha256, card.architecture, card.options, card.image_shape]
    return hashlib.sha256(json.dumps(made, sort_keys=True, default=str).encode()).hexdigest()


def unsteady(cost: Cost) -> bool:
    """Was something else at work while it was timed? Its quartiles then lie far apart."""
    return cost.one_high > STEADY * cost.one_low


def read_cost(folder: Path, card: Card) -> Cost | None:
    """What was timed of this network, on whatever machine; None where nothing was, or of another network."""
    try:
        with open(folder / TIMES, "rb") as file:
            content = file.read(MOST_BYTES + 1)
        kept = _Kept.model_validate_json(content) if len(content) <= MOST_BYTES else None
    except (OSError, ValidationError):
        return None
    return kept.cost if kept is not None and kept.net == network_of(card) else None


def write_cost(folder: Path, card: Card, found: Cost) -> bool:
    """Keeps it for the next time. False where the folder is gone, full or not to be written to."""
    try:
        write_whole(folder / TIMES, (_Kept(net=network_of(card), cost=found).model_dump_json(indent=1) + "\n").encode())
    except OSError:
        return False
    return True
