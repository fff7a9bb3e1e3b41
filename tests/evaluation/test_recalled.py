"""Verdicts that a card knows are taken from it where asked, and only where making the attack again gives the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from robust_core import checkpoints
from robust_core.cards import Card, Evaluation
from robust_core.checkpoints import Checkpoint
from robust_core.evaluation.ensemble import Underway
from robust_core.evaluation.recalled import recalled
from robust_core.evaluation.stored import evaluate_checkpoint
from robust_core.types import ImageSet
from tests.evaluation.own import checkpoint, quick
from tests.evaluation.test_stored import N, figures

EPS = 0.02
LONG: dict[str, tuple[str, ...]] = {"table": ("fgsm", "pgd"), "sequence": ("pgd", "square")}


@pytest.fixture
def found(tmp_path: Path, small: ImageSet) -> Checkpoint:
    return checkpoint(tmp_path / "zoo" / "tiny", small.class_names)


@pytest.fixture
def images(found: Checkpoint, small: ImageSet) -> ImageSet:
    """Half of them labelled as the checkpoint sees them, so that some are right and some are not."""
    some = small.subset(slice(0, N))
    labels = checkpoints.load(found)(some.floats()).argmax(dim=1)
    labels[::5] = (labels[::5] + 1) % len(small.class_names)
    return ImageSet(images=some.images, labels=labels, class_names=small.class_names, name="own answers")


def made(
    found: Checkpoint, images: ImageSet, groups: dict[str, tuple[str, ...]], **more: Any
) -> tuple[Evaluation, list[str]]:
    """The evaluation, and the attacks that were made for it."""
    asked: list[str] = []
    evaluation = evaluate_checkpoint(
        checkpoints.at(found.folder), checkpoints.load(found), images, quick(more.pop("eps", EPS), **groups),
        n=more.pop("n", N), progress=lambda now: asked.append(now.attack), **more,
    )  # fmt: skip
    return evaluation, list(dict.fromkeys(asked))


def card_of(found: Checkpoint) -> Card:
    card = checkpoints.at(found.folder).card
    assert card is not None
    return card


def test_only_what_is_new_is_made_and_the_figures_are_those_of_making_all(found: Checkpoint, images: ImageSet) -> None:
    whole, asked = made(found, images, LONG, write=False)
    assert asked == ["fgsm", "pgd", "square"]
    short, _ = made(found, images, {"table": LONG["table"]})
    longer, asked = made(found, images, LONG, reuse=True)
    assert asked == ["square"]
    assert figures(longer) == figures(whole)
    assert [line.seconds for line in longer.results[:2]] == [line.seconds for line in short.results]
    assert longer.seconds >= sum(line.seconds for line in short.results)
    assert card_of(found).evaluations == (short, longer)


def test_unasked_everything_is_measured_anew(found: Checkpoint, images: ImageSet) -> None:
    made(found, images, {"table": LONG["table"]})
    assert made(found, images, LONG)[1] == ["fgsm", "pgd", "square"]


@pytest.mark.parametrize(
    "other", [{"eps": 0.03}, {"n": N // 2}, {"precision": torch.bfloat16}], ids=["eps", "n", "precision"]
)
def test_made_in_another_way_it_is_of_no_use(other: dict[str, Any], found: Checkpoint, images: ImageSet) -> None:
    made(found, images, {"table": LONG["table"]})
    assert made(found, images, LONG, reuse=True, **other)[1] == ["fgsm", "pgd", "square"]


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "0" * 64},
        {"data_fingerprint": "another"},
        {"claimed": True},
        {"broken": 1},
        {"device": "cuda"},
        {"device": "whatever an imported card says"},
        {"versions": {"torch": "1.0"}},
    ],
    ids=lambda change: "-".join(map(str, next(iter(change.items()))))[:20],
)
def test_what_may_differ_is_not_recalled(change: dict[str, Any], found: Checkpoint, images: ImageSet) -> None:
    evaluation, _ = made(found, images, {"table": LONG["table"]})
    how: dict[str, Any] = {"n": N, "device": "cpu", "precision": torch.float32}
    plan, card = quick(EPS, **LONG), card_of(found)
    known = recalled(card, images, plan, **how)
    assert known is not None
    assert set(known.after) == {"fgsm", "pgd"}
    changed = card.model_copy(update={"evaluations": (evaluation.model_copy(update=change),)})
    assert recalled(changed, images, plan, **how) is None


def test_an_attack_on_what_others_left_is_not_recalled(found: Checkpoint, images: ImageSet) -> None:
    made(found, images, {"sequence": ("fgsm", "square")})
    assert made(found, images, {"table": ("square", "fgsm")}, reuse=True)[1] == ["square"]


def test_broken_logits_are_met_again(found: Checkpoint, images: ImageSet) -> None:
    evaluation, _ = made(found, images, {"table": LONG["table"]})
    first, second = evaluation.results
    spoilt = evaluation.model_copy(update={"results": (first.model_copy(update={"broken": 1}), second)})
    card = card_of(found).model_copy(update={"evaluations": (spoilt,)})
    known = recalled(card, images, quick(EPS, **LONG), n=N, device="cpu", precision=torch.float32)
    assert known is not None
    assert set(known.after) == {"pgd"}


@pytest.mark.parametrize(("first", "then"), [(False, True), (True, False)])
def test_a_killed_one_goes_on_only_as_it_was_asked_for(
    first: bool, then: bool, found: Checkpoint, images: ImageSet
) -> None:
    """Who asks for all to be measured anew is not given what a killed one took from the card, nor the other way."""
    made(found, images, {"table": LONG["table"]})

    def stopped(now: Underway) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        evaluate_checkpoint(
            checkpoints.at(found.folder), checkpoints.load(found), images, quick(EPS, **LONG), n=N, progress=stopped,
            reuse=first, batch_size=16,
        )  # fmt: skip
    assert made(found, images, LONG, reuse=then)[1] == (["square"] if then else ["fgsm", "pgd", "square"])


def test_of_many_evaluations_each_gives_what_it_knows(found: Checkpoint, images: ImageSet) -> None:
    made(found, images, {"table": ("fgsm",)})
    made(found, images, {"sequence": ("pgd", "square")})
    whole, asked = made(found, images, {"table": ("fgsm",), "sequence": ("pgd", "apgd")}, reuse=True)
    assert asked == ["apgd"]
    assert figures(whole) == figures(made(found, images, {"table": ("fgsm",), "sequence": ("pgd", "apgd")})[0])


def test_the_time_counts_what_others_took(found: Checkpoint, images: ImageSet) -> None:
    made(found, images, {"table": LONG["table"]})
    for write in (False, True):
        whole, _ = made(found, images, LONG, reuse=True, write=write)
        spent = {line.name: line.seconds for line in whole.results}
        assert whole.seconds >= sum(spent.values()) - 0.02  # each is rounded
