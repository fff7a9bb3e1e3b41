"""Evaluations in the background: begun, watched, refused, stopped, gone on with, and robbed of their checkpoint."""

import json
import shutil
import time
from pathlib import Path

import pytest

from robust_core import checkpoints, data
from robust_core.checkpoints import CARD, STATE, write_card
from robust_core.evaluation.stored import held
from robust_core.library import evaluations, shelf
from robust_core.types import UserError

NAME = "fashion_mnist/pgd_at"


def until(condition, seconds: float = 90.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, evaluations.look_all()
        time.sleep(0.05)
    return found


def ended(name: str = NAME):
    seen = evaluations.look(name)
    return seen if seen is not None and seen.phase != "running" else None


def test_an_evaluation_runs_by_itself_and_ends_in_the_card(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUSTLENS_MAX_RUNNING", "1")
    found = checkpoints.find(NAME)
    assert evaluations.look(NAME) is None
    evaluations.start(found, n=20, groups=("table",), doubts=False)
    seen = evaluations.look(NAME)
    assert (seen.phase, seen.n, seen.attacks) == ("running", 20, 4)
    with pytest.raises(UserError, match="is being evaluated already"):
        evaluations.start(found, n=20, groups=("table",))
    with pytest.raises(UserError, match="being evaluated; stop the evaluation first"):
        shelf.delete(found)
    with pytest.raises(UserError, match="is being evaluated, and this machine takes 1 at once"):
        evaluations.start(checkpoints.find("fashion_mnist/standard"), n=20)
    with pytest.raises(UserError, match="still being evaluated"):
        evaluations.forget(NAME)
    assert [each.name for each in evaluations.look_all()] == [NAME]
    seen = until(ended)
    assert (seen.phase, seen.share) == ("done", 1.0)
    assert "robust, worst case" in seen.told
    card = checkpoints.find(NAME).card
    assert card.evaluation.clean.n == 20
    assert card.evaluation.plan == ("table",)
    assert not (found.folder / STATE).exists()
    evaluations.forget(NAME)
    assert evaluations.look_all() == []
    with pytest.raises(UserError, match="not being evaluated any more"):
        evaluations.stop(NAME)


def test_stopped_it_says_so_and_the_checkpoint_that_vanished_is_a_sentence(zoo: Path) -> None:
    found = checkpoints.find(NAME)
    evaluations.start(found, n=2000)
    until(lambda: evaluations.look(NAME).at > 0)
    seen = evaluations.look(NAME)
    assert 0 < seen.share < 1
    assert seen.left is not None
    assert "Attack 1 of" in seen.told
    evaluations.stop(NAME)
    assert until(ended).phase == "stopped"
    assert (found.folder / STATE / "evaluation.json").is_file()
    evaluations.start(found, n=2000)
    until(lambda: (evaluations.folder_of(NAME) / "log.txt").is_file())
    shutil.rmtree(found.folder)
    seen = until(ended)
    assert seen.phase == "failed"
    assert "\n" not in seen.told
    assert "Traceback" not in seen.told
    assert any(word in seen.told for word in ("removed", "not at", "unknown checkpoint", "cannot be read")), seen.told


def test_one_begun_on_the_command_line_is_respected(zoo: Path) -> None:
    found = checkpoints.find(NAME)
    with held(found):
        assert evaluations.is_evaluated(found)
        with pytest.raises(UserError, match="is being evaluated already"):
            evaluations.start(found, n=20, groups=("table",))
    assert not evaluations.is_evaluated(found)


def test_what_cannot_be_evaluated_is_said_before_there_is_a_process(zoo: Path, monkeypatch) -> None:
    found = checkpoints.find(NAME)
    for n, told in ((5, "takes 10 to"), (5000, "has 2,000 test images")):
        with pytest.raises(UserError, match=told):
            evaluations.start(found, n=n)
    card = json.loads((found.folder / CARD).read_text())
    (found.folder / CARD).write_text(json.dumps(card | {"data_name": "cifar10"}))
    with pytest.raises(UserError, match="on cifar10, which is not on this machine"):
        evaluations.start(checkpoints.find(NAME), n=20)
    (found.folder / CARD).write_text(json.dumps(card | {"weights_sha256": "0" * 64}))
    with pytest.raises(UserError, match="not the file its card describes"):
        evaluations.start(checkpoints.find(NAME), n=20)
    shutil.rmtree(found.folder)
    with pytest.raises(UserError, match="not here any more"):
        evaluations.start(found, n=20)
    monkeypatch.setenv("ROBUSTLENS_LIBRARY", "read-only")
    with pytest.raises(UserError, match="read-only"):
        evaluations.start(found, n=20)
    assert evaluations.look_all() == []
    assert data.available()["fashion_mnist_small"]


def test_a_process_that_was_killed_is_noticed(zoo: Path) -> None:
    folder = evaluations.folder_of(NAME)
    folder.mkdir(parents=True)
    record = {"name": NAME, "n": 20, "attacks": ["pgd20"], "doubts": False, "begun": time.time(), "pid": 1}
    (folder / "record.json").write_text(json.dumps(record))
    (folder / "log.txt").write_text("")
    seen = evaluations.look(NAME)
    assert seen.phase == "failed"
    assert "its process was killed" in seen.told
    (folder / "log.txt").write_text("Traceback (most recent call last):\n  x\nMemoryError: too much")
    assert evaluations.look(NAME).told == "it failed: MemoryError: too much"
    (folder / "record.json").write_text("{")
    assert evaluations.look(NAME) is None


ATTACKS = "robust, worst case: 12.00% (95 %: 8.00% … 18.00%)"
CHECKS = "4 of 6 checks passed, 2 not: the robust figures are not to be believed as they are"


@pytest.mark.parametrize(
    ("log", "doubts", "stopped", "phase"),
    [
        (ATTACKS, False, False, "done"),
        (ATTACKS, True, False, "failed"),  # killed while it checked
        (f"{ATTACKS}\n\n{CHECKS}", True, False, "done"),
        (f"{ATTACKS}\n\n{CHECKS}", True, True, "done"),  # it had finished before it could be stopped
        (ATTACKS, True, True, "stopped"),
        ("", True, True, "stopped"),
    ],
)
def test_how_it_ended_is_read_from_all_that_was_asked_for(zoo, log, doubts, stopped, phase) -> None:
    folder = evaluations.folder_of(NAME)
    folder.mkdir(parents=True)
    record = {"name": NAME, "n": 20, "attacks": ["pgd20"], "doubts": doubts, "begun": time.time(), "pid": 1}
    (folder / "record.json").write_text(json.dumps(record | ({"stopped": True} if stopped else {})))
    (folder / "log.txt").write_text(log)
    seen = evaluations.look(NAME)
    assert seen.phase == phase
    assert phase != "failed" or "during the checks" in seen.told


def test_a_measuring_counts_all_test_images_and_ends_in_the_card(zoo: Path) -> None:
    found = checkpoints.find(NAME)
    assert found.card is not None
    write_card(found.folder, found.card.model_copy(update={"measures": ()}))
    evaluations.measure(checkpoints.find(NAME))
    seen = evaluations.look(NAME)
    assert (seen.phase, seen.n, seen.measure) == ("running", 2000, True)
    with pytest.raises(UserError, match="is being evaluated already"):
        evaluations.measure(found)
    assert until(ended).phase == "done"
    card = checkpoints.find(NAME).card
    assert [m.n for m in card.measures] == [2000, 2000]
    assert card.robust.attack.steps == 20
    with pytest.raises(UserError, match="is not on this machine; download it first"):
        evaluations.measure(found, data_name="cifar10")


@pytest.mark.parametrize(("written", "phase"), [("", "failed"), (f"written into the card of {NAME}\n", "done")])
def test_a_measuring_has_ended_well_when_it_is_in_the_card(zoo, written, phase) -> None:
    folder = evaluations.folder_of(NAME)
    folder.mkdir(parents=True)
    record = {"name": NAME, "n": 20, "attacks": ["untouched", "PGD-20"], "doubts": False, "begun": 0, "pid": 1}
    (folder / "record.json").write_text(json.dumps(record | {"measure": True}))
    (folder / "log.txt").write_text("clean: 80.00% of 20 test images, worst class 10.00%\n" * 2 + written)
    assert evaluations.look(NAME).phase == phase
