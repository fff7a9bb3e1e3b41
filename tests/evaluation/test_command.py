"""`evaluate` on the command line: the table is what the card says, and a mistake is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from robust_core import checkpoints
from robust_core.__main__ import app
from robust_core.attacks import AttackSettings
from robust_core.checkpoints import CARD, Measure
from robust_core.evaluation import command
from robust_core.evaluation.command import budget, doubts_table, table
from robust_core.evaluation.ensemble import Underway
from robust_core.types import ImageSet, UserError
from tests.evaluation.own import checkpoint


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: ImageSet) -> Path:
    monkeypatch.setenv("ROBUSTLENS_CHECKPOINTS", str(tmp_path))
    return checkpoint(tmp_path / "zoo" / "tiny", small.class_names).folder


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_it_prints_what_it_writes(folder: Path) -> None:
    output = said("tiny", "--n", "12", "--plan", "table", "--eps", "8/255", "--seed", "2")
    card = checkpoints.at(folder).card
    assert card is not None
    assert card.evaluation is not None
    assert card.examination is not None
    assert "\n".join(table(card.evaluation, card.class_names)) in output
    assert "written into the card of zoo/tiny; --no-write leaves it" in output
    assert "of 10 classes have no image here" in output
    assert "\nattack 2 of " in output  # no terminal: a line an attack
    assert "\n".join(doubts_table(card.examination)) in output
    assert (card.evaluation.plan, card.evaluation.eps, card.evaluation.seed) == (("table",), 8 / 255, 2)
    assert (card.evaluation.clean.n, card.examination.n) == (12, 12)
    for line in card.evaluation.results:
        assert f"{line.accuracy:.2%}" in output
        assert line.describe() in output
    before = (folder / CARD).read_bytes()
    assert "signs of" not in said("tiny", "--n", "6", "--plan", "table", "--no-doubts", "--no-write")
    assert (folder / CARD).read_bytes() == before
    assert not (folder / "state").exists()


def test_the_budget_is_the_card_s_then_the_recipe_s_then_the_papers(folder: Path) -> None:
    found = checkpoints.at(folder)
    assert found.card is not None
    assert budget(found, found.card) == ("linf", 0.1)
    colour = found.card.model_copy(update={"image_shape": (3, 32, 32)})
    assert budget(found, colour) == ("linf", pytest.approx(8 / 255))
    (folder / "recipe.toml").write_text('[validation]\nattack = { name = "pgd", norm = "l2", eps = 0.5 }\n')
    assert budget(found, colour) == ("l2", 0.5)
    measure = Measure(
        attack=AttackSettings(name="pgd", eps=0.3),
        n=1,
        correct=1,
        class_n=(1,),
        class_correct=(1,),
        data_name="d",
        data_fingerprint="f",
        seconds=1,
    )
    assert budget(found, colour.with_measures([measure])) == ("linf", 0.3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tinny"], "unknown checkpoint 'tinny'"),
        (["tiny", "--plan", "tabel"], "did you mean 'table'"),
        (["tiny", "--n", "2001"], "n must be in [1, 2000]"),
        (["tiny", "--eps", "8"], "did you mean 8/255?"),
        (["tiny", "--plan", "adaptive"], "this network is static"),
        (["tiny", "--device", "tpu"], "this machine has"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], message: str, folder: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)


def test_what_goes_on_says_so_and_ctrl_c_ends_in_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said_, real = [], command._Line.evaluating

    def broken(line: command._Line, now: Underway) -> None:
        real(line, now)
        said_.append(now.attack)
        if now.number == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(command._Line, "evaluating", broken)
    result = CliRunner().invoke(app, ["evaluate", "tiny", "--n", "12", "--plan", "table", "--no-doubts"])
    assert result.exit_code == 130
    assert "stopped; the same command goes on" in result.output
    assert len(set(said_)) == 3
    monkeypatch.setattr(command._Line, "evaluating", real)
    again = said("tiny", "--n", "12", "--plan", "table", "--no-doubts")
    assert "goes on: 3 of 4 attacks were made before" in again
    assert "attack 4 of 4" in again
    assert "attack 1 of 4" not in again
