"""What an evaluation itself says against its figures: attacks that were left out, logits that are no numbers."""

from __future__ import annotations

from collections.abc import Iterable

from robust_core.cards import AttackResult, Card, Evaluation
from robust_core.models import ARCHITECTURES
from robust_core.models.backbone import Backbone

Remark = tuple[str, str]  # in a word, in a sentence


def flatters(card: Card, e: Evaluation) -> str:
    """Why its worst case is too good to be held against others, or ""."""
    if "adaptive" in e.plan or static(card.architecture):
        return ""
    return "the attacks that know the router were not made: this flatters it, and it is not ranked"


def left_out(e: Evaluation, group: str = "") -> tuple[Remark, ...]:
    """What the evaluation's notes say was left out, of this group or of all: no reason not to rank it."""
    # Attacks on what a network has not got, a router or its types, are not missing.
    notes = [note for note in e.notes if "static" not in note and "this router" not in note]
    return tuple(("attacks left out", note) for note in notes if not group or _group_of(note) in ("", group))


def _group_of(note: str) -> str:
    """The group a note of the plan is about; "" where it does not tell, and then it is about each."""
    return "autoattack" if any(word in note for word in ("FAB", "APGD", "DLR")) else ""


def broken(e: Evaluation, made: Iterable[AttackResult]) -> tuple[Remark, ...]:
    most = max([e.broken, *(r.broken for r in made)])
    told = f"up to {most} images end in logits that are no numbers; they count as wrong"
    return (("broken logits", told),) if most else ()


def static(architecture: str) -> bool:
    """Is it one whose filters are the same for every image?"""
    if architecture not in ARCHITECTURES.names():
        return False
    make = ARCHITECTURES[architecture]
    kind = getattr(make, "func", make)
    return isinstance(kind, type) and issubclass(kind, Backbone)
