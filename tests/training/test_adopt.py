"""A released state dict becomes a checkpoint that loads to the same network, by command as the README says it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from robust_core import checkpoints, data
from robust_core.__main__ import app, main
from robust_core.training.adopt import adopt, parse_normalisation
from robust_core.types import UserError
from tests.models import papers
from tests.models.papers import with_history

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
SMALL = {"width": 8, "blocks": [1, 1]}
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616]


@pytest.fixture
def net(tmp_path: Path) -> tuple[papers.ResNet, Path]:
    made = with_history(papers.ResNet(8, (1, 1)))
    torch.save({"net": made.state_dict(), "acc": 90.1}, tmp_path / "theirs.pth")
    return made, tmp_path / "theirs.pth"


def test_the_checkpoint_is_the_network(net: tuple[papers.ResNet, Path], tmp_path: Path) -> None:
    theirs, path = net
    made = adopt(
        path,
        tmp_path / "zoo" / "cifar10" / "theirs",
        architecture="resnet18",
        data_name="cifar10",
        normalize=(MEAN, STD),
        options=SMALL,
    )
    assert {p.name for p in made.folder.iterdir()} == {"weights.safetensors", "card.json"}
    (found,) = checkpoints.find_all(tmp_path / "zoo")
    assert found.name == "cifar10/theirs"
    assert found.problem is None
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = papers.Behind(theirs, MEAN, STD)(x)
    torch.testing.assert_close(checkpoints.load(found)(x), expected, rtol=1e-5, atol=1e-5)
    card = found.card
    assert card is not None
    assert (card.title, card.method, card.architecture) == ("theirs", "imported", "resnet18")
    assert card.image_shape == (3, 32, 32)
    assert card.class_names == data.DATASETS["cifar10"].class_names
    assert card.parameters == sum(p.numel() for p in theirs.parameters())
    assert not card.measures
    assert "theirs.pth (SHA-256 " in card.notes


def test_the_readme_s_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    theirs = with_history(papers.ResNet(64, (2, 2, 2, 2)))
    torch.save(theirs.state_dict(), "resnet18.pth")
    (line,) = re.findall(r"`python -m (robust_core import [^`]*)`", README)
    result = CliRunner().invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "resnet18, 11,173,962 parameters" in result.output
    found = checkpoints.at(Path("checkpoints/cifar10/theirs"))
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = papers.Behind(theirs, MEAN, STD)(x)
    torch.testing.assert_close(checkpoints.load(found)(x), expected, rtol=1e-5, atol=1e-5)


def test_the_command_s_options_reach_the_card(
    net: tuple[papers.ResNet, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROBUSTLENS_CHECKPOINTS", str(tmp_path / "zoo"))
    line = ["import", str(net[1]), "--architecture", "resnet18", "--data", "cifar10", "--title", "B-MTARD", "--method"]
    result = CliRunner().invoke(app, [*line, "mtard", "--set", "width=8", "--set", "blocks=[1, 1]"])
    assert result.exit_code == 0, (result.output, result.exception)
    card = checkpoints.find("cifar10/theirs").card
    assert card is not None
    assert (card.title, card.method, card.options) == ("B-MTARD", "mtard", SMALL)
    assert "cifar10/theirs" in CliRunner().invoke(app, ["list"]).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "fashion_mnist"], "knows 10 classes of images of 3 channels; fashion_mnist has 10 of 1"),
        (["--data", "cifar"], "did you mean 'cifar10'"),
        (["--mean", "0.5,0.5,0.5"], "needs both mean and std"),
        (["--mean", "a", "--std", "b"], "one number a channel"),
        (["--architecture", "resnet81"], "did you mean 'resnet18'"),
        (["--set", "widht=8"], "did you mean 'width'"),
        (["--to", "used"], "used is there already"),
        (["--architecture", "mobilenet_v2"], "theirs.pth does not fit 'mobilenet_v2'"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_folder(
    arguments: list[str],
    message: str,
    net: tuple[papers.ResNet, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "card.json").write_text("mine")
    small = [] if "mobilenet_v2" in arguments else ["--set", "width=8", "--set", "blocks=[1,1]"]
    line = [
        "import",
        "theirs.pth",
        "--architecture",
        "resnet18",
        "--data",
        "cifar10",
        "--to",
        "new",
        *small,
        *arguments,
    ]
    monkeypatch.setattr("sys.argv", ["robust_core", *line])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert message in told
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "used" / "card.json").read_text() == "mine"


def test_a_data_set_of_one_s_own(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(5):
            Image.new("RGB", (16, 16), (i, 2 * i, 50)).save(tmp_path / "own" / name / f"{i}.png")
    torch.save(papers.ResNet(8, (1, 1), classes=2).state_dict(), tmp_path / "pets.pth")
    made = adopt(
        tmp_path / "pets.pth",
        tmp_path / "pets",
        architecture="resnet18",
        data_name=str(tmp_path / "own"),
        options=SMALL,
    )
    assert made.card is not None
    assert made.card.class_names == ("cat", "dog")
    assert made.card.image_shape == (3, 16, 16)
    assert checkpoints.load(made).num_classes == 2


def test_normalisation_as_text() -> None:
    assert parse_normalisation("", "") is None
    assert parse_normalisation("0.5, 0.25", "1,0.5") == ([0.5, 0.25], [1.0, 0.5])
    with pytest.raises(UserError, match="both"):
        parse_normalisation("", "0.5")
