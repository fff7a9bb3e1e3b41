"""Which image belongs to which class and to which half, told from its path alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from robust_core.types import UserError

SPLIT_SEED = 0
TEST_SHARE = 0.2
_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")  # the first of these that is there is the test half


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Image files in the order they get in the image sets: `n_train` of the training half, then the test half."""

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    n_train: int
    skipped: tuple[str, ...]


def find_layout(paths: Sequence[str], *, name: str) -> Layout:
    """Reads `[top/]class/.../image` or `[top/]train|test/class/.../image` from paths with "/" between parts.

    Where nothing tells the halves apart, a fifth of each class (rounded, at least one image where there are two) is
    the test half, drawn with seed 0. Each half is in a random order, drawn with seed 0 from the sorted paths, so that
    its first n images are a sample of it. Raises UserError where there are no images, or of one class only.
    """
    skipped = [f"{path}: not in a class's folder" for path in paths if "/" not in path]
    files = [tuple(path.split("/")) for path in sorted(paths) if "/" in path]
    if not files:
        raise UserError(f"{name}: no images found; put them into one sub-folder a class")
    strip = _wrapping(files)
    halves = _halves({parts[strip] for parts in files if len(parts) > strip + 2})
    chosen: list[tuple[str, str, bool]] = []  # path, class, test?
    for parts in files:
        path, rest = "/".join(parts), parts[strip:]
        if not halves:
            chosen.append((path, rest[0], False))
        elif rest[0] in halves and len(rest) > 2:
            chosen.append((path, rest[1], halves[rest[0]]))
        else:
            skipped.append(f"{path}: neither in the training nor in the test folder of a class")
    return _arrange(chosen, bool(halves), skipped, name)


def _wrapping(files: Sequence[tuple[str, ...]]) -> int:
    """How many folders at the top hold everything and are no class."""
    strip = 0
    while len({parts[strip] for parts in files}) == 1 and all(len(parts) > strip + 2 for parts in files):
        strip += 1
    return strip


def _halves(tops: set[str]) -> dict[str, bool]:
    """Folder → whether it is the test half; empty where the folders are classes."""
    by_lower = {top.lower(): top for top in sorted(tops)}
    train = next((by_lower[word] for word in _TRAIN if word in by_lower), None)
    test = next((by_lower[word] for word in _TEST if word in by_lower), None)
    return {} if train is None or test is None else {train: False, test: True}


def _arrange(chosen: list[tuple[str, str, bool]], split: bool, skipped: list[str], name: str) -> Layout:
    class_names = tuple(sorted({kind for _, kind, _ in chosen}))
    if len(class_names) < 2:
        raise UserError(
            f"{name}: only one class found ({class_names[0] if class_names else 'none'!s}); "
            "at least two sub-folders with images are needed"
        )
    number = {kind: k for k, kind in enumerate(class_names)}
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    if not split:
        chosen = _divide(_shuffle(chosen, generator), number)
    # Shuffled after dividing: the division takes each class's first images, so what is left begins unevenly.
    ordered = sorted(_shuffle(chosen, generator), key=lambda file: file[2])  # stable: training half first
    return Layout(
        paths=tuple(path for path, _, _ in ordered),
        labels=tuple(number[kind] for _, kind, _ in ordered),
        class_names=class_names,
        n_train=sum(not test for _, _, test in ordered),
        skipped=tuple(skipped),
    )


def _shuffle(files: list[tuple[str, str, bool]], generator: torch.Generator) -> list[tuple[str, str, bool]]:
    return [files[i] for i in torch.randperm(len(files), generator=generator).tolist()]


def _divide(files: list[tuple[str, str, bool]], number: dict[str, int]) -> list[tuple[str, str, bool]]:
    """The first fifth of each class marked as test."""
    sizes = dict.fromkeys(number, 0)
    for _, kind, _ in files:
        sizes[kind] += 1
    left = {kind: min(n - 1, max(1, round(TEST_SHARE * n))) for kind, n in sizes.items()}
    marked = []
    for path, kind, _ in files:
        marked.append((path, kind, left[kind] > 0))
        left[kind] -= 1
    return marked
