"""Training: it learns, repeats itself, resumes exactly after a kill, and keeps the best by held-out data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from robust_core.checkpoints import HISTORY, STATE, WEIGHTS, read_history
from robust_core.training import loop
from robust_core.training.kept import kept_earlier
from robust_core.training.loop import Training
from robust_core.training.recipe import Recipe, SchedulePart, parse_recipe
from robust_core.training.run import Run
from robust_core.training.schedule import learning_rate
from robust_core.types import Classifier, ImageSet, Splits, UserError

CPU = torch.device("cpu")

TEXT = """
title = "tiny"
data = { name = "made", holdout = 20, pad = 1 }
model = { architecture = "%s", options = { width = 4, blocks = [1] } }
objective = { name = "%s", options = %s }
attack = { name = "pgd", eps = 0.1, steps = 2 }
route = { train_mix = "%s" }
schedule = { epochs = 3, batch_size = 20, lr = 0.05, average = %s }
validation = { attack = { name = "pgd", eps = 0.1, steps = 2 } }
"""


def tiny(
    architecture: str = "residual", objective: str = "standard", mix: str = "hard", average: float = 0.0
) -> Recipe:
    options = "{ clean_weight = 0.5 }" if objective == "adversarial" else "{}"
    return parse_recipe(TEXT % (architecture, objective, options, mix, average))


@pytest.fixture(scope="module")
def made() -> Splits:
    """Two classes a child can tell apart: bright above, bright below."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 90, (120, 1, 12, 12), generator=generator)
    labels = torch.arange(120) % 2
    images[labels == 0, :, :6] += 120
    images[labels == 1, :, 6:] += 120
    half = {"class_names": ("above", "below"), "name": "made"}
    train = ImageSet(images=images[:100].to(torch.uint8), labels=labels[:100], **half)  # type: ignore[arg-type]
    return Splits(train=train, test=ImageSet(images=images[100:].to(torch.uint8), labels=labels[100:], **half))  # type: ignore[arg-type]


def finish(run: Run, data: Splits, on_event: Any = lambda event: None, **kwargs: Any) -> bool:
    return Training(run, data, device=CPU, on_event=on_event).train(**kwargs)


def timeless(folder: Path) -> list[dict[str, Any]]:
    clocks = ("seconds", "seconds_left", "images_per_second")
    return [{k: v for k, v in event.items() if k not in clocks} for event in read_history(folder)]


def test_it_learns_and_writes_its_history(made: Splits, tmp_path: Path) -> None:
    recipe = tiny()
    recipe = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"epochs": 12})})
    assert finish(Run.create(tmp_path / "a", recipe), made)
    epochs = [event for event in read_history(tmp_path / "a") if event["event"] == "epoch"]
    assert [event["epoch"] for event in epochs] == list(range(1, 13))
    assert epochs[-1]["clean"] >= 0.95
    assert epochs[-1]["ce_clean"] < epochs[0]["ce_clean"]
    assert epochs[-1]["n"] == 20
    assert len(epochs[-1]["class_robust"]) == 2


@pytest.mark.parametrize(
    ("architecture", "objective", "mix", "average"),
    [
        ("residual", "standard", "hard", 0.0),
        ("residual", "adversarial", "hard", 0.9),
        ("aw_net", "adversarial", "hard", 0.0),
        ("aw_net", "adversarial", "soft", 0.0),
        ("aw_net", "adversarial", "random", 0.9),
        ("moe", "adversarial", "hard", 0.9),
    ],
)
def test_resume_after_a_death_anywhere_is_exact(
    architecture: str,
    objective: str,
    mix: str,
    average: float,
    made: Splits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    recipe = tiny(architecture, objective, mix, average)
    if mix == "random":
        recipe = recipe.model_copy(update={"route": recipe.route.model_copy(update={"optimizer": "adam"})})
    whole = Run.create(tmp_path / "whole", recipe)
    finish(whole, made)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)

    class Death(Exception): ...

    broken = Run.create(tmp_path / "broken", recipe)
    for deadly in (1, 3, 7, 9):  # within the first epoch, at its end, in later ones

        def die(event: dict[str, Any], deadly: int = deadly) -> None:
            if event["event"] == "step" and event["step"] == deadly:
                raise Death

        with pytest.raises(Death):
            finish(broken, made, die)
        with open(broken.folder / HISTORY, "a", encoding="utf-8") as torn:
            torn.write('{"event": "st')
    finish(broken, made)
    assert timeless(broken.folder) == timeless(whole.folder)
    a, b = load_file(broken.folder / WEIGHTS), load_file(whole.folder / WEIGHTS)
    assert all(torch.equal(a[k], b[k]) for k in b)


def test_another_seed_is_another_run(made: Splits, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        finish(Run.create(tmp_path / name, tiny().model_copy(update={"seed": seed})), made)
    a, b, c = (timeless(tmp_path / name) for name in "abc")
    assert a == b
    assert a != c


def test_a_stop_saves_and_goes_on(made: Splits, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a", tiny())
    asked = iter([False] * 5)
    assert not finish(run, made, stop=lambda: next(asked, True))
    state = run.load_state()
    assert state is not None
    assert state.facts["step"] == 5
    assert finish(run, made)
    finish(Run.create(tmp_path / "b", tiny()), made)
    assert timeless(run.folder) == timeless(tmp_path / "b")


def test_a_full_disk_leaves_the_last_good_state(made: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(tmp_path / "a", tiny())
    asked = iter([False] * 5)
    finish(run, made, stop=lambda: next(asked, True))
    before = (run.folder / STATE / "state.safetensors").read_bytes()

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        finish(run, made)
    monkeypatch.undo()
    assert (run.folder / STATE / "state.safetensors").read_bytes() == before
    assert not list(run.folder.rglob("*.tmp"))
    assert finish(run, made)
    finish(Run.create(tmp_path / "b", tiny()), made)
    assert timeless(run.folder) == timeless(tmp_path / "b")


def test_the_best_epoch_is_kept_by_held_out_figures(
    made: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "a", tiny())
    scores = iter([0.2, 0.9, 0.5])
    seen: list[torch.Tensor] = []

    def judged(net: Classifier, weights: dict[str, torch.Tensor], *rest: Any) -> dict[str, Any]:
        seen.append(weights["linear.weight"].clone())
        score = next(scores)
        return {"clean": score, "robust": score, "w_robust": score, "n": 20}

    monkeypatch.setattr(loop, "validate", judged)
    finish(run, made)
    assert torch.equal(load_file(run.folder / WEIGHTS)["linear.weight"], seen[1])
    assert kept_earlier([e for e in read_history(run.folder) if e["event"] == "epoch"], run.recipe) == 2


def test_held_out_images_are_not_trained_on(made: Splits, tmp_path: Path) -> None:
    training = Training(Run.create(tmp_path / "a", tiny()), made, device=CPU, on_event=lambda event: None)
    trained = {image.numpy().tobytes() for image in training.images}
    assert len(training.images) == 80
    assert not trained & {image.numpy().tobytes() for image in training.held_out.images}


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a", tiny())
    with run.held(), pytest.raises(UserError, match="another process"), run.held():
        pass
    with run.held():
        pass
    with pytest.raises(UserError, match="already holds a run"):
        Run.create(tmp_path / "a", tiny())


def test_a_loss_that_is_no_number_stops_the_run(made: Splits, tmp_path: Path) -> None:
    training = Training(Run.create(tmp_path / "a", tiny()), made, device=CPU, on_event=lambda event: None)
    with torch.no_grad():
        training.net.linear.bias.fill_(float("nan"))  # type: ignore[union-attr,operator]
    with pytest.raises(UserError, match=r"the loss became nan at step 0; a lower schedule.lr"):
        training.train()


def test_schedules() -> None:
    linear = SchedulePart(lr=1.0, warmup=0.2, shape="linear")
    rates = [learning_rate(linear, step, 100, 10) for step in range(100)]
    assert max(rates) == rates[19] == rates[20] == 1.0
    assert rates[0] == pytest.approx(0.05)
    assert max(learning_rate(linear, step, 7, 7) for step in range(7)) == 1.0  # the rise ends within a step
    assert rates[60] == pytest.approx(0.5)
    steps = SchedulePart(lr=1.0, warmup=0.0, shape="multistep", milestones=(2, 4))
    assert [learning_rate(steps, step, 50, 10) for step in (0, 19, 20, 40)] == pytest.approx([1, 1, 0.1, 0.01])
    cosine = SchedulePart(lr=1.0, warmup=0.0, shape="cosine")
    assert learning_rate(cosine, 50, 100, 10) == pytest.approx(0.5)


@pytest.mark.slow
def test_kill_9_and_resume_on_the_command_line(made: Splits, tmp_path: Path) -> None:
    for i, (image, label) in enumerate(zip(made.train.images, made.train.labels, strict=True)):
        folder = tmp_path / "own" / ("above", "below")[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / f"{i:03}.png")
    recipe = tiny().model_copy(update={"data": tiny().data.model_copy(update={"name": str(tmp_path / "own")})})
    recipe = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"epochs": 400})})
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "robust_core", "train", "r.toml", "--to", "run"]
    path = str(Path(__file__).parents[2])
    process = subprocess.Popen(command, cwd=tmp_path, env=env | {"PYTHONPATH": path}, stdout=subprocess.DEVNULL)
    history = tmp_path / "run" / HISTORY
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (history.exists() and b'"epoch": 3' in history.read_bytes()):
        time.sleep(0.02)
    second = subprocess.run(
        [*command[:3], "resume", "run"], cwd=tmp_path, env=env | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert second.returncode == 2
    assert "another process" in second.stderr
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "card.json").exists()
    # To the end in fewer epochs than that: the last state, then a graceful stop, then the rest of a short run.
    before = Run(tmp_path / "run").load_state()
    assert before is not None
    assert 0 < before.facts["step"] < 400 * 4
    third = subprocess.Popen(
        [*command[:3], "resume", "run"], cwd=tmp_path, env=env | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
    assert third.stdout is not None
    with third.stdout as told_by:
        for line in told_by:
            if line.startswith("epoch"):
                third.send_signal(signal.SIGTERM)
                break
        told = told_by.read()
    assert third.wait() == 3
    assert "go on with: python -m robust_core resume run" in told
    after = Run(tmp_path / "run").load_state()
    assert after is not None
    assert after.facts["step"] > before.facts["step"]
    epochs = [event["epoch"] for event in read_history(tmp_path / "run") if event["event"] == "epoch"]
    assert epochs == list(range(1, len(epochs) + 1))
