"""Imports run downhill: each room may import only the rooms listed for it, and the core never imports Streamlit."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORE = ROOT / "robust_core"

ALLOWED: dict[str, set[str]] = {
    "types": set(),
    "registry": {"types"},
    "device": {"types", "registry"},
    "batches": set(),
    "folders": set(),
    "ranks": {"types"},
    "titles": {"types"},
    "names": set(),
    "data": {"types", "registry", "folders"},
    "models": {"types", "registry", "ranks"},
    "frozen": {"types", "models"},
    "routed": {"types"},
    "attacks": {"types", "registry", "batches", "routed"},
    "tallies": set(),
    "cards": {"attacks", "tallies"},
    "checkpoints": {"types", "registry", "folders", "models", "cards"},
    "methods": {"types", "registry", "routed", "ranks", "models", "frozen", "attacks"},
    "training": {
        "types",
        "titles",
        "registry",
        "device",
        "batches",
        "ranks",
        "folders",
        "data",
        "models",
        "frozen",
        "attacks",
        "methods",
        "checkpoints",
    },
    "evaluation": {
        "types",
        "registry",
        "names",
        "device",
        "batches",
        "folders",
        "data",
        "models",
        "frozen",
        "attacks",
        "tallies",
        "cards",
        "checkpoints",
    },
    "explain": {"types", "registry", "batches", "routed", "data", "models", "frozen", "attacks", "checkpoints"},
    "library": {
        "types",
        "titles",
        "registry",
        "batches",
        "folders",
        "data",
        "models",
        "cards",
        "checkpoints",
        "evaluation",
        "methods",
        "training",
    },
    "charts": {"types", "registry", "names", "data", "models", "attacks", "evaluation", "explain", "checkpoints"},
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def test_imports_run_downhill() -> None:
    wrong = []
    for path in sorted(CORE.rglob("*.py")):
        room = room_of(path)
        if room in ("__init__", "__main__"):
            continue
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "robust_core" or len(parts) < 2:
                continue
            if parts[1] != room and parts[1] not in ALLOWED[room]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_every_room_is_known() -> None:
    assert {room_of(p) for p in CORE.rglob("*.py")} - {"__init__", "__main__"} <= ALLOWED.keys()


def test_core_and_charts_do_not_know_the_pages() -> None:
    for path in sorted(CORE.rglob("*.py")):
        tops = {name.split(".")[0] for name in imports(path)}
        assert not tops & {"streamlit", "pages", "app"}, path


def test_nothing_is_unpickled() -> None:
    for path in [*CORE.rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        assert "pickle" not in {name.split(".")[0] for name in imports(path)} if text else True, path
        assert "weights_only=False" not in text, path


def test_files_are_short_enough_to_read() -> None:
    sources = [*CORE.rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py", *(ROOT / "tests").rglob("*.py")]
    assert not {
        str(p.relative_to(ROOT)): n for p in sources if p.exists() and (n := len(p.read_text().splitlines())) > 300
    }
