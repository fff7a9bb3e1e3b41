"""The evaluation of a checkpoint: begun, killed, gone on with, written into its card.

state/evaluation.lock keeps others out meanwhile.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from robust_core.cards import Card, Doubts, Evaluation
from robust_core.checkpoints import CARD, STATE, WEIGHTS, Checkpoint, at, weights_sha, write_card
from robust_core.device import name_of
from robust_core.evaluation.doubts import Effort, examine
from robust_core.evaluation.ensemble import (
    BATCH,
    BROKEN,
    Outcomes,
    Underway,
    checked_count,
    evaluate,
    results,
    tally,
)
from robust_core.evaluation.kept import Kept, gone, identity, versions
from robust_core.evaluation.measures import class_figures, share_figure
from robust_core.evaluation.plan import Plan
from robust_core.evaluation.recalled import recalled
from robust_core.folders import locked
from robust_core.types import Classifier, ImageSet, UserError

LOCK = "evaluation.lock"  # in STATE


def check_fit(checkpoint: Checkpoint, images: ImageSet) -> Card:
    """The card. Raises UserError where there is none, or where network and images are not of one task."""
    card = checkpoint.card
    if card is None:
        raise UserError(checkpoint.problem or f"{checkpoint.name}: no card")
    if tuple(card.image_shape) != images.shape or card.class_names != images.class_names:
        raise UserError(
            f"{checkpoint.name} knows images {tuple(card.image_shape)} of {len(card.class_names)} classes; "
            f"{images.name} has {images.shape} of {len(images.class_names)}, or classes of other names; "
            "choose other --data"
        )
    return card


def evaluate_checkpoint(
    checkpoint: Checkpoint,
    net: Classifier,
    images: ImageSet,
    plan: Plan,
    *,
    n: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    batch_size: int = BATCH,
    progress: Callable[[Underway], None] | None = None,
    write: bool = True,
    reuse: bool = False,
) -> Evaluation:
    """Evaluates the checkpoint's network and writes what came out into its card.

    net: the checkpoint's, as `load` gives it. seed: of the bootstrap; the attacks have theirs in the plan. precision:
    of the view that is attacked. Killed, the same call goes on where it stood, to the same figures. write=False leaves
    no trace in the folder to go on from. reuse: attacks that the card knows to have met the same images in the same way
    are not made again, see `recalled`.
    Raises UserError where another process evaluates it, where network and images do not fit, and where the checkpoint
    was removed or replaced meanwhile. An exception from `progress` stops it; what was found is kept.
    """
    card = check_fit(checkpoint, images)
    n = checked_count(images, n)
    started = time.perf_counter()

    def run(begun: Outcomes | None, keep: Callable[[Outcomes], None] | None) -> Evaluation:
        earlier = sum(begun.seconds.values()) if begun else 0.0
        found = evaluate(
            net,
            images,
            plan,
            n=n,
            device=device,
            precision=precision,
            batch_size=batch_size,
            progress=progress,
            begun=begun,
            keep=keep,
        )
        spent = earlier + time.perf_counter() - started
        made = {"device": str(device), "precision": name_of(precision), "seconds": round(spent, 2)}
        return _summary(found, plan, images, card.weights_sha256, seed=seed, made=made)

    known = recalled(card, images, plan, n=n, device=device, precision=precision) if reuse else None
    if not write:
        return run(known, None)
    with held(checkpoint):
        how = (name_of(precision), torch.device(device).type, reuse)  # who asks for it anew is not given it from a card
        kept = Kept(checkpoint, identity(card, images, plan, n, how))
        evaluation = run(kept.read() or known, kept.write)
        put_in_card(checkpoint, card, lambda now: now.with_evaluation(evaluation))
        kept.path.unlink(missing_ok=True)
    return evaluation


def examine_checkpoint(
    checkpoint: Checkpoint,
    net: Classifier,
    images: ImageSet,
    *,
    eps: float,
    norm: str = "linf",
    n: int | None = None,
    seed: int = 0,
    effort: Effort | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = BATCH,
    progress: Callable[[str, int, int], None] | None = None,
    write: bool = True,
) -> Doubts:
    """The doubts about the checkpoint's network, written into its card: see `examine` and evaluate_checkpoint."""
    card = check_fit(checkpoint, images)
    n = checked_count(images, n)
    started = time.perf_counter()
    with held(checkpoint) if write else contextlib.nullcontext():
        checks = examine(
            net,
            images,
            n=n,
            eps=eps,
            norm=norm,
            seed=seed,
            effort=effort,
            device=device,
            batch_size=batch_size,
            progress=progress,
        )
        doubts = Doubts(
            n=n,
            norm=norm,
            eps=eps,
            seed=seed,
            data_name=images.name,
            data_fingerprint=images.fingerprint,
            weights_sha256=card.weights_sha256,
            checks=checks,
            versions=versions(),
            device=str(device),
            seconds=round(time.perf_counter() - started, 2),
        )
        if write:
            put_in_card(checkpoint, card, lambda now: now.with_doubts(doubts))
    return doubts


@contextlib.contextmanager
def held(checkpoint: Checkpoint) -> Iterator[None]:
    """Keeps every other evaluation from the checkpoint. Raises UserError where another process holds it."""
    state = checkpoint.folder / STATE
    with contextlib.ExitStack() as stack:
        try:
            state.mkdir(exist_ok=True)
            stack.enter_context(locked(state / LOCK))
        except TimeoutError as error:
            raise UserError(f"{checkpoint.name} is being evaluated by another process; wait for that one") from error
        except FileNotFoundError as error:
            raise UserError(f"{checkpoint.name} is not at {checkpoint.folder} any more") from error
        try:
            yield
        finally:
            (state / LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # something is kept in it, or it went with the checkpoint
                state.rmdir()


def put_in_card(checkpoint: Checkpoint, measured: Card, change: Callable[[Card], Card]) -> None:
    """Makes the change to the card as it lies there now, which others may have written to meanwhile.

    Raises UserError where the checkpoint is gone, or its weights are not those that were measured.
    """
    now = at(checkpoint.folder)
    if not (checkpoint.folder / CARD).is_file() or not (checkpoint.folder / WEIGHTS).is_file():
        raise UserError(gone(checkpoint))
    if now.card is None:
        raise UserError(now.problem or f"{checkpoint.name}: no card")
    if weights_sha(now) != measured.weights_sha256:
        raise UserError(
            f"{checkpoint.name}: its weights were replaced during the evaluation; what was found is of the old ones "
            "and was not written; evaluate it again"
        )
    try:
        write_card(checkpoint.folder, change(now.card))
    except FileNotFoundError as error:
        raise UserError(gone(checkpoint)) from error


def _summary(
    known: Outcomes, plan: Plan, images: ImageSet, weights: str, *, seed: int, made: dict[str, Any]
) -> Evaluation:
    norm, eps = plan.budget
    worst, clean = tally(known.survived(plan.attacks), images), tally(known.right, images)
    return Evaluation(
        plan=tuple(plan.groups),
        norm=norm,
        eps=eps,
        seed=seed,
        data_name=images.name,
        data_fingerprint=images.fingerprint,
        weights_sha256=weights,
        clean=clean,
        results=tuple(results(known, plan, images)),
        groups={group: tally(known.survived(names), images) for group, names in plan.groups.items()},
        worst=worst,
        broken=int((known.clean == BROKEN).sum()),
        figures={"clean": share_figure(clean), "robust": share_figure(worst)} | class_figures(worst, seed=seed),
        notes=plan.notes,
        versions=versions(plan),
        **made,
    )
