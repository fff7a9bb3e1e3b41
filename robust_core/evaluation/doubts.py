"""Signs of a false sense of security: attacks that fail because of the gradient, not because the network is robust.

Each check says what was run, what came out, and whether that is as it must be where gradients are honest. None proves
robustness; one that is not passed says that the robust accuracy beside it is not to be believed.
Source: Athalye, Carlini & Wagner 2018, section 3.1; Carlini et al. 2019 ("On evaluating adversarial robustness").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from robust_core.attacks import ATTACKS, AttackSettings, Noise
from robust_core.attacks.steps import aim, climb
from robust_core.cards import Doubt
from robust_core.evaluation.ensemble import BATCH, RIGHT, attacked, checked_count, verdicts
from robust_core.evaluation.paired import chance
from robust_core.evaluation.steady import Steady
from robust_core.frozen import frozen
from robust_core.types import Classifier, ImageSet

TOLERANCE = 0.02  # of accuracy: by so much a stronger attack may be the weaker one
CHANCE = 0.05  # below it, more than the tolerance is no accident of the few images it was seen on
LEFT_OVER = 0.01  # of accuracy: what may survive a budget that allows a plain grey image
RISES = 0.95  # of the images: the share whose loss must rise along the gradient
ZEROS = 0.1  # of the gradient's elements: a black border behind a ReLU may have honest ones, a masked gradient all
DISAGREE = 1e-3  # of the logits' spread: what rounding may do
AHEAD = (1 / 16, 1 / 8, 1 / 4)  # of eps: how far the loss is followed along the gradient
GREY = 0.5  # eps at which every image can be made grey

Told = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard the checks try. steps and more_steps: of PGD, of one length; queries: Square's; draws: of noise."""

    steps: int = 20
    more_steps: int = 100
    queries: int = 500
    draws: int = 20


def examine(
    net: Classifier,
    images: ImageSet,
    *,
    n: int | None = None,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    effort: Effort | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = BATCH,
    progress: Told | None = None,
) -> tuple[Doubt, ...]:
    """All checks on the first n images (all by default), those of them that are right untouched.

    net: in eval mode, on the device. progress(title, number, checks) is called before each check. Where no image is
    right untouched no check is made, and where two attacks differ by too few images none is decided: `passed` is None.
    Raises UserError where n is not in [1, len(images)].
    """
    n, effort = checked_count(images, n), effort or Effort()
    subject = Subject.of(net, images, n, eps, norm, seed, device, batch_size)
    made = []
    for number, check in enumerate(CHECKS):
        if progress is not None:
            progress(check.title, number + 1, len(CHECKS))
        made.append(check.run(subject, effort) if len(subject.x) else check.not_made(subject))
    return tuple(made)


@dataclass(eq=False)
class Subject:
    """A network and the images that it gets right. n: of how many. known: which stood attacks made before."""

    net: Classifier
    view: nn.Module
    judge: nn.Module
    x: Float[Tensor, "m c h w"]
    y: Tensor
    indices: Tensor
    n: int
    eps: float
    norm: str
    seed: int
    batch_size: int
    known: dict[AttackSettings, Tensor]

    @staticmethod
    def of(
        net: Classifier,
        images: ImageSet,
        n: int,
        eps: float,
        norm: str,
        seed: int,
        device: torch.device | str,
        batch_size: int,
    ) -> Subject:
        judge, rows = Steady(net), torch.arange(n)
        x, y = images.floats(rows).to(device), images.labels[:n].to(device)
        found = [verdicts(judge, x[part.to(device)], y[part.to(device)]).cpu() for part in rows.split(batch_size)]
        right = (torch.cat(found) == RIGHT).nonzero()[:, 0]
        on = right.to(device)
        view = Steady(frozen(net))
        return Subject(net, view, judge, x[on], y[on], right, n, eps, norm, seed, batch_size, {})

    def settings(self, name: str, *, eps: float | None = None, **settings: object) -> AttackSettings:
        return AttackSettings(
            name=name, norm=self.norm, eps=self.eps if eps is None else eps, seed=self.seed, **settings
        )

    def pgd(self, steps: int, *, eps: float | None = None) -> AttackSettings:
        """Steps of one length, a quarter of eps, however many."""
        eps = self.eps if eps is None else eps
        return self.settings("pgd", eps=eps, steps=steps, step_size=min(1.0, eps / 4))

    def parts(self) -> tuple[Tensor, ...]:
        rows: tuple[Tensor, ...] = torch.arange(len(self.x), device=self.x.device).split(self.batch_size)
        return rows

    def standing(self, attack: AttackSettings) -> Bool[Tensor, " m"]:
        """Which images are right after the attack, too."""
        if attack not in self.known:
            found = []
            for rows in self.parts():
                at = self.indices[rows.cpu()]
                found.append(attacked(attack, self.net, self.view, self.judge, self.x[rows], self.y[rows], at).cpu())
            self.known[attack] = torch.cat(found) == RIGHT
        return self.known[attack]

    def robust(self, attack: AttackSettings) -> float:
        """Accuracy under the attack, of all n images."""
        return int(self.standing(attack).sum()) / self.n

    def gradient(self, rows: Tensor) -> Tensor:
        """Of the cross-entropy; what is no number is set to zero, as it leads nowhere."""
        goal = aim(self.y[rows], None, "ce")
        return climb(self.view, self.x[rows], self.y[rows], goal)[0].nan_to_num(0.0, 0.0, 0.0)

    @property
    def grey(self) -> float:
        """A budget in which every image can become plain grey."""
        return GREY if self.norm == "linf" else GREY * self.x[0].numel() ** 0.5


@dataclass(frozen=True)
class Finding:
    """What was run, what came out, and that in words. chance: how likely it is where two attacks are equally strong."""

    ran: str
    figure: float
    told: str
    chance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One sign of a false sense of security. make: finds the figure; limit: what it may be at most, with least at
    least."""

    name: str
    title: str
    limit: float
    make: Callable[[Subject, Effort], Finding]
    least: bool = False  # the figure must be at least the limit, not at most

    def run(self, subject: Subject, effort: Effort) -> Doubt:
        found = self.make(subject, effort)
        passed: bool | None = found.figure >= self.limit if self.least else found.figure <= self.limit
        told = found.told
        if not passed and found.chance > CHANCE:
            passed, told = None, f"{told}; so few images do not decide it (p = {found.chance:.2f})"
        return Doubt(
            name=self.name, title=self.title, ran=found.ran, figure=found.figure, limit=self.limit, told=told,
            passed=passed,
        )  # fmt: skip

    def not_made(self, subject: Subject) -> Doubt:
        told = f"none of the {subject.n} images is right untouched, so there is nothing to attack"
        return Doubt(name=self.name, title=self.title, ran="nothing", limit=self.limit, told=told)


def _more_steps(subject: Subject, effort: Effort) -> Finding:
    few, many = subject.pgd(effort.steps), subject.pgd(effort.more_steps)
    return _compared(subject, few, many)


def _compared(subject: Subject, weak: AttackSettings, strong: AttackSettings) -> Finding:
    """By how much the attack that should be the stronger one leaves more accuracy than the other."""
    accident = chance(subject.standing(strong), subject.standing(weak))
    after_weak, after_strong = subject.robust(weak), subject.robust(strong)
    names = [ATTACKS[a.name].label + (f"-{a.steps}" if "steps" in ATTACKS[a.name].uses else "") for a in (weak, strong)]
    told = f"{after_weak:.1%} still right under {names[0]}, {after_strong:.1%} under {names[1]}"
    return Finding(f"{weak.describe()}; {strong.describe()}", after_strong - after_weak, told, accident)


def _large_eps(subject: Subject, effort: Effort) -> Finding:
    attack = subject.pgd(2 * effort.steps, eps=subject.grey)
    left = subject.robust(attack)
    told = f"{left:.1%} still right under PGD with ε = {subject.grey:.3g}, which allows plain grey"
    return Finding(attack.describe(), left, told)


def _black_box(subject: Subject, effort: Effort) -> Finding:
    # Whichever number of steps the gradient attack does best with: what is in doubt is gradients, not the number.
    best = min((subject.pgd(effort.steps), subject.pgd(effort.more_steps)), key=subject.robust)
    return _compared(subject, subject.settings("square", queries=effort.queries), best)


def _one_step(subject: Subject, effort: Effort) -> Finding:
    one = AttackSettings(name="fgsm", norm=subject.norm, eps=subject.eps)
    return _compared(subject, one, subject.pgd(effort.steps))


def _noise(subject: Subject, effort: Effort) -> Finding:
    pgd, ball = subject.pgd(effort.steps), subject.pgd(1).ball
    left = torch.ones(len(subject.x), dtype=torch.bool, device=subject.x.device)
    for rows in subject.parts():
        x, noise = subject.x[rows], Noise(subject.seed, subject.indices[rows.cpu()].to(rows.device))
        for draw in range(effort.draws):
            # Half of the draws at the ball's edge, where most of its volume lies.
            edge = ball.around(x)(x + ball.radius(x) * ball.ascend(noise.normal(2 * draw, *x.shape[1:])))
            tried = edge if draw % 2 else ball.random(x, noise, draw=2 * draw + 1)
            left[rows] &= verdicts(subject.judge, tried, subject.y[rows]) == RIGHT
    by_noise, by_pgd = int(left.sum()) / subject.n, subject.robust(pgd)
    ran = f"the worst of {effort.draws} random points of the ball, seed {subject.seed}; PGD-{effort.steps}"
    # Where nothing at all moves the network, noise has beaten no gradient.
    clean = len(subject.x) / subject.n
    figure = by_pgd - by_noise if min(by_pgd, by_noise) < clean else 0.0
    told = f"{by_noise:.1%} still right under noise, {by_pgd:.1%} under PGD-{effort.steps}"
    return Finding(ran, figure, told, chance(subject.standing(pgd), left.cpu()))


def _rises(subject: Subject, _: Effort) -> Finding:
    ball, risen = subject.pgd(1).ball, 0
    for rows in subject.parts():
        x, y = subject.x[rows], subject.y[rows]
        way = ball.radius(x) * ball.ascend(subject.gradient(rows))
        before, rose = _loss(subject.view, x, y), torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for share in AHEAD:
            rose |= _loss(subject.view, (x + share * way).clamp(0, 1), y) > before
        risen += int(rose.sum())
    share = risen / len(subject.x)
    steps = ", ".join(f"ε/{1 / part:.0f}" for part in AHEAD)
    told = f"it rises for {share:.1%} of the images that are right"
    return Finding(f"cross-entropy at {steps} along its own gradient", share, told)


@torch.no_grad()
def _loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy, fine enough to tell tiny losses apart: log(1 + sum of e^(z_j - z_y) over the others)."""
    logits = net(x)
    wide = logits if logits.device.type == "mps" else logits.double()
    behind = wide - wide.gather(1, y[:, None])
    loss: Tensor = behind.scatter(1, y[:, None], float("-inf")).exp().sum(dim=1).log1p()
    return loss


def _zeros(subject: Subject, _: Effort) -> Finding:
    zeros = sum(int((subject.gradient(rows) == 0).sum()) for rows in subject.parts())
    share = zeros / subject.x.numel()
    told = f"{share:.1%} of its elements are exactly zero"
    return Finding("the gradient of the cross-entropy at the images", share, told)


@torch.no_grad()
def _repeats(subject: Subject, _: Effort) -> Finding:
    """The second time backwards, in smaller batches: what depends on the batch shows, too."""
    x = subject.x[: subject.batch_size]
    first = subject.net(x)
    parts = x.flip(0).split(max(1, len(x) // 2))
    second = torch.cat([subject.net(part) for part in parts]).flip(0)
    spread = float(first.std()) if first.numel() > 1 else 1.0
    far = float((first - second).abs().max()) / (spread or 1.0)
    changed = int((first.argmax(dim=1) != second.argmax(dim=1)).sum())
    told = f"logits differ by {far:.2g} of their spread at most, {changed} of {len(x)} answers change"
    return Finding("every image twice, in other batches", far if far == far else float("inf"), told)


CHECKS = (
    Check(name="more_steps", title="More steps do not help the defender", limit=TOLERANCE, make=_more_steps),
    Check(name="large_eps", title="A large ε leaves nothing", limit=LEFT_OVER, make=_large_eps),
    Check(name="black_box", title="Gradients beat the black box (Square)", limit=TOLERANCE, make=_black_box),
    Check(name="one_step", title="Many steps beat one", limit=TOLERANCE, make=_one_step),
    Check(name="noise", title="Gradients beat random noise", limit=TOLERANCE, make=_noise),
    Check(name="rises", title="The loss rises along the gradient", limit=RISES, make=_rises, least=True),
    Check(name="zeros", title="Few gradients are exactly zero", limit=ZEROS, make=_zeros),
    Check(name="repeats", title="Asked twice, the network says the same", limit=DISAGREE, make=_repeats),
)
