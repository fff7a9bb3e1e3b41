"""A checkpoint's evaluation: killed it goes on to the same card, a second one is refused, nothing false is written."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from robust_core import checkpoints
from robust_core.attacks import AttackSettings
from robust_core.cards import Evaluation
from robust_core.checkpoints import CARD, WEIGHTS, Checkpoint
from robust_core.evaluation import stored
from robust_core.evaluation.doubts import Effort
from robust_core.evaluation.ensemble import Underway
from robust_core.evaluation.kept import KEPT
from robust_core.evaluation.stored import check_fit, evaluate_checkpoint, examine_checkpoint, held
from robust_core.types import ImageSet, UserError
from tests.evaluation.own import checkpoint, quick

N = 40
FAST = Effort(steps=2, more_steps=3, queries=10, draws=2)


@pytest.fixture
def images(found: Checkpoint, small: ImageSet) -> ImageSet:
    """Labelled as the checkpoint sees them, so that there is something to attack."""
    some = small.subset(slice(0, N))
    labels = checkpoints.load(found)(some.floats()).argmax(dim=1)
    return ImageSet(images=some.images, labels=labels, class_names=small.class_names, name="own answers")


@pytest.fixture
def found(tmp_path: Path, small: ImageSet) -> Checkpoint:
    return checkpoint(tmp_path / "zoo" / "tiny", small.class_names)


def evaluated(found: Checkpoint, images: ImageSet, **more: Any) -> Evaluation:
    plan = quick(0.02, table=("fgsm",), sequence=("pgd", "square"))
    return evaluate_checkpoint(found, checkpoints.load(found), images, plan, n=N, batch_size=16, **more)


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """All but what time it took."""
    told = evaluation.model_dump(mode="json", exclude={"seconds"})
    for line in told["results"]:
        del line["seconds"]
    return told


def test_what_came_out_is_in_the_card(found: Checkpoint, images: ImageSet) -> None:
    evaluation = evaluated(found, images)
    card = checkpoints.at(found.folder).card
    assert card is not None
    assert card.evaluations == (evaluation,)
    assert card.evaluation == evaluation
    assert (evaluation.clean.n, evaluation.data_fingerprint) == (N, images.fingerprint)
    assert [line.name for line in evaluation.results] == ["fgsm", "pgd", "square"]
    assert evaluation.results[1].attack == AttackSettings(name="pgd", eps=0.02, steps=3)
    assert evaluation.versions.keys() == {"python", "torch"}
    assert evaluation.figures["robust"].low <= evaluation.worst.accuracy <= evaluation.figures["robust"].high
    assert {p.name for p in found.folder.iterdir()} == {CARD, WEIGHTS}
    marked = (evaluation.clean, evaluation.worst, evaluation.groups["table"], *evaluation.results)
    assert all(part.marks is not None for part in marked)
    evaluated(found, images)
    again = checkpoints.at(found.folder).card
    assert again is not None
    assert len(again.evaluations) == 1
    assert figures(again.evaluations[0]) == figures(evaluation)


@pytest.mark.parametrize("after", [1, 4])
def test_killed_it_goes_on_to_the_same_figures(after: int, found: Checkpoint, images: ImageSet) -> None:
    whole = evaluated(found, images, write=False)
    assert not (found.folder / "state").exists()
    seen: list[str] = []

    def stopped(now: Underway) -> None:
        seen.append(now.attack)
        if len(seen) == after:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        evaluated(found, images, progress=stopped)
    assert [p.name for p in (found.folder / "state").iterdir()] == [KEPT]
    assert checkpoints.at(found.folder).problem is None
    rest: list[str] = []
    resumed = evaluated(found, images, progress=lambda now: rest.append(now.attack))
    assert figures(resumed) == figures(whole)
    straight: list[str] = []
    evaluated(found, images, progress=lambda now: straight.append(now.attack))
    assert seen + rest == straight
    assert not (found.folder / "state").exists()


def test_what_was_kept_of_another_evaluation_is_of_no_use(found: Checkpoint, images: ImageSet) -> None:
    state = found.folder / "state"
    for content in ('{"identity": "another"}', "{", "[]"):
        state.mkdir()
        (state / KEPT).write_text(content)
        assert figures(evaluated(found, images)) == figures(evaluated(found, images, write=False))


def test_verdicts_kept_in_one_precision_are_not_gone_on_with_in_another(found: Checkpoint, images: ImageSet) -> None:
    def stopped(now: Underway) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        evaluated(found, images, progress=stopped)
    told: list[str] = []
    quick = evaluated(found, images, precision=torch.bfloat16, progress=lambda now: told.append(now.attack))
    assert told[0] == "fgsm"
    assert quick.precision == "bfloat16"
    assert evaluated(found, images, write=False).precision == "float32"


def hold(folder: Path, ready: Any, go: Any) -> None:
    with held(checkpoints.at(folder)):
        ready.set()
        go.wait(30)


def test_two_at_once_are_refused(found: Checkpoint, images: ImageSet) -> None:
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=hold, args=(found.folder, ready, go))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(UserError, match="zoo/tiny is being evaluated by another process; wait for that one"):
            evaluated(found, images)
        evaluated(found, images, write=False)  # which leaves nothing that could be in the way
    finally:
        go.set()
        other.join(30)
    evaluated(found, images)


def change(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-5] ^= 1
    (folder / WEIGHTS).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "zoo/tiny was removed from .* during its evaluation"),
        (lambda folder: (folder / CARD).unlink(), "zoo/tiny was removed from"),
        (change, "its weights were replaced during the evaluation"),
    ],
)
def test_a_checkpoint_that_goes_away(
    damage: Callable[[Path], object], message: str, found: Checkpoint, images: ImageSet
) -> None:
    told = 0

    def meanwhile(_: Underway) -> None:
        nonlocal told
        told += 1
        if told == 2:
            damage(found.folder)

    with pytest.raises(UserError, match=message):
        evaluated(found, images, progress=meanwhile)
    card = found.folder / CARD
    assert not card.exists() or not json.loads(card.read_text())["evaluations"]
    assert found.folder.exists() == (damage is not shutil.rmtree)


def test_a_checkpoint_that_goes_away_as_its_card_is_written(
    found: Checkpoint, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checkpoints.write_card

    def too_late(folder: Path, card: Any) -> None:
        shutil.rmtree(folder)
        real(folder, card)

    monkeypatch.setattr(stored, "write_card", too_late)
    with pytest.raises(UserError, match=r"zoo/tiny was removed from .* during its evaluation"):
        evaluated(found, images)


def test_what_others_wrote_meanwhile_stays(found: Checkpoint, images: ImageSet) -> None:
    def meanwhile(_: Underway) -> None:
        now = checkpoints.at(found.folder).card
        assert now is not None
        checkpoints.write_card(found.folder, now.model_copy(update={"notes": "by another"}))

    evaluated(found, images, progress=meanwhile)
    card = checkpoints.at(found.folder).card
    assert card is not None
    assert (card.notes, len(card.evaluations)) == ("by another", 1)


def test_images_of_another_task_and_no_card(found: Checkpoint, images: ImageSet) -> None:
    other = ImageSet(
        images=images.images[:5], labels=images.labels[:5] * 0, class_names=("one", "two"), name="other", origin=""
    )
    with pytest.raises(UserError, match="or classes of other names; choose other --data"):
        evaluated(found, other)
    (found.folder / CARD).unlink()
    with pytest.raises(UserError, match="card.json cannot be read"):
        check_fit(checkpoints.at(found.folder), images)


def test_the_doubts_are_in_the_card(found: Checkpoint, images: ImageSet) -> None:
    net = checkpoints.load(found)
    doubts = examine_checkpoint(found, net, images, eps=0.05, n=10, effort=FAST)
    card = checkpoints.at(found.folder).card
    assert card is not None
    assert card.doubts == (doubts,)
    assert card.examination == doubts
    assert (doubts.n, doubts.eps) == (10, 0.05)
    examine_checkpoint(found, net, images, eps=0.05, n=12, effort=FAST, write=False)
    assert checkpoints.at(found.folder).card == card


def test_an_evaluation_of_other_weights_is_not_quoted(found: Checkpoint, images: ImageSet) -> None:
    evaluated(found, images)
    card = checkpoints.at(found.folder).card
    assert card is not None
    assert card.model_copy(update={"weights_sha256": "f" * 64}).evaluation is None


def test_kept_is_written_before_it_is_told(found: Checkpoint, images: ImageSet) -> None:
    """So that a kill after a batch was seen to be done never does it twice."""
    told: list[int] = []

    def count(now: Underway) -> None:
        kept = json.loads((found.folder / "state" / KEPT).read_text())
        told.append(sum(text.count("1") + text.count("0") for text in kept["after"].values()))

    evaluated(found, images, progress=count)
    assert told == sorted(told)
    assert told[0] > 0
