"""A zoo of tiny networks, and the app over it, driven without a browser."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from robust_core import data
from robust_core.attacks import AttackSettings
from robust_core.checkpoints import WEIGHTS, Card, Measure, write_card
from robust_core.folders import write_tensors
from robust_core.models import build

ROOT = Path(__file__).parents[2]
PERTURB = "pages/1_Perturb.py"
NETS = {  # name → title, method, architecture, clean and robust of 100
    "standard": ("Standard", "standard", "residual", 90, 2),
    "pgd_at": ("PGD-AT", "adversarial", "residual", 80, 60),
    "aw_net": ("AW-Net", "adversarial", "aw_net", 82, 58),
}


def make_zoo(root: Path, **more: object) -> Path:
    """Three untrained networks with cards whose figures are made up: what the pages show of them is what is tested."""
    images = data.load("fashion_mnist_small").test
    for seed, (name, (title, method, architecture, clean, robust)) in enumerate(NETS.items()):
        folder = root / "fashion_mnist" / name
        folder.mkdir(parents=True)
        options = {"width": 4, "blocks": [1, 1, 1], "stem_stride": 2} | more
        net = build(architecture, in_channels=1, num_classes=10, seed=seed, **options)
        write_tensors(folder / WEIGHTS, net.state_dict())
        pgd = AttackSettings(name="pgd", eps=0.1, steps=20)
        write_card(
            folder,
            Card(
                title=title,
                method=method,
                architecture=architecture,
                options=options,
                image_shape=images.shape,
                class_names=images.class_names,
                data_name=images.name,
                data_fingerprint=images.fingerprint,
                weights_sha256=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
                parameters=sum(p.numel() for p in net.parameters()),
                seed=0,
                train_seconds=1.0,
                device="cpu",
                versions={},
                measures=(_measure(None, clean, images), _measure(pgd, robust, images)),
            ),
        )
    return root


def _measure(attack: AttackSettings | None, correct: int, images: object) -> Measure:
    return Measure(
        attack=attack,
        n=100,
        correct=correct,
        class_n=(10,) * 10,
        class_correct=tuple(correct // 10 + (k < correct % 10) for k in range(10)),
        data_name=images.name,
        data_fingerprint=images.fingerprint,
        seconds=1.0,
    )


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROBUSTLENS_CHECKPOINTS", str(tmp_path / "zoo"))
    monkeypatch.setenv("ROBUSTLENS_RUNS", str(tmp_path / "runs"))
    return make_zoo(tmp_path / "zoo")


@pytest.fixture
def open_page(zoo: Path) -> Callable[..., AppTest]:
    """open_page("pages/1_Perturb.py", model="…") runs the page with that URL and fails on any exception."""

    def open_(page: str = "app.py", **params: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        if page != "app.py":
            app.switch_page(page)
        for key, value in params.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return open_
