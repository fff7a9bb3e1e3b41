"""Networks judged on the first test images, a hundred at a time: what a card or an earlier look tells is not asked
again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from pages.ui import link
from pages.ui.film import Ticking
from pages.ui.memory import Progress, remember
from pages.ui.served import Served, looks, test_images
from robust_core.attacks import AttackSettings, Step, run
from robust_core.attacks.survival import survivors
from robust_core.tallies import unpacked
from robust_core.types import Classifier, ImageSet

T = TypeVar("T")
CHUNK = 100


def yardstick(net: Served) -> AttackSettings:
    """PGD-20 at the budget the card measured, else at the usual one of such images."""
    measured = net.card.robust
    if measured and measured.attack:
        return measured.attack
    return AttackSettings(name="pgd", steps=20, eps=0.1 if net.card.image_shape[0] == 1 else 8 / 255)


def pick_number(images: ImageSet, first: int = 2 * CHUNK, counted: int = 0) -> int:
    """How many test images, from the front of the set. first: with how many to begin, where not at least as many are
    counted already."""
    top = max(min(2000, len(images)), counted)
    if top <= CHUNK:
        return top
    begin = counted if counted >= first else min(first, top)
    told = "From the front of the test set. More images, narrower intervals, more time."
    return link.slider("Test images", CHUNK, top, CHUNK, "n_test", begin, help=told)


def counted(net: Served, images: ImageSet, attack: AttackSettings | None) -> Tensor:
    """Which of the first test images, as many as its card tells of, the network got right when it was measured."""
    fits = [
        m
        for m in net.card.measures
        if m.marks is not None and not m.claimed and (m.attack, m.data_fingerprint) == (attack, images.fingerprint)
    ]
    most = max(fits, key=lambda m: m.n, default=None)
    if most is None or images.labels[: most.n].bincount(minlength=len(most.class_n)).tolist() != list(most.class_n):
        return torch.zeros(0, dtype=torch.bool)
    right = torch.zeros(most.n, dtype=torch.bool)
    # A tally's marks stand class by class, in each in the order of the set.
    right[images.labels[: most.n].argsort(stable=True)] = torch.from_numpy(unpacked(most.marks or "", most.n).copy())
    return right


def stands(net: Served, data_name: str, n: int, attack: AttackSettings | None) -> Tensor:
    """Which of the first n test images the network gets right, untouched or under the attack: bool (n,)."""
    known = counted(net, test_images(data_name), attack)
    if len(known) >= n:
        return known[:n]

    def judge(view: Classifier, part: ImageSet, indices: Tensor) -> Tensor:
        return survivors(view, part, attack, indices=indices)

    return torch.cat(_chunks(net, data_name, n, attack, "stands", judge))


def answers(net: Served, data_name: str, n: int, attack: AttackSettings) -> Tensor:
    """What the network says of the first n test images: untouched, then after each step of the attack (S + 1, n)."""

    def judge(view: Classifier, part: ImageSet, indices: Tensor) -> Tensor:
        x, said = part.floats(), []
        with torch.no_grad():
            said.append(view(x).argmax(dim=1))

        def watch(step: Step) -> None:
            if step.index:  # point 0 is the random start
                said.append(step.logits.argmax(dim=1))

        run(attack, view, x, part.labels, indices=indices, on_step=watch)
        return torch.stack(said)

    return torch.cat(_chunks(net, data_name, n, attack, "answers", judge), dim=1)


def _chunks(
    net: Served, data_name: str, n: int, attack: AttackSettings | None, what: str,
    judge: Callable[[Classifier, ImageSet, Tensor], Tensor],
) -> list[Tensor]:  # fmt: skip
    images = test_images(data_name)
    asked = 1 + (looks(attack) if attack else 0)
    told = f"{net.title}, {attack.describe() if attack else 'untouched'}, {n} test images"
    settings = attack.model_dump_json() if attack else ""
    starts = range(0, n, CHUNK)
    with Progress(told, asked * len(starts)) as tick:

        def one(start: int) -> Tensor:
            indices = torch.arange(start, min(start + CHUNK, n))
            key = (what, net.sha, images.fingerprint, start, len(indices), settings)
            view = Ticking(net.net, tick).eval()
            return remember(key, lambda: judge(view, images.subset(indices), indices), private=False)

        return [one(start) for start in starts]
