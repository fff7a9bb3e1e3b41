"""The worst case over an ensemble of attacks, image by image, confirmed on the network as it is.

The attacks run on the fast frozen view; an adversarial image counts only if the plain float32 network is fooled by it,
and it lies in the ball. Where the view is fooled and the network is not, the attack is made again on the network.
What is found is a verdict an image and attack, a function of the image, the network and the settings alone: batches,
interruptions and what other attacks found change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Int8, Int64
from torch import Tensor, nn

from robust_core.attacks import ATTACKS, Noise
from robust_core.cards import AttackResult, Tally
from robust_core.evaluation.fab import Fab
from robust_core.evaluation.plan import Chosen, Plan
from robust_core.evaluation.steady import Steady
from robust_core.frozen import frozen
from robust_core.types import Classifier, ImageSet, UserError

WRONG, RIGHT, BROKEN, UNASKED = 0, 1, 2, -1  # BROKEN: logits that are no numbers; counts as wrong
BATCH = 256
ROUNDING = 1e-6  # by how much a distance may exceed eps when it is computed

Verdicts = Int8[Tensor, " n"]


@dataclass(frozen=True, kw_only=True)
class Underway:
    """How far an evaluation is. attack: its name; number of `attacks`; done of n images; left: fooled by none yet."""

    attack: str
    number: int
    attacks: int
    done: int
    n: int
    left: int


@dataclass(eq=False)
class Outcomes:
    """What is known of each image: its verdict untouched and after each attack. seconds: spent on each attack."""

    clean: Verdicts
    after: dict[str, Verdicts] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def right(self) -> Bool[Tensor, " n"]:
        """Right untouched."""
        return self.clean == RIGHT

    def survived(self, names: Iterable[str]) -> Bool[Tensor, " n"]:
        """Right untouched, and fooled by none of these attacks as far as they were made."""
        left = self.right
        for name in names:
            if name in self.after:
                left = left & (self.after[name] != WRONG) & (self.after[name] != BROKEN)
        return left

    def of(self, name: str) -> Verdicts:
        """The verdicts of an attack, all of them UNASKED where it was not begun."""
        return self.after.setdefault(name, torch.full_like(self.clean, UNASKED))


@torch.no_grad()
def verdicts(net: nn.Module, x: Tensor, y: Tensor) -> Verdicts:
    """What the network says: RIGHT, WRONG or BROKEN."""
    logits = net(x)
    said = (logits.argmax(dim=1) == y).to(torch.int8)
    return torch.where(logits.isfinite().all(dim=1), said, BROKEN).to(torch.int8)


def evaluate(
    net: Classifier,
    images: ImageSet,
    plan: Plan,
    *,
    n: int | None = None,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    batch_size: int = BATCH,
    progress: Callable[[Underway], None] | None = None,
    begun: Outcomes | None = None,
    keep: Callable[[Outcomes], None] | None = None,
) -> Outcomes:
    """The verdicts of every attack of the plan on the first n images (all by default).

    net: in eval mode, on the device. precision: of the view that is attacked, see `frozen`; verdicts are the network's.
    In a group that is not `alone` an attack is made on those images only that the group's earlier attacks left; what is
    known of an image is not asked again. progress is called, and keep is given all that is known, after each batch;
    begun: what was kept, to go on from. Raises UserError where n is not in [1, len(images)], or where `begun` is of
    another number of images.
    """
    n = checked_count(images, n)
    if batch_size < 1:
        raise UserError(f"batch_size must be 1 or more; got {batch_size}")
    x, y = images.images[:n], images.labels[:n]
    judge, view = Steady(net), Steady(frozen(net, precision))
    batches = [torch.arange(at, min(at + batch_size, n)) for at in range(0, n, batch_size)]

    def pictures(rows: Tensor) -> tuple[Tensor, Tensor]:
        return x[rows].float().div_(255).to(device), y[rows].to(device)

    known = begun or Outcomes(torch.cat([verdicts(judge, *pictures(rows)).cpu() for rows in batches]))
    if len(known.clean) != n:
        raise UserError(f"what was kept is of {len(known.clean)} images, not of {n}; begin anew")
    steps = [(group, number) for group, names in plan.groups.items() for number in range(len(names))]
    for at, (group, number) in enumerate(steps):
        name = plan.groups[group][number]
        before = () if group in plan.alone else plan.groups[group][:number]
        found = known.of(name)
        todo = (known.survived(before) & (found == UNASKED)).nonzero()[:, 0]
        for rows in todo.split(batch_size) if len(todo) else ():
            started = time.perf_counter()
            found[rows] = attacked(plan.attacks[name], net, view, judge, *pictures(rows), rows).cpu()
            known.seconds[name] = known.seconds.get(name, 0.0) + time.perf_counter() - started
            if keep is not None:
                keep(known)
            if progress is not None:
                done = n - int((todo > rows[-1]).sum())
                left = int(known.survived(plan.attacks).sum())
                progress(Underway(attack=name, number=at + 1, attacks=len(steps), done=done, n=n, left=left))
    return known


def attacked(
    attack: Chosen, net: Classifier, view: nn.Module, judge: nn.Module, x: Tensor, y: Tensor, indices: Tensor
) -> Verdicts:
    """The verdicts on images that are right untouched, after the attack. indices: which image of the set each is."""
    found = torch.full((len(x),), RIGHT, dtype=torch.int8, device=x.device)
    rows = torch.arange(len(x), device=x.device)
    for model in (view, judge):
        x_adv = crafted(attack, model, x[rows], y[rows], indices.to(x.device)[rows])
        # An image outside the ball, or one that is no image because a gradient was none, is no adversarial image.
        within = attack.ball.distance(x_adv, x[rows]) <= attack.eps * (1 + ROUNDING)
        found[rows] = torch.where(within, verdicts(judge, torch.where(_each(within), x_adv, x[rows]), y[rows]), RIGHT)
        if model is judge:
            break
        only_the_view = (found[rows] == RIGHT) & within & (verdicts(view, x_adv, y[rows]) != RIGHT)
        rows = rows[only_the_view]
        if not len(rows):
            break
    return found


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def crafted(attack: Chosen, model: nn.Module, x: Tensor, y: Tensor, indices: Int64[Tensor, " n"]) -> Tensor:
    """The attack's images. As `attacks.run`, but APGD leaves off from an image that it has fooled."""
    if isinstance(attack, Fab):
        return attack.run(model, x, y)
    extra = {"until_fooled": True} if attack.name.startswith("apgd") else {}
    noise = Noise(attack.seed, indices)
    return ATTACKS[attack.name].run(
        model, x, y, attack.ball, target=None, generator=noise, on_step=None, **attack.used, **extra
    )


def checked_count(images: ImageSet, n: int | None) -> int:
    """n, or all. Raises UserError where the set has not so many."""
    n = len(images) if n is None else n
    if not 1 <= n <= len(images):
        raise UserError(f"n must be in [1, {len(images)}], the images of {images.name!r}; got {n}")
    return n


def tally(right: Bool[Tensor, " n"], images: ImageSet) -> Tally:
    """The counts of the first n images."""
    labels = images.labels[: len(right)]
    return Tally.counted(right.numpy(), labels.numpy(), len(images.class_names))


def results(known: Outcomes, plan: Plan, images: ImageSet) -> list[AttackResult]:
    """One line an attack and group, in the order of the plan."""
    lines = []
    for group, names in plan.groups.items():
        for number, name in enumerate(names):
            before = known.survived(() if group in plan.alone else names[:number])
            after, attack = before & (known.of(name) == RIGHT), plan.attacks[name]
            lines.append(
                AttackResult(
                    **tally(after, images).model_dump(),
                    name=name,
                    group=group,
                    alone=group in plan.alone or number == 0,
                    attacked=int(before.sum()),
                    broken=int((before & (known.of(name) == BROKEN)).sum()),
                    attack=None if isinstance(attack, Fab) else attack,
                    borrowed=attack.borrowed() if isinstance(attack, Fab) else None,
                    seconds=round(known.seconds.get(name, 0.0), 2),
                )
            )
    return lines
