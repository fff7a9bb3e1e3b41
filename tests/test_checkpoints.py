"""Checkpoints: what is stored comes back; what is broken is named, and the others go on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from robust_core import checkpoints
from robust_core.attacks import AttackSettings
from robust_core.checkpoints import (
    CARD,
    HISTORY,
    WEIGHTS,
    Card,
    Measure,
    find,
    find_all,
    load,
    read_history,
    write_card,
)
from robust_core.folders import write_tensors, write_whole
from robust_core.models import build
from robust_core.types import UserError
from tests.conftest import TINY, lived_in


def make(folder: Path, seed: int = 0, class_names: tuple[str, ...] = tuple("abcdefghij")) -> Card:
    folder.mkdir(parents=True)
    net = lived_in(build("aw_net", in_channels=1, num_classes=10, seed=seed, **TINY))
    write_tensors(folder / WEIGHTS, net.state_dict())
    card = Card(
        title="Tiny",
        method="standard",
        architecture="aw_net",
        options=dict(TINY),
        image_shape=(1, 28, 28),
        class_names=class_names,
        data_name="fashion_mnist_small",
        data_fingerprint="0" * 64,
        weights_sha256=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
        parameters=1,
        seed=seed,
        train_seconds=1.0,
        device="cpu",
        versions={},
    )
    write_card(folder, card)
    return card


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROBUSTLENS_CHECKPOINTS", str(tmp_path))
    make(tmp_path / "data" / "one", 0)
    make(tmp_path / "data" / "two", 1)
    return tmp_path


def test_what_is_stored_comes_back(zoo: Path, images: torch.Tensor) -> None:
    net = load(find("data/one"))
    expected = lived_in(build("aw_net", in_channels=1, num_classes=10, seed=0, **TINY))
    assert torch.equal(net(images), expected(images))
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())
    assert [c.name for c in find_all()] == ["data/one", "data/two"]
    assert find("two").name == "data/two"
    assert find(str(zoo / "data" / "two")).name == "data/two"


def test_names_nobody_has(zoo: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'data/two'"):
        find("data/tow")
    make(zoo / "other" / "two", 2)
    with pytest.raises(UserError, match="ambiguous: data/two, other/two"):
        find("two")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def break_card(path: Path) -> None:
    card = json.loads(path.read_text())
    card["parameters"] = "many"
    path.write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / WEIGHTS).unlink(), "weights.safetensors is missing"),
        (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:1000]), "not the file its card describes"),
        (lambda f: flip_a_bit(f / WEIGHTS), "not the file its card describes"),
        (lambda f: (f / CARD).unlink(), "card.json cannot be read"),
        (lambda f: (f / CARD).write_text("{"), "not a valid card"),
        (lambda f: break_card(f / CARD), "not a valid card: parameters"),
    ],
)
def test_a_broken_checkpoint_is_named_and_the_others_go_on(damage: object, message: str, zoo: Path) -> None:
    damage(zoo / "data" / "one")  # type: ignore[operator]
    one, two = find_all()
    with pytest.raises(UserError, match=message) as caught:
        checkpoints.load(one)
    assert "data/one" in str(caught.value)
    load(two)


def test_a_run_in_the_making_is_not_a_checkpoint_yet(zoo: Path) -> None:
    folder = zoo / "data" / "one"
    (folder / CARD).unlink()
    (folder / "state").mkdir()
    assert [c.name for c in find_all()] == ["data/two"]


def test_a_card_of_another_architecture_is_named(zoo: Path) -> None:
    folder = zoo / "data" / "one"
    card = find("one").card
    assert card is not None
    write_card(folder, card.model_copy(update={"options": {"width": 4, "blocks": [1, 1]}}))
    with pytest.raises(UserError, match="do not fit the card's architecture 'aw_net'.*mis-shaped"):
        load(find("one"))
    write_card(folder, card.model_copy(update={"architecture": "residual"}))
    with pytest.raises(UserError, match="unexpected"):
        load(find("one"))
    write_card(folder, card.model_copy(update={"options": {"depth": 3}}))
    with pytest.raises(UserError, match="unknown option of aw_net 'depth'"):
        load(find("one"))


def measured(attack: AttackSettings | None, correct: int) -> Measure:
    return Measure(
        attack=attack,
        n=10,
        correct=correct,
        class_n=(5, 5, 0),
        class_correct=(5, correct - 5, 0),
        data_name="d",
        data_fingerprint="f",
        seconds=1,
    )


def test_measures() -> None:
    m = measured(None, 8)
    assert m.accuracy == 0.8
    assert m.class_accuracy == [1.0, 0.6, None]
    assert m.worst_class == 0.6


def test_a_second_measure_of_the_same_thing_replaces_the_first(tmp_path: Path) -> None:
    pgd = AttackSettings(name="pgd", eps=0.1, steps=20)
    card = make(tmp_path / "a" / "b", class_names=("a", "b", "c")).with_measures([measured(None, 8), measured(pgd, 6)])
    card = card.with_measures([measured(pgd, 7)])
    write_card(tmp_path / "a" / "b", card)
    back = find_all(tmp_path)[0].card
    assert back is not None
    assert back.model_dump(mode="json") == card.model_dump(mode="json")
    assert back.clean is not None
    assert back.robust is not None
    assert (back.clean.correct, back.robust.correct, len(back.measures)) == (8, 7, 2)


def test_the_quoted_figures_are_those_on_the_most_images(tmp_path: Path) -> None:
    pgd = AttackSettings(name="pgd", eps=0.1, steps=20)
    few = measured(None, 8).model_copy(update={"n": 5, "class_n": (3, 2, 0), "correct": 5, "class_correct": (3, 2, 0)})
    other = measured(pgd.replace(eps=0.3), 5)
    card = make(tmp_path / "a" / "b").with_measures([measured(None, 8), measured(pgd, 6)])
    card = card.with_measures([few, few.model_copy(update={"attack": pgd}), other]).with_measures([measured(None, 9)])
    assert card.clean is not None
    assert card.robust is not None
    assert (card.clean.n, card.clean.correct) == (10, 9)
    assert (card.robust.attack, card.robust.n, card.robust.correct) == (pgd, 10, 6)


@pytest.mark.parametrize(
    "change", [{"class_n": (5, 5)}, {"class_n": (5, 4, 0)}, {"correct": 11}, {"class_correct": (6, 2, 0)}]
)
def test_a_measure_that_does_not_add_up_is_no_card(change: dict[str, object], zoo: Path) -> None:
    card = json.loads((zoo / "data" / "one" / CARD).read_text())
    card["measures"] = [json.loads(measured(None, 8).model_dump_json()) | change]
    (zoo / "data" / "one" / CARD).write_text(json.dumps(card))
    assert "not a valid card: measures" in str(find("one").problem)


@pytest.mark.parametrize(
    "options", [{"width": 2.5}, {"stem_stride": 0}, {"router_width": 12}, {"blocks": []}, {"stem_stride": "x"}]
)
def test_a_card_that_cannot_be_run_is_named(options: dict[str, object], zoo: Path) -> None:
    card = find("one").card
    assert card is not None
    write_card(zoo / "data" / "one", card.model_copy(update={"options": dict(TINY) | options}))
    with pytest.raises(UserError):
        load(find("one"))


def test_history_forgives_a_torn_last_line(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []
    (tmp_path / HISTORY).write_text('{"event": "epoch", "epoch": 1}\n{"event": "ep')
    assert read_history(tmp_path) == [{"event": "epoch", "epoch": 1}]


def test_history_forgives_a_line_that_is_made_to_break_its_reader(tmp_path: Path) -> None:
    (tmp_path / HISTORY).write_text("[" * 200_000 + '\n{"event": "epoch", "epoch": 1}\n')
    assert read_history(tmp_path) == [{"event": "epoch", "epoch": 1}]


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
