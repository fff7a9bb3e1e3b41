"""Runs as folders, made without training: what Train shows of them is what is tested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from robust_core.checkpoints import CARD, HISTORY, RECIPE, STATE, Card, write_card
from robust_core.training.recipe import Recipe, parse_recipe
from robust_core.training.record import Record, write_record

TRAIN = "pages/4_Train.py"
TEXT = """
title = "{title}"

[data]
name = "fashion_mnist_small"
holdout = 100

[model]
architecture = "residual"
options = {{ width = 4, blocks = [1, 1, 1], stem_stride = 2 }}

[objective]
name = "{objective}"

[teachers]
clean = "fashion_mnist/standard"
robust = "fashion_mnist/pgd_at"

[attack]
name = "pgd"
eps = 0.1
steps = 2

[schedule]
epochs = 4
"""


ROWS = {"class_clean": [0.7] * 10, "class_robust": [0.4] * 10}


def recipe(title: str = "Mine", objective: str = "adversarial") -> Recipe:
    return parse_recipe(TEXT.format(title=title, objective=objective))


def steps(count: int, *, of: int = 80, **also: float) -> list[dict[str, Any]]:
    """Lines of steps 20, 40, … as training writes them, loss falling from 2."""
    return [
        {"event": "step", "step": 20 * i, "of": of, "lr": 0.1, "ce_adv": 2.0 - 0.1 * i, "images_per_second": 300.0}
        | {"seconds": 8.0 * i, "seconds_left": 8.0 * (of / 20 - i)}
        | also
        for i in range(1, count + 1)
    ]


def epoch(number: int, **also: Any) -> dict[str, Any]:
    row = {"event": "epoch", "epoch": number, "step": 20 * number, "seconds": 9.0 * number, "ce_adv": 1.9}
    return row | {"clean": 0.6 + 0.05 * number, "robust": 0.3 + 0.05 * number, "w_robust": 0.5, "n": 100} | also | ROWS


def story(count: int) -> list[dict[str, Any]]:
    """`count` epochs of one logged step each."""
    lines = [line for pair in zip(steps(count), map(epoch, range(1, count + 1)), strict=True) for line in pair]
    return [{"event": "start", "parameters": 1, "device": "cpu"}, *lines]


def add_run(
    folder: Path,
    events: list[dict[str, Any]],
    *,
    like: Path | None = None,
    title: str = "Mine",
    torn: str = "",
    measured: bool = True,
    **record: Any,
) -> Path:
    """A run with this history. like: finished, with the weights and the card of this checkpoint; measured: with its
    figures, too."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECIPE).write_text(recipe(title).to_toml())
    (folder / HISTORY).write_text("".join(json.dumps(event) + "\n" for event in events) + torn)
    if like is not None:
        shutil.copy(like / "weights.safetensors", folder)
        card = Card.model_validate_json((like / CARD).read_bytes())
        write_card(folder, card.model_copy(update={"title": title} | ({} if measured else {"measures": ()})))
    if record:
        (folder / STATE).mkdir(exist_ok=True)
        write_record(folder, Record(**record))
    return folder


def grow(folder: Path, *events: dict[str, Any]) -> None:
    with open(folder / HISTORY, "a") as file:
        file.write("".join(json.dumps(event) + "\n" for event in events))
