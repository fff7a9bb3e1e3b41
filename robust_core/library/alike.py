"""Were two networks trained alike? What their recipes differ in beyond what is being compared."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from robust_core.checkpoints import RECIPE
from robust_core.evaluation.scores import Listed
from robust_core.methods import OBJECTIVES, class_of
from robust_core.registry import options
from robust_core.training.recipe import filled

ALIKE = ("seed", "data", "attack", "schedule", "validation", "precision")  # parts that two recipes are to share
LONGEST = 40  # characters of a recipe's value
LARGEST = 1_000_000  # bytes of a recipe


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], *, routed: bool = False) -> tuple[str, ...]:
    """Where two flat recipes differ beyond the method, a phrase each; routed: beyond the router of the one."""
    if not ours or not theirs:
        return ("a recipe is missing: how it was trained is not known",)
    apart = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    told = [key for key in sorted(apart) if _counts(key, ours, theirs, routed)]
    return tuple(f"{key}: {_short(ours.get(key))} against {_short(theirs.get(key))}" for key in told)


def _counts(key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], routed: bool) -> bool:
    part = key.split(".")[0]
    if routed:  # the static twin has no route, and learns the same from the same
        return part in (*ALIKE, "objective", "teachers")
    if part == "teachers":  # one that only the one has is what the methods differ in
        return bool(ours.get(key) and theirs.get(key))
    if key.startswith("objective.options."):
        return _given_alike(key.rpartition(".")[2], ours, theirs)
    return part in (*ALIKE, "route")


def _given_alike(option: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Is it an option that both methods have, alike unless told otherwise, and of use in both?

    The others are what the methods differ in: temperatures are ABSLD's, and so is the rate at which they move.
    """
    own, other = (_preset(names["objective.name"]).get(option) for names in (ours, theirs))
    lever = class_of(ours["objective.name"]).rate_of.get(option)
    of_use = lever is None or all(names.get(f"objective.options.{lever}") for names in (ours, theirs))
    return of_use and own is not None and other is not None and own.default == other.default


@lru_cache(maxsize=64)
def _preset(method: str) -> Mapping[str, Any]:
    return options(OBJECTIVES[method])


def _short(value: object) -> str:
    text = Path(value).name if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def flat_recipe(one: Listed) -> dict[str, Any]:
    """How it was trained: dotted keys and values, all defaults filled in; empty where that is not known."""
    recipe = _recipe_of(one)
    if not recipe:
        return {}
    flat = dict(_dotted(recipe))
    given = flat.pop("objective.options", None)
    usual = {name: parameter.default for name, parameter in _preset(flat["objective.name"]).items()}
    return flat | {f"objective.options.{name}": value for name, value in (usual | dict(given or {})).items()}


def _dotted(part: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in part.items():
        if isinstance(value, dict) and key != "options":
            yield from _dotted(value, f"{before}{key}.")
        else:
            yield before + key, value


def _recipe_of(one: Listed) -> Mapping[str, Any]:
    """How it was trained, as the recipe in its folder says, with its defaults; empty where none can be read."""
    path = one.checkpoint.folder / RECIPE
    try:
        stat = path.stat()
    except OSError:
        return {}
    return _read(path, stat.st_size, stat.st_mtime_ns) if stat.st_size <= LARGEST else {}


@lru_cache(maxsize=1024)
def _read(path: Path, _size: int, _mtime_ns: int) -> Mapping[str, Any]:
    try:
        recipe = filled(tomllib.loads(path.read_text(encoding="utf-8")))
        known = recipe["objective"]["name"] in OBJECTIVES.names() and isinstance(recipe["objective"]["options"], dict)
        return recipe if known else {}
    except (OSError, ValueError, TypeError, RecursionError):  # RecursionError: nested to break whoever reads it
        return {}
