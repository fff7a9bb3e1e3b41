"""The README tells the truth: its commands run, its files exist, its figures are those of the cards."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from robust_core import checkpoints
from robust_core.__main__ import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.S)
COMMANDS = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
OURS = [line for line in COMMANDS if line.startswith("python -m robust_core")]
ELSEWHERE = {
    "pip install -r requirements.txt && streamlit run app.py": "the browser tests start the app",
    "pip install -r requirements-dev.txt && pytest": ".ci/run",
    **{f"python {path.relative_to(ROOT)}": "figures, not tests" for path in (ROOT / "benchmarks").glob("*.py")},
}


def test_every_command_is_run_somewhere() -> None:
    assert len(OURS) >= 5
    for line in COMMANDS:
        assert line in OURS or line in ELSEWHERE, line


@pytest.mark.slow
@pytest.mark.parametrize("line", OURS)
def test_commands_run(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ROBUSTLENS_RUNS", str(tmp_path))
    arguments = [str(tmp_path / a) if a.endswith(".npz") else a for a in shlex.split(line)[3:]]
    if arguments[0] == "train":
        arguments += ["--set", "epochs=1", "--set", "data.holdout=9500"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.output.strip()


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, flags=re.S))
def test_python_runs(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("\n") >= 2


def test_files_it_names_are_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_figures_are_those_of_the_cards() -> None:
    rows = re.findall(r"^\| `([a-z_0-9]+/[a-z_0-9]+)` \|(.*)\|$", README, flags=re.M)
    shipped = checkpoints.find_all(checkpoints.zoo_folder())
    assert {name for name, _ in rows} == {c.name for c in shipped if c.problem is None}
    for name, cells in rows:
        card = checkpoints.find(name).card
        assert card is not None
        assert card.clean is not None
        assert card.robust is not None
        for figure in (card.clean.accuracy, card.robust.accuracy, card.robust.worst_class):
            assert f"{figure:.1%}" in cells, (name, figure)
        tried = [e for e in card.evaluations if e.clean.n == 1000 and "autoattack" in e.groups]
        worst = min((e.worst.accuracy for e in tried), default=None)
        assert cells.split(" | ")[-2] == ("–" if worst is None else f"{worst:.1%}"), name
