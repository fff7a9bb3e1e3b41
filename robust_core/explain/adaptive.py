"""A network under every attack that knows its router, beside the plain one: per image the worst case over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from robust_core.attacks import ATTACKS, AttackSettings, run
from robust_core.batches import Progress, in_batches
from robust_core.explain.crowd import seen_by, type_accuracy
from robust_core.explain.routing import check_dynamic, distances
from robust_core.types import Classifier, ImageSet, Route, UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One attack (None: untouched images) on n images. robust: (N,), right untouched and attacked.

    type_accuracy: share of the images taken for what they are; p_adversarial: the mean P(adversarial), both None where
    no types are told. moved: mean distance of the route from the untouched image's, over convs.
    """

    attack: AttackSettings | None
    robust: Bool[Tensor, " n"]
    type_accuracy: float | None
    p_adversarial: float | None
    moved: float

    @property
    def accuracy(self) -> float:
        return float(self.robust.float().mean())


@dataclass(frozen=True, kw_only=True, eq=False)
class RouterTable:
    """Rows in the order they were asked for, the untouched images first. worst: right under every one of them."""

    rows: tuple[Row, ...]

    @property
    def worst(self) -> Bool[Tensor, " n"]:
        return torch.stack([row.robust for row in self.rows]).all(dim=0)

    @property
    def worst_accuracy(self) -> float:
        return float(self.worst.float().mean())


def fitting_attacks(route: Route) -> list[str]:
    """The names of the attacks on a router that this kind of route allows. Raises UserError for a static network."""
    check_dynamic(route)
    kinds = {"any"} if route.signals or route.experts else set()
    kinds |= {"types"} if route.p_type is not None else set()
    return [name for name in ATTACKS.names() if ATTACKS[name].routed in kinds]


def router_table(
    model: Classifier,
    images: ImageSet,
    index: Int64[Tensor, " n"],
    attacks: Sequence[AttackSettings],
    *,
    view: Classifier | None = None,
    batch_size: int = 128,
    progress: Progress | None = None,
) -> RouterTable:
    """Runs each attack on the pictures `index` of a set. view: attacked in the model's place, where it is faster.

    All images are attacked, those that were wrong before too, so that type accuracy is of all. progress(done, of)
    counts images, after each batch. Raises UserError for a static network and for no images.
    """
    if not len(index):
        raise UserError("no images to attack: choose n of 1 or more")
    x, y = images.floats(index), images.labels[index]
    clean = seen_by(model, x)
    check_dynamic(clean.route)
    right = clean.logits.argmax(dim=1) == y
    rows = [_row(None, right, clean.route, clean.route, 0)]
    for k, attack in enumerate(attacks):

        def attacked(part: slice, attack: AttackSettings = attack) -> Tensor:
            return run(attack, view or model, x[part], y[part], indices=index[part])

        def tell(done: int, _of: int, before: int = k * len(x)) -> None:
            if progress is not None:
                progress(before + done, len(x) * len(attacks))

        seen = seen_by(model, torch.cat(in_batches(attacked, len(x), batch_size, progress=tell)))
        rows.append(_row(attack, right & (seen.logits.argmax(dim=1) == y), clean.route, seen.route, 1))
    return RouterTable(rows=tuple(rows))


def _row(attack: AttackSettings | None, robust: Tensor, before: Route, after: Route, true: int) -> Row:
    apart = distances(before, after)
    typed = after.p_type is not None
    return Row(
        attack=attack,
        robust=robust,
        type_accuracy=type_accuracy(after, true) if typed else None,
        p_adversarial=float(after.p_type[:, 1].mean()) if after.p_type is not None else None,
        moved=float(torch.stack(list(apart.values())).mean()) if apart else 0.0,
    )
