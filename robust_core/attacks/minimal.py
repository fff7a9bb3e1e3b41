"""The smallest eps with which an attack fools a network: a grid of budgets in one batch, then finer grids."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_core.attacks.balls import BALLS
from robust_core.attacks.noise import Noise
from robust_core.attacks.run import check_images
from robust_core.attacks.settings import ATTACKS, AttackSettings
from robust_core.attacks.steps import Classes, Images, fooled
from robust_core.types import UserError

GRID = 3  # budgets tried side by side
HALVINGS = 6  # the first grid: hi, hi/2, ... this many times


@dataclass(frozen=True, kw_only=True, eq=False)
class Smallest:
    """The answer for one image.

    eps: the smallest budget found with which the attack fools; 0 where the clean image does already; None where even
    the largest does not. safe: the largest budget below it that was tried and did not fool.
    x: (1, C, H, W), the adversarial image (with eps None, what the largest budget made). logits: (1, K), for it.
    clean: the prediction for the image itself; predicted: for x.
    """

    eps: float | None
    safe: float
    x: Images
    logits: Float[Tensor, "1 k"]
    clean: int
    predicted: int


def smallest_eps(
    model: nn.Module,
    x: Images,
    y: Classes,
    *,
    attack: AttackSettings | str = "pgd",
    norm: str | None = None,
    hi: float | None = None,
    tolerance: float | None = None,
    target: Classes | int | None = None,
    seed: int | None = None,
) -> list[Smallest]:
    """The smallest fooling budget of each image: an upper bound on the true one, as good as the attack.

    attack: its settings, or a name (then with the name's defaults); its own eps counts for nothing, norm and seed, if
    given, replace its own. hi: the largest budget tried; by default 1 in L-inf, √(C·H·W)/4 in L2.
    tolerance: how far below `eps` the last tried budget that does not fool may lie; hi/1000 by default. An attack is
    not certain to succeed more often with more budget, so budgets are searched from the smallest that fooled downwards.
    Returns one answer an image. Raises UserError where images, classes, hi or tolerance do not fit.
    """
    settings = AttackSettings(name=attack) if isinstance(attack, str) else attack
    settings = settings.replace(**{k: v for k, v in (("norm", norm), ("seed", seed)) if v is not None})
    if isinstance(target, int):
        target = torch.full_like(y, target)
    check_images(x, y, target)
    if not len(x):
        return []
    most = 1.0 if settings.norm == "linf" else math.sqrt(x[0].numel()) / 4
    hi = most if hi is None else hi
    tolerance = hi / 1000 if tolerance is None else tolerance
    if not (math.isfinite(hi) and hi > 0 and tolerance > 0):
        raise UserError(f"hi and tolerance must be > 0, in pixel units; got hi={hi}, tolerance={tolerance}")
    return [
        _smallest(model, x[i : i + 1], y[i : i + 1], settings, hi, tolerance, _row(target, i), Noise(settings.seed, at))
        for i, at in enumerate(torch.arange(len(x), device=x.device)[:, None])
    ]


def _row(target: Classes | None, i: int) -> Classes | None:
    return None if target is None else target[i : i + 1]


def _smallest(
    model: nn.Module,
    x: Images,
    y: Classes,
    settings: AttackSettings,
    hi: float,
    tolerance: float,
    target: Classes | None,
    noise: Noise,
) -> Smallest:
    with torch.no_grad():
        logits = model(x)
    clean = int(logits.argmax())
    if bool(fooled(logits, y, target)):
        return Smallest(eps=0.0, safe=0.0, x=x, logits=logits, clean=clean, predicted=clean)
    # Fooling budgets lie mostly far below hi, so the first grid is geometric.
    budgets = hi * 0.5 ** torch.arange(HALVINGS, -1, -1, dtype=torch.float64)
    safe, found = 0.0, None
    while True:
        x_adv, logits = _attacked(model, x, y, settings, budgets, target, noise)
        n = len(budgets)
        wins = fooled(logits, y.expand(n), None if target is None else target.expand(n)).nonzero()
        first = int(wins[0]) if len(wins) else n
        if first < n or found is None:
            at = min(first, n - 1)
            found = (float(budgets[at]) if first < n else None, x_adv[at : at + 1], logits[at : at + 1])
        safe = float(budgets[first - 1]) if first else safe
        eps = found[0]
        if eps is None or eps - safe <= tolerance:
            return Smallest(
                eps=eps, safe=safe, x=found[1], logits=found[2], clean=clean, predicted=int(found[2].argmax())
            )
        # As fine as needed and no finer: `steps` equal parts, of which the two ends are known.
        steps = min(GRID + 1, math.ceil((eps - safe) / tolerance))
        budgets = safe + (eps - safe) * torch.arange(1, max(steps, 2), dtype=torch.float64) / max(steps, 2)


def _attacked(
    model: nn.Module,
    x: Images,
    y: Classes,
    settings: AttackSettings,
    budgets: Float[Tensor, " b"],
    target: Classes | None,
    noise: Noise,
) -> tuple[Images, Float[Tensor, "b k"]]:
    """One image under several budgets at once, every copy with the same noise."""
    n = len(budgets)
    x_adv = ATTACKS[settings.name].run(
        model,
        x.expand(n, *x.shape[1:]),
        y.expand(n),
        BALLS[settings.norm](budgets),
        target=None if target is None else target.expand(n),
        generator=Noise(noise.seed, noise.indices.expand(n)),
        on_step=None,
        **settings.used,
    )
    with torch.no_grad():
        return x_adv, model(x_adv)
