"""The table of checkpoints that the command line prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robust_core.checkpoints import Checkpoint

HEADS = ("checkpoint", "method", "architecture", "params", "clean", "robust", "worst case")


def row(checkpoint: Checkpoint) -> dict[str, Any]:
    """What its card says, as JSON holds it: shares in [0, 1], seconds; None where it was not measured.

    robust: under one attack, `attack`, on `n` images. worst_case: what the most attacks together leave of `worst_n`
    images at `worst_eps`; `worst_groups` are the kinds of them: a table's, AutoAttack's, those on a router.
    """
    card = checkpoint.card
    told: dict[str, Any] = {"name": checkpoint.name, "problem": checkpoint.problem}
    if card is None:
        return told
    clean, robust, all_of_them = card.clean, card.robust, card.evaluation
    return told | {
        "title": card.title,
        "method": card.method,
        "architecture": card.architecture,
        "parameters": card.parameters,
        "clean": clean.accuracy if clean else None,
        "robust": robust.accuracy if robust else None,
        "worst_class": robust.worst_class if robust else None,
        "n": robust.n if robust else None,
        "attack": robust.attack.describe() if robust and robust.attack else None,
        "worst_case": all_of_them.worst.accuracy if all_of_them else None,
        "worst_n": all_of_them.worst.n if all_of_them else None,
        "worst_eps": all_of_them.eps if all_of_them else None,
        "worst_groups": list(all_of_them.plan) if all_of_them else [],
        "train_seconds": card.train_seconds,
    }


def lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A heading, and a line for each checkpoint."""
    yield _line(*HEADS, "robust: n, attack; worst case: n, ε, attacks")
    for one in rows:
        if one["problem"]:
            yield f"{one['name']:34} {one['problem']}"
            continue
        clean, robust, worst = (
            f"{one[key]:.2%}" if one[key] is not None else "—" for key in ("clean", "robust", "worst_case")
        )
        told = [f"n = {one['n']}, {one['attack']}" if one["attack"] else "not measured"]
        if one["worst_n"]:
            told.append(f"n = {one['worst_n']}, ε = {one['worst_eps']:.4g}, {' + '.join(one['worst_groups'])}")
        size = f"{one['parameters']:,}"
        yield _line(one["name"], one["method"], one["architecture"], size, clean, robust, worst, "; ".join(told))


def _line(name: str, method: str, kind: str, size: str, clean: str, robust: str, worst: str, told: str) -> str:
    return f"{name:34} {method:12} {kind:13} {size:>9} {clean:>7} {robust:>7} {worst:>10}  {told}"
