"""Released state dicts import to the same logits; what is no state dict, or another network's, is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robust_core.models.released import import_released
from robust_core.types import UserError
from tests.models import papers
from tests.models.papers import with_history

SMALL = {"width": 8, "blocks": [1, 1]}
RESNET = partial(papers.ResNet, 8, (1, 1))


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def saved(tmp_path: Path, content: Any, name: str = "net.pth", **how: Any) -> Path:
    torch.save(content, tmp_path / name, **how)
    return tmp_path / name


def same(path: Path, architecture: str, theirs: nn.Module, x: torch.Tensor, **how: Any) -> dict[str, Any]:
    """Imports, compares the logits, and hands back the options it found."""
    released = import_released(path, architecture, **how)
    assert not released.net.training
    assert not any(p.requires_grad for p in released.net.parameters())
    expected = theirs(x)
    assert expected.std() > 0.05
    torch.testing.assert_close(released.net(x), expected, rtol=1e-5, atol=1e-5)
    return released.options


@pytest.mark.parametrize(
    ("name", "paper", "given", "found"),
    [
        ("resnet18", partial(papers.ResNet, 64, (2, 2, 2, 2)), {}, {}),
        ("resnet56", partial(papers.ResNet, 16, (9, 9, 9), side="padded"), {}, {"shortcut": "A"}),
        ("resnet56", partial(papers.ResNet, 16, (9, 9, 9), side="shortcut"), {}, {}),
        ("resnet56", partial(papers.ResNet, 16, (9, 9, 9), 100, "downsample", "fc"), {}, {}),
        ("preact_resnet18", partial(papers.PreActResNet, 16, (2, 2, 2, 2)), {"width": 16}, {"width": 16}),
        ("preact_resnet18", partial(papers.PreActResNet, 8, (1, 1), True), SMALL, {**SMALL, "final_norm": True}),
        ("preact_resnet18", partial(papers.PreActResNet, 8, (1, 1), reads_input=True),
         {**SMALL, "shortcut_from": "input"}, {**SMALL, "shortcut_from": "input"}),
        ("mobilenet_v2", papers.MobileNetV2, {}, {}),
        ("wrn_34_10", partial(papers.WideResNet, 16, 2, True), {"depth": 16, "widen_factor": 2},
         {"depth": 16, "widen_factor": 2}),
        ("wrn_34_10", partial(papers.WideResNet, 34, 1), {"widen_factor": 1}, {"widen_factor": 1}),
    ],
)  # fmt: skip
def test_same_logits_as_the_network_it_came_from(
    name: str,
    paper: Callable[[], nn.Module],
    given: dict[str, Any],
    found: dict[str, Any],
    tmp_path: Path,
    pictures: torch.Tensor,
) -> None:
    theirs = with_history(paper())
    path = saved(tmp_path, theirs.state_dict())
    assert same(path, name, theirs, pictures, options=given) == found


def test_what_cannot_be_told_or_is_left_out_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path, papers.PreActResNet(8, (1, 1)).state_dict())
    assert "shortcut_from=input" in str(import_released(path, "preact_resnet18", options=SMALL).notes)
    path = saved(tmp_path, papers.WideResNet(10, 1, True).state_dict())
    options = {"depth": 10, "widen_factor": 1}
    assert "sub_block1" in str(import_released(path, "wrn_34_10", options=options).notes)
    assert not import_released(saved(tmp_path, RESNET().state_dict()), "resnet18", options=SMALL).notes


def prefixed(prefix: str) -> Callable[[dict[str, torch.Tensor]], Any]:
    return lambda state: {prefix + key: value for key, value in state.items()}


WRAPPED: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "model": lambda state: {"model": state, "optimizer": {"state": {}, "lr": 0.1}},
    "state_dict": lambda state: {"epoch": 299, "arch": "resnet18", "state_dict": state},
    "net, acc, epoch": lambda state: {"net": state, "acc": 84.2, "epoch": 3},
    "both": lambda state: {"model": {"state_dict": prefixed("module.")(state)}},
    "module.": prefixed("module."),
    "module.model.": prefixed("module.model."),
    "model.module.": prefixed("model.module."),
    "an attack's basic_net.": prefixed("module.basic_net."),
    "no counters": lambda state: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
    "double": lambda state: {k: v.double() for k, v in state.items()},
    "another order": lambda state: dict(sorted(state.items(), reverse=True)),
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_wrappers_and_prefixes_are_looked_through(wrapper: str, tmp_path: Path, pictures: torch.Tensor) -> None:
    theirs = with_history(RESNET())
    path = saved(tmp_path, WRAPPED[wrapper](dict(theirs.state_dict())))
    same(path, "resnet18", theirs, pictures, options=SMALL)


def test_old_files_and_safetensors_are_read(tmp_path: Path, pictures: torch.Tensor) -> None:
    theirs = with_history(RESNET())
    old = saved(tmp_path, theirs.state_dict(), _use_new_zipfile_serialization=False)
    same(old, "resnet18", theirs, pictures, options=SMALL)
    save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    same(tmp_path / "net.safetensors", "resnet18", theirs, pictures, options=SMALL)


def test_classes_and_channels_are_read_off(tmp_path: Path) -> None:
    path = saved(tmp_path, RESNET(classes=7).state_dict())
    assert import_released(path, "resnet18", options=SMALL).net.num_classes == 7
    with pytest.raises(UserError, match="7 classes, and 10 are asked for"):
        import_released(path, "resnet18", num_classes=10, options=SMALL)
    grey = dict(RESNET().state_dict())
    grey["conv1.weight"] = grey["conv1.weight"][:, :1]
    assert import_released(saved(tmp_path, grey), "resnet18", options=SMALL).net.in_channels == 1


MEAN, STD = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]


def test_normalisation_is_asked_for_or_stored(tmp_path: Path, pictures: torch.Tensor) -> None:
    theirs = with_history(RESNET())
    behind = papers.Behind(theirs, MEAN, STD).eval()
    bare = saved(tmp_path, theirs.state_dict(), "bare.pth")
    with pytest.raises(UserError, match="not among the architecture's options"):
        import_released(bare, "resnet18", options={"mean": 0.5})
    found = same(bare, "resnet18", behind, pictures, normalize=(MEAN, STD), options=SMALL)
    assert found == {**SMALL, "mean": MEAN, "std": STD}
    stored = saved(tmp_path, behind.state_dict())
    found = same(stored, "resnet18", behind, pictures, options=SMALL)
    assert found["mean"] == pytest.approx(MEAN)
    same(stored, "resnet18", behind, pictures, normalize=(MEAN, STD), options=SMALL)
    sequence = {f"1.{k}": v for k, v in theirs.state_dict().items()} | {
        "0.mu": torch.tensor(MEAN), "0.sigma": torch.tensor(STD)
    }  # fmt: skip
    same(saved(tmp_path, sequence), "resnet18", behind, pictures, options=SMALL)
    assert not torch.allclose(theirs(pictures), behind(pictures), rtol=0.01)


@pytest.mark.parametrize(
    ("layer", "given", "message"),
    [
        ({"normalize.mean": MEAN, "normalize.std": STD}, ([0.5] * 3, STD), r"stores mean \(0.49, 0.48, 0.45\)"),
        ({"normalize.mean": MEAN}, None, "normalize.std is missing"),
        ({"normalize.mean": MEAN, "normalize.std": STD, "teacher.mean": MEAN}, None, "there is more than one"),
        ({"normalize.mean": [125.0] * 3, "normalize.std": [63.0] * 3}, None, "divide it by 255"),
        ({"normalize.shift": MEAN}, None, "unexpected normalize.shift"),
        ({}, ([0.5], [0.5]), "mean must be 3 numbers"),
        ({}, ([0.5] * 3, [0.0] * 3), "not of images"),
    ],
)
def test_a_normalisation_that_cannot_be_honoured_is_refused_by_name(
    layer: dict[str, list[float]], given: Any, message: str, tmp_path: Path
) -> None:
    state = dict(RESNET().state_dict()) | {key: torch.tensor(value) for key, value in layer.items()}
    with pytest.raises(UserError, match=message):
        import_released(saved(tmp_path, state), "resnet18", normalize=given, options=SMALL)


def changed(**changes: Any) -> dict[str, Any]:
    state = dict(RESNET().state_dict())
    for key, value in changes.items():
        key = key.replace("__", ".")
        if value is None:
            del state[key]
        else:
            state[key] = value
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (changed(layer1__0__bn2__bias=None), r"does not fit 'resnet18': missing layer1.0.bn2.bias$"),
        (changed(extra=torch.zeros(2)), r"unexpected extra$"),
        (changed(bn1__weight=torch.ones(9)), r"mis-shaped bn1.weight \(9,\) for \(8,\)"),
        (changed(bn1__weight=torch.full((8,), torch.nan)), "bn1.weight hold numbers that are not finite"),
        (changed(bn1__weight=torch.ones(8, dtype=torch.int64)), "no dense tensor of floats under bn1.weight"),
        (changed(conv1__weight="text"), "no dense tensor of floats under conv1.weight"),
        (changed(module__conv1__weight=torch.zeros(8, 3, 3, 3)), "holds several networks: conv1.weight"),
        (changed(fc__weight=torch.zeros(10, 16)), "unexpected fc.weight"),
        ({"epoch": 3, "best": 0.9}, "holds no state dict; its keys are: epoch, best"),
        ({"model": {}}, "its keys are: none"),
        ([torch.zeros(2)], "holds no state dict but a list"),
        (torch.zeros(2), "holds no state dict but a Tensor"),
    ],
)
def test_a_dict_that_does_not_fit_is_refused_with_what_is_wrong(state: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        import_released(saved(tmp_path, state), "resnet18", options=SMALL)


def test_the_nearest_architecture_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, papers.ResNet(16, (9, 9, 9), side="padded").state_dict())
    with pytest.raises(UserError, match=r"does not fit 'mobilenet_v2'.*unexpected .*; it fits 'resnet56'$"):
        import_released(path, "mobilenet_v2")
    path = saved(tmp_path, papers.ResNet(16, (9, 9, 8)).state_dict())
    with pytest.raises(UserError, match=r"; the nearest is 'resnet56' \(10 keys differ\)$"):
        import_released(path, "resnet18")
    with pytest.raises(UserError, match="did you mean 'resnet18'"):
        import_released(path, "resnet8")


class Tripwire:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_unpickled(zipped: bool, tmp_path: Path) -> None:
    tripped = tmp_path / "tripped"
    state = {**RESNET().state_dict(), "bomb": Tripwire(tripped)}
    path = saved(tmp_path, state, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"net.pth is not a plain state dict: it would run code \(\w+") as caught:
        import_released(path, "resnet18", options=SMALL)
    assert "\n" not in str(caught.value)
    assert not tripped.exists()
    torch.load(path, weights_only=False)
    assert tripped.exists()  # or the wire was never stretched


def test_files_that_are_none_are_refused_in_one_sentence(tmp_path: Path) -> None:
    saved(tmp_path, RESNET(), "whole_module.pth")
    (tmp_path / "text.pth").write_text("not a network")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "torn.pth").write_bytes((tmp_path / "whole_module.pth").read_bytes()[:2000])
    (tmp_path / "text.safetensors").write_text("not a network")
    (tmp_path / "folder.pth").mkdir()
    for name in ("whole_module", "text", "empty", "torn", "folder", "missing", "text.safetensors"):
        path = tmp_path / (name if "." in name else f"{name}.pth")
        with pytest.raises(UserError) as caught:
            import_released(path, "resnet18")
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)
