"""A shelf of its own for each test: the tiny zoo, an empty cache, an empty runs folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.conftest import animals, encode, noise, pack, server  # noqa: F401
from tests.pages.conftest import make_zoo


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable, name in (("CHECKPOINTS", "zoo"), ("CACHE", "cache"), ("RUNS", "runs")):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"ROBUSTLENS_{variable}", str(tmp_path / name))
    monkeypatch.delenv("ROBUSTLENS_LIBRARY", raising=False)
    return make_zoo(tmp_path / "zoo")


def tree(root: Path) -> set[str]:
    """Every file below a folder, the keepers' own locks left out."""
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and p.name != ".lock"}
