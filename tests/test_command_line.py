"""The command line: what it prints is what the core computes, and a mistake is one sentence, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from robust_core import __main__ as command_line
from robust_core import checkpoints, data
from robust_core.__main__ import app, main
from robust_core.attacks import AttackSettings, run
from robust_core.evaluation.accuracy import measure
from robust_core.evaluation.stored import held
from robust_core.frozen import frozen
from robust_core.types import ImageSet, UserError
from tests.test_checkpoints import make

RECIPE = """
title = "tiny"
data = { name = "fashion_mnist_small", holdout = 9800 }
model = { architecture = "residual", options = { width = 4, blocks = [1], stem_stride = 2 } }
schedule = { epochs = 2, batch_size = 50 }
validation = { attack = { name = "fgsm", eps = 0.1 } }
"""


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROBUSTLENS_CHECKPOINTS", str(tmp_path / "zoo"))
    make(tmp_path / "zoo" / "made" / "tiny", class_names=data.load("fashion_mnist_small").test.class_names)
    return tmp_path


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_train_list_measure(zoo: Path) -> None:
    (zoo / "r.toml").write_text(RECIPE)
    folder = zoo / "zoo" / "made" / "trained"
    output = said("train", str(zoo / "r.toml"), "--to", str(folder), "--set", "epochs=1")
    assert "of 2000 test images" in output
    rows = {row["name"]: row for row in json.loads(said("list", "--json"))}
    assert rows.keys() == {"made/tiny", "made/trained"}
    row = rows["made/trained"]
    assert row["n"] == 2000
    assert row["attack"].startswith("PGD-20, L∞, ε = 0.1")
    assert 0 <= row["robust"] <= row["clean"] <= 1
    assert f"{row['clean']:.2%}" in said("list")
    assert "not measured" in said("list")
    assert not (folder / "state").exists()
    assert {p.name for p in folder.iterdir()} == {"recipe.toml", "history.jsonl", "weights.safetensors", "card.json"}
    before = (folder / "card.json").read_bytes()
    again = said("measure", "made/trained", "--n", "50", "--eps", "0.3", "--no-write")
    card = checkpoints.find("made/trained").card
    assert card is not None
    net, test = checkpoints.load(checkpoints.find("made/trained")), data.load("fashion_mnist_small").test
    now = measure(net, test, AttackSettings(name="pgd", eps=0.3, steps=20), n=50)
    assert f"robust: the card says {row['robust']:.2%} of 2000 images" in again
    assert f"; now {now.accuracy:.2%} of 50 images" in again
    assert "ε = 0.3" in again
    assert (folder / "card.json").read_bytes() == before


def test_attack_prints_and_writes_what_the_core_computes(zoo: Path, small: ImageSet) -> None:
    out = zoo / "x.npz"
    output = said(
        "attack", "made/tiny", "--index", "3", "--eps", "8/255", "--steps", "5", "--seed", "7", "--out", str(out)
    )
    net = frozen(checkpoints.load(checkpoints.find("made/tiny")))
    settings = AttackSettings(name="pgd", eps=8 / 255, steps=5, seed=7)
    x_adv = run(settings, net, small.floats([3]), small.labels[[3]])
    with np.load(out, allow_pickle=False) as stored:
        assert np.array_equal(stored["x_adv"], x_adv.numpy())
        assert np.array_equal(stored["x"], small.floats([3]).numpy())
        assert AttackSettings(**json.loads(str(stored["settings"]))) == settings
    p, k = net(x_adv).softmax(dim=1).max(dim=1)
    assert f"adversarial: {small.class_names[int(k)]} ({float(p):.4f})" in output
    assert settings.describe() in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["attack", "tinny"], "unknown checkpoint 'tinny'"),
        (["attack", "tiny", "--name", "pdg"], "did you mean 'pgd'"),
        (["attack", "tiny", "--eps", "8"], "did you mean 8/255?"),
        (["attack", "tiny", "--index", "-1"], "index must be in [0, 2000)"),
        (["attack", "tiny", "--target", "10"], "target"),
        (["measure", "tiny", "--n", "0", "--no-write"], "n must be in [1, 2000]"),
        (["train", "nowhere.toml"], "cannot read the recipe nowhere.toml"),
        (["train", "r.toml", "--set", "epoch=1"], "did you mean"),
        (["train", "r.toml", "--set", "momentum=0.5"], "ambiguous: attack.momentum, schedule.momentum"),
        (["train", "r.toml", "--device", "tpu"], "this machine has"),
        (["attack", "tiny", "--out", "nowhere/x.npz"], "No such file"),
        (["attack", "tiny", "--set", "kapa=1"], "unknown setting of an attack 'kapa'"),
        (["resume", "nowhere"], "is not a run"),
        (["list", "--device", "tpu"], None),
        (["attack", "tiny", "--device", "tpu"], "this machine has"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str],
    message: str | None,
    zoo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(zoo)
    Path("r.toml").write_text(RECIPE)
    monkeypatch.setattr("sys.argv", ["robust_core", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    if message is not None:
        assert told.startswith("error: ")
        assert message in told


def test_a_refused_training_leaves_no_folder(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(zoo)
    Path("r.toml").write_text(RECIPE.replace('title = "tiny"', 'title = "tiny"\nobjective = { name = "rslad" }'))
    result = CliRunner().invoke(app, ["train", "r.toml", "--to", "run"])
    assert "needs a robust teacher" in str(result.exception)
    assert not Path("run").exists()


def test_images_of_another_task_are_refused(zoo: Path) -> None:
    for name in ("dark", "bright"):
        (zoo / "own" / name).mkdir(parents=True)
        for i in range(5):
            Image.new("L", (28, 28), 40 * i).save(zoo / "own" / name / f"{i}.png")
    for command in (["measure", "tiny", "--no-write"], ["attack", "tiny"]):
        result = CliRunner().invoke(app, [*command, "--data", str(zoo / "own")])
        assert "or classes of other names" in str(result.exception)


def test_a_card_s_recipe_is_not_needed_to_measure(zoo: Path) -> None:
    """A checkpoint that came as weights and card alone is measured at the default ε unless told otherwise."""
    output = said("measure", "made/tiny", "--n", "20", "--eps", "0.2", "--no-write")
    assert "ε = 0.2" in output


def test_measuring_keeps_what_others_wrote_and_waits_for_them(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = checkpoints.find("made/tiny")
    real = command_line.measure

    def beside(*args: object, **how: object) -> object:
        """Somebody changes the card while it is measured."""
        now = checkpoints.find("made/tiny").card
        checkpoints.write_card(found.folder, now.model_copy(update={"notes": "meanwhile"}))
        return real(*args, **how)

    monkeypatch.setattr(command_line, "measure", beside)
    said("measure", "made/tiny", "--n", "20", "--eps", "0.2")
    card = checkpoints.find("made/tiny").card
    assert card is not None
    assert card.notes == "meanwhile"
    assert any(m.n == 20 and m.attack and m.attack.eps == 0.2 for m in card.measures)
    with held(found), pytest.raises(UserError, match="being evaluated by another process"):
        CliRunner().invoke(app, ["measure", "made/tiny", "--n", "20"], catch_exceptions=False)
