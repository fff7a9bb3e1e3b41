"""What speaks against a row of a board: other weights than the card's, claims, images or attacks that are missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from robust_core.cards import Card, Tally
from robust_core.checkpoints import weights_sha
from robust_core.evaluation.measures import percents
from robust_core.evaluation.plan import called
from robust_core.evaluation.scores import Board, Listed, Score
from robust_core.types import UserError

Kind = Literal["stale", "foreign", "partial", "fewer", "more", "flattering", "falls"]
OF_CARDS = ("stale", "foreign")  # kinds of marks that speak of the card, not of a figure
UNRANKED = ("stale", "fewer", "flattering")  # kinds of marks whose figures do not count
FALLS = 0.08  # of the images; from PGD-20 to a worst case over all attacks the zoo's static networks lose 1 to 5 points
FEW = 100  # images: of fewer a fall is chance


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What speaks against a row, in a word and in a sentence."""

    kind: Kind
    word: str
    told: str


def of_weights(listed: Listed) -> list[Mark]:
    try:
        same = weights_sha(listed.checkpoint) == listed.card.weights_sha256
    except UserError as error:
        return [Mark(kind="stale", word="no weights", told=str(error))]
    told = "the weights that lie there are not those its card describes: its figures are another network's"
    return [] if same else [Mark(kind="stale", word="stale card", told=told)]


def of_origin(card: Card, board: Board, *, claimed: bool) -> list[Mark]:
    if claimed:
        told = "imported with its figures: nobody has measured them here, and they are not ranked"
        return [Mark(kind="foreign", word="figures as its card claims", told=told)]
    if card.imported:
        told = "imported: how it was trained is not known here, or only as its card claims"
        return [Mark(kind="foreign", word="imported", told=told)]
    if card.data_name != board.data_name:
        told = f"trained on {card.data_name}, tested on {board.data_name}"
        return [Mark(kind="foreign", word=f"trained on {card.data_name}", told=told)]
    return []


def of_figures(score: Score, card: Card) -> list[Mark]:
    marks = [Mark(kind="partial", word=word, told=told) for word, told in score.remarks]
    if score.flatters:
        marks.append(Mark(kind="flattering", word="router not attacked", told=score.flatters))
    if (far := fall_of(score, card)) is not None:
        marks.append(Mark(kind="falls", word=f"falls to {percents(far.worst)[0]} % of {far.n:,}", told=far.told()))
    absent = [name for name, n in zip(card.class_names, score.robust.class_n, strict=False) if n == 0]
    if absent:
        told = f"no image of {', '.join(absent[:4])}{' …' if len(absent) > 4 else ''} among the {score.robust.n}"
        marks.append(Mark(kind="partial", word=f"{len(absent)} of {len(card.class_names)} classes absent", told=told))
    if score.clean and score.clean.n != score.robust.n:
        told = f"untouched accuracy is of {score.clean.n:,} images, robust accuracy of {score.robust.n:,}"
        marks.append(Mark(kind="partial", word="two n", told=told))
    return marks


def fall_of(score: Score, card: Card) -> Fall | None:
    """Of a figure on a board, see `fall`."""
    where = {"fingerprint": score.fingerprint, "norm": score.norm}
    return fall(card, score.robust, **where, eps=score.eps, claimed=score.claimed)


@dataclass(frozen=True, kw_only=True)
class Fall:
    """Of the first n images `here` stand in the figure at hand, and `worst` under several attacks together: shares."""

    n: int
    here: float
    worst: float
    attacks: str

    def told(self) -> str:
        stand, stood = percents(self.worst, self.here)
        return f"of the first {self.n:,} images {stood} % stand here, and {stand} % under {self.attacks} together"


def fall(card: Card, robust: Tally, *, fingerprint: str, norm: str, eps: float, claimed: bool) -> Fall | None:
    """Where other attacks of the same budget leave far less of the same images, as the card itself says.

    Of several the one on the most images, and of these the lowest. robust: the figure at hand.
    """
    falls: list[Fall] = []
    for e in card.evaluations:
        made = (e.weights_sha256, e.data_fingerprint, e.norm, e.eps, e.claimed)
        if made != (card.weights_sha256, fingerprint, norm, eps, claimed):
            continue
        first = min(robust, e.worst, key=lambda tally: tally.n).class_n
        here, worst = robust.of_first(first), e.worst.of_first(first)
        if here is None or worst is None or here.n < FEW or worst.accuracy >= robust.accuracy:
            continue
        if (here.correct - worst.correct) / here.n > FALLS:
            falls.append(Fall(n=here.n, here=here.accuracy, worst=worst.accuracy, attacks=called(e.results)))
    return max(falls, key=lambda one: (one.n, -one.worst), default=None)
