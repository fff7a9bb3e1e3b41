"""Weights that somebody brings: told whole beforehand, taken whole or not at all."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from robust_core import checkpoints
from robust_core.library import weights
from robust_core.library.weights import Asked
from robust_core.models import build
from robust_core.types import UserError
from tests.library.conftest import tree

OPTIONS = {"width": 4, "blocks": [1, 1, 1], "stem_stride": 2}
ASKED = Asked(architecture="residual", data_name="fashion_mnist_small", options=OPTIONS)


def state(classes: int = 10) -> dict[str, torch.Tensor]:
    return dict(build("residual", in_channels=1, num_classes=classes, seed=1, **OPTIONS).state_dict())


def saved(held: object) -> bytes:
    file = io.BytesIO()
    torch.save(held, file)
    return file.getvalue()


def test_what_fits_is_said_to_fit_and_leaves_nothing(zoo: Path) -> None:
    before = tree(zoo)
    for content, name in ((saved(state()), "net.pth"), (save(state()), "net.safetensors")):
        report = weights.examine(content, name, ASKED)
        assert report.problem is None
        assert (report.channels, report.classes) == (1, 10)
        assert not report.missing + report.unexpected + report.misshaped
    assert tree(zoo) == before


def test_every_key_that_differs_is_listed_and_nothing_is_imported(zoo: Path) -> None:
    held = state()
    keys = [key for key in held if key.endswith("conv1.weight")]
    for key in keys:
        del held[key]
    extra = {f"extra.{i}": torch.zeros(2) for i in range(5)}
    wide = next(key for key in held if key.endswith("conv2.weight"))
    held[wide] = torch.zeros(7, *held[wide].shape[1:])
    content = saved(held | extra)
    before = tree(zoo)
    report = weights.examine(content, "net.pth", ASKED)
    assert set(report.missing) == set(keys)
    assert set(report.unexpected) == set(extra)
    assert len(report.misshaped) == 1
    assert wide in report.misshaped[0]
    assert f"{len(keys) + 6} of its keys differ" in report.problem
    with pytest.raises(UserError, match="does not fit 'residual'"):
        weights.bring(content, "net.pth", ASKED, title="Net")
    assert tree(zoo) == before


def test_an_import_is_a_checkpoint_that_loads_with_its_licence_and_source(zoo: Path) -> None:
    made = weights.bring(saved(state()), "net.pth", ASKED, title="My net", licence="MIT")
    assert made.name == "fashion_mnist_small/my_net"
    assert (made.card.title, made.card.licence, made.card.measures) == ("My net", "MIT", ())
    assert made.card.notes.startswith("Imported from net.pth (SHA-256 ")
    net = checkpoints.load(checkpoints.find("fashion_mnist_small/my_net"))
    for key, tensor in state().items():
        assert torch.equal(net.state_dict()[key], tensor), key
    with pytest.raises(UserError, match="already"):
        weights.bring(saved(state()), "net.pth", ASKED, title="My net")


def test_another_number_of_classes_is_refused_with_both(zoo: Path) -> None:
    content, before = saved(state(classes=100)), tree(zoo)
    report = weights.examine(content, "net.pth", ASKED)
    assert "100 classes" in report.problem
    assert "has 10" in report.problem
    with pytest.raises(UserError, match=r"knows 100 classes .* has 10 "):
        weights.bring(content, "net.pth", ASKED, title="Net")
    assert tree(zoo) == before


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_a_pickle_with_code_is_refused_with_the_reason_and_not_run(zoo: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (saved({"conv1.weight": Evil()}), pickle.dumps({"a": Evil()})):
        with pytest.raises(UserError, match="it would run code|cannot be read") as caught:
            weights.examine(content, "net.pth", ASKED)
        assert "not a plain state dict" in str(caught.value)
    with pytest.raises(UserError, match="mkdir"):
        weights.examine(saved({"a": Evil()}), "net.pth", ASKED)
    assert not (tmp_path / "pwned").exists()


def test_files_made_to_fill_the_memory_are_refused(zoo: Path) -> None:
    vast = torch.zeros(1).expand(10**6, 10**6)
    with pytest.raises(UserError, match="no dense tensor of floats under conv1"):
        weights.examine(saved({"conv1.weight": vast}), "net.pth", ASKED)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as held:
        held.writestr("archive/data.pkl", bytes(8 * 2**20))
    with pytest.raises(UserError, match="far more than it holds"):
        weights.examine(packed.getvalue(), "net.pth", ASKED)
    monstrous = Asked(architecture="residual", data_name="cifar10", options={"blocks": [10**7]})
    with pytest.raises(UserError, match="beyond what is taken"):
        weights.examine(saved(state()), "net.pth", monstrous)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"PK\3\4", save({"a": torch.zeros(2)})[:20]])
@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_nonsense_is_a_sentence(zoo: Path, content: bytes, name: str) -> None:
    with pytest.raises(UserError) as caught:
        weights.examine(content, name, ASKED)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["net.exe", "net", "../../net.txt"])
def test_only_files_of_tensors_are_looked_at(zoo: Path, name: str) -> None:
    with pytest.raises(UserError, match="weights come as .safetensors, .pth, .pt"):
        weights.examine(b"", name, ASKED)


def test_a_hostile_file_name_stays_in_its_folder(zoo: Path, tmp_path: Path) -> None:
    made = weights.bring(saved(state()), "../../../évil name$.pth", ASKED, title="Net")
    assert "évil_name_.pth" in made.card.notes
    assert not list(tmp_path.glob("*.pth"))


def test_options_are_read_as_they_are_typed() -> None:
    assert weights.parse_options(" depth=28, widen = 10\nshortcut=A") == {"depth": 28, "widen": 10, "shortcut": "A"}
    assert weights.parse_options("blocks=[1, 1, 1], width=4") == {"blocks": [1, 1, 1], "width": 4}
    assert weights.parse_options("") == {}
    with pytest.raises(UserError):
        weights.parse_options("nonsense")


def test_normalisation_changes_what_the_network_computes(zoo: Path) -> None:
    asked = Asked(architecture="residual", data_name="fashion_mnist_small", options=OPTIONS, normalize=([0.3], [0.4]))
    plain = weights.bring(saved(state()), "a.pth", ASKED, title="Plain")
    shifted = weights.bring(saved(state()), "a.pth", asked, title="Shifted")
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = checkpoints.load(plain)((x - 0.3) / 0.4)
        torch.testing.assert_close(checkpoints.load(shifted)(x), expected, rtol=1e-4, atol=1e-5)


def test_read_only_imports_nothing(zoo: Path, monkeypatch) -> None:
    monkeypatch.setenv("ROBUSTLENS_LIBRARY", "read-only")
    with pytest.raises(UserError, match="read-only"):
        weights.bring(saved(state()), "a.pth", ASKED, title="Net")


def test_hostile_files_and_options_are_a_sentence(zoo: Path) -> None:
    eighths = {key: tensor.to(torch.float8_e4m3fn) for key, tensor in state().items() if tensor.is_floating_point()}
    with pytest.raises(UserError, match="no dense tensor of floats"):
        weights.examine(save(eighths), "net.safetensors", ASKED)
    for key, value in (("num_classes", 3), ("in_channels", 1), ("seed", 1), ("name", "moe")):
        asked = Asked(architecture="residual", data_name="fashion_mnist_small", options=OPTIONS | {key: value})
        with pytest.raises(UserError, match=f"{key} cannot be an option"):
            weights.examine(saved(state()), "net.pth", asked)


def test_an_ending_in_capitals_is_the_same_ending(zoo: Path) -> None:
    assert weights.examine(save(state()), "X.SAFETENSORS", ASKED).problem is None
    with pytest.raises(UserError, match="not a .safetensors file"):
        weights.examine(saved(state()), "X.SAFETENSORS", ASKED)
