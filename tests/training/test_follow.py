"""A history followed: only what is new is read, a torn line waits, a history cut back is read anew; and the probes."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from robust_core.checkpoints import HISTORY, STATE
from robust_core.training.ahead import Ahead
from robust_core.training.follow import Follower, follow
from robust_core.training.loop import Training
from robust_core.training.probe import _weights, pictures, probe, saved
from robust_core.training.run import SAVED, Run, State
from robust_core.types import Splits, UserError
from tests.training.test_loop import CPU, made, tiny

__all__ = ["made"]  # a fixture


def line(step: int, **also: object) -> str:
    return json.dumps({"event": "step", "step": step, **also}) + "\n"


def test_it_grows_and_a_torn_line_waits(tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    follower = Follower(path)
    assert not follower.read()
    path.write_text(line(1) + line(2)[:9])
    assert [e["step"] for e in follower.read().steps] == [1]
    first = follower.read().version
    assert follower.read().version == first  # nothing new
    path.write_text(line(1) + line(2) + "no json\n[1]\n" + json.dumps({"event": "epoch", "step": 2, "epoch": 1}) + "\n")
    log = follower.read()
    assert (log.step, len(log.epochs)) == (2, 1)
    assert log.version != first


def test_a_history_that_was_cut_back_and_grew_again_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    path.write_text("".join(line(i, loss=1) for i in range(1, 9)))
    follower = Follower(path)
    assert len(follower.read().steps) == 8
    path.write_text("".join(line(i, loss=1 if i < 4 else 2) for i in range(1, 12)))
    assert [e["loss"] for e in follower.read().steps] == [1] * 3 + [2] * 8
    path.write_text(line(1))
    assert len(follower.read().steps) == 1
    path.unlink()
    assert not follower.read()


def test_seconds_never_run_backwards_and_none_are_left_that_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    follower = Follower(path)
    path.write_text(line(1, seconds=3.5, seconds_left=9.0) + line(2, seconds=-7.0, seconds_left=-2.0))
    assert [(e["seconds"], e.get("seconds_left")) for e in follower.read().steps] == [(3.5, 9.0), (3.5, None)]
    with path.open("a") as file:  # at a later look, too
        file.write(line(3, seconds=float("nan"), seconds_left=float("inf")) + line(4) + line(5, seconds=4.0))
    assert [e.get("seconds") for e in follower.read().steps] == [3.5, 3.5, 3.5, None, 4.0]
    path.write_text(line(1, seconds=1.0))  # anew
    assert follower.read().steps[0]["seconds"] == 1.0


def test_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / HISTORY
    path.write_text("".join(line(i) for i in range(1000)))
    follow(tmp_path)
    read: list[str] = []
    whole = json.loads
    monkeypatch.setattr(json, "loads", lambda text: read.append(text) or whole(text))
    with open(path, "a") as file:
        file.write(line(1000))
    assert follow(tmp_path).step == 1000
    assert len(read) == 1


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_probes_are_the_weights_of_the_last_saved_step(made: Splits, tmp_path: Path, average: float) -> None:
    run = Run.create(tmp_path / "run", tiny(average=average))
    with pytest.raises(UserError, match="no weights yet"):
        probe(run.folder, run.recipe, made.test)
    training = Training(run, made, device=CPU, on_event=lambda event: None)
    training.train(stop=lambda: training.step == 6)
    chosen = made.test.subset(pictures(made.test, 4))
    assert chosen.labels.tolist() == [0, 1, 0, 1]
    before = saved(run.folder)
    seen = probe(run.folder, run.recipe, chosen)
    assert seen.step == 6
    assert seen.x_adv is not None
    assert 0 < float((seen.x_adv - seen.x).abs().max()) <= 0.1 + 1e-6
    net = training.net.eval()
    if training.mean:
        net.load_state_dict(training.mean.state_dict())
    with torch.no_grad():
        assert torch.allclose(net(seen.x).softmax(dim=1), seen.p, atol=1e-4)
    training.train()
    assert saved(run.folder) != before
    assert probe(run.folder, run.recipe, chosen).step == training.total


@pytest.mark.slow
def test_an_estimate_comes_from_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Ahead(tiny().model_copy(update={"data": tiny().data.model_copy(update={"name": "gone"})}))
    base = tiny()
    good = Ahead(base.model_copy(update={"data": base.data.model_copy(update={"name": "fashion_mnist_small"})}))
    good._process.wait(120)
    found = good.result()
    assert found is not None
    assert found.steps == 3 * (9980 // 20)
    wrong._process.wait(120)
    with pytest.raises(UserError, match="^unknown data set 'gone'"):
        wrong.result()
    monkeypatch.setenv("ROBUSTLENS_TRAINING", "off")
    with pytest.raises(UserError, match="switched off"):
        Ahead(base)


def test_a_state_that_is_replaced_while_it_is_read_is_one_of_the_two(tmp_path: Path) -> None:
    """Two saved states take each other's place far more often than any training saves."""
    run, done = Run.create(tmp_path / "run", tiny()), threading.Event()
    path = run.folder / STATE / SAVED
    for step, name in ((1, "one"), (20, "other")):
        run.save_state(State(tensors={"net.weight": torch.full((step * 50,), float(step))}, facts={"step": step}))
        path.rename(path.with_name(name))
    os.link(path.with_name("other"), path)

    def swap() -> None:
        while not done.is_set():
            for name in ("one", "other"):
                os.link(path.with_name(name), path.with_name("next"))
                path.with_name("next").replace(path)
                done.wait(1e-4)  # or the reader comes to look at one and the same moment each time

    def agreed() -> int:
        step, weights = _weights(run.folder)
        assert step == weights["weight"].mean() == len(weights["weight"]) / 50
        return step

    with ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        try:
            for read in (lambda: run.saved_step, agreed):
                seen, until = Counter(), time.monotonic() + 60
                while (seen.total() < 2_000 or min(seen[1], seen[20]) < 100) and time.monotonic() < until:
                    seen[read()] += 1
                assert seen.keys() == {1, 20}
        finally:
            done.set()
        swapping.result()


def test_what_may_be_replaced_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For torch, safetensors opens a file twice: the header is of the one, the tensors are of the other."""
    run = Run.create(tmp_path / "run", tiny())
    run.save_state(State(tensors={"net.weight": torch.ones(3)}, facts={"step": 7}))

    def again(*_: object, **__: object) -> None:
        raise AssertionError("opened a second time")

    monkeypatch.setattr(torch.UntypedStorage, "from_file", again)
    assert run.saved_step == 7
    assert _weights(run.folder)[0] == 7
