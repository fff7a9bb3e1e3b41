"""A few fixed pictures through a run's last saved weights, untouched and attacked: what training has taught so far."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError, safe_open
from torch import Tensor

from robust_core.attacks import AttackSettings, run
from robust_core.checkpoints import STATE, WEIGHTS
from robust_core.frozen import frozen
from robust_core.training.loop import fresh_network
from robust_core.training.recipe import Recipe
from robust_core.training.run import SAVED
from robust_core.types import ImageSet, UserError

PICTURES = 8
SLOW = 0.25  # seconds for one untouched pass of the pictures; a network slower than that is not attacked here
MADE_OF = ("mean.", "net.")  # what a state keeps of weights: the running mean is what is validated, where there is one


@dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """The pictures and what the network says of them.

    step: at which the weights were saved; None for those of the best epoch, which is all a finished run keeps.
    attack, x_adv (n, C, H, W), p_adv (n, K): None where the network is too slow to be attacked beside its training.
    """

    step: int | None
    x: Float[Tensor, "n c h w"]
    y: Int64[Tensor, " n"]
    p: Float[Tensor, "n k"]
    attack: AttackSettings | None = None
    x_adv: Float[Tensor, "n c h w"] | None = None
    p_adv: Float[Tensor, "n k"] | None = None


def saved(folder: Path) -> tuple[str, int, int] | None:
    """Which weights there are now: file, time of writing, size; another one where they were saved anew, None where
    there are none yet."""
    for path in (folder / STATE / SAVED, folder / WEIGHTS):
        try:
            stat = path.stat()
        except OSError:
            continue
        return str(path), stat.st_mtime_ns, stat.st_size
    return None


def pictures(images: ImageSet, count: int = PICTURES) -> list[int]:
    """Indices of the same few pictures for every run on these images: the first of each class, in turn."""
    by_class = [(images.labels == k).nonzero()[:, 0].tolist() for k in range(len(images.class_names))]
    rounds = max(map(len, by_class), default=0)
    return [rows[turn] for turn in range(rounds) for rows in by_class if turn < len(rows)][:count]


def probe(folder: Path, recipe: Recipe, images: ImageSet) -> Probe:
    """Shows the images to the run's last saved weights, then attacks them with PGD-10 in the run's ball; on the CPU.

    Raises UserError where there are no weights, or they are being replaced at this very moment.
    """
    step, weights = _weights(folder)
    net = fresh_network(recipe, images)
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"the weights in {folder} are not those of its recipe: {str(error)[:200]}") from error
    view, x, y = frozen(net.eval().requires_grad_(False)), images.floats(), images.labels
    before = time.perf_counter()
    with torch.no_grad():
        p = view(x).softmax(dim=1)
    if time.perf_counter() - before > SLOW:
        return Probe(step=step, x=x, y=y, p=p)
    judged = recipe.validation.attack
    attack = AttackSettings(name="pgd", norm=judged.norm, eps=judged.eps, steps=10)
    x_adv = run(attack, view, x, y)
    with torch.no_grad():
        p_adv = view(x_adv).softmax(dim=1)
    return Probe(step=step, x=x, y=y, p=p, attack=attack, x_adv=x_adv, p_adv=p_adv)


def _weights(folder: Path) -> tuple[int | None, dict[str, Tensor]]:
    found = saved(folder)
    if found is None:
        raise UserError(f"{folder.name} has saved no weights yet")
    try:
        # numpy: for torch the file is opened twice, and by then the training may have put another one in its place
        with safe_open(found[0], framework="numpy") as file:
            names = list(file.keys())
            if not found[0].endswith(SAVED):
                return None, {name: torch.from_numpy(file.get_tensor(name)) for name in names}
            prefix = next(p for p in MADE_OF if any(name.startswith(p) for name in names))
            ours = [name for name in names if name.startswith(prefix)]
            step = int(json.loads(file.metadata()["facts"])["step"])
            return step, {name.removeprefix(prefix): torch.from_numpy(file.get_tensor(name)) for name in ours}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        # numpy lacks some of torch's types
        raise UserError(f"the weights of {folder.name} cannot be read just now: {error}") from error
