"""`python -m robust_core evaluate`: the ensemble and the doubts on the command line, as a table and into the card."""

from __future__ import annotations

import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import torch
import typer

from robust_core import checkpoints, data
from robust_core.attacks import AttackSettings
from robust_core.cards import Card, Doubts, Evaluation, Figure, Tally
from robust_core.checkpoints import RECIPE, Checkpoint
from robust_core.device import choose_precision
from robust_core.evaluation.ensemble import Underway, checked_count
from robust_core.evaluation.measures import percents
from robust_core.evaluation.plan import GROUPS, plan_for
from robust_core.evaluation.stored import check_fit, evaluate_checkpoint, examine_checkpoint
from robust_core.types import UserError

DOUBTED = 128  # images, at most, on which the checks are made
PRECISION = "of the view that is attacked: auto, float32 or bfloat16; judged is by the float32 network"
VERDICTS = {True: "passed", False: "DOUBT", None: "open"}


def register(app: typer.Typer, choose_device: Callable[[str], torch.device]) -> None:
    """Gives the app its command."""

    @app.command(name="evaluate")
    def evaluate_(
        checkpoint: str,
        n: Annotated[int, typer.Option(help="the first n test images")] = 1000,
        eps: Annotated[str, typer.Option(help="pixel units of [0, 1], or as 8/255; the card's by default")] = "",
        norm: Annotated[str, typer.Option(help="linf or l2; the card's by default")] = "",
        plan: Annotated[str, typer.Option(help="groups of attacks, of: " + ", ".join(GROUPS))] = ",".join(GROUPS),
        doubts: Annotated[bool, typer.Option(help="check for signs of a false sense of security")] = True,
        data_name: Annotated[str, typer.Option("--data", help="data set whose test images to take; the card's")] = "",
        seed: int = 0,
        batch_size: Annotated[int, typer.Option(help="images at once; changes the time, not the figures")] = 256,
        device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu")] = "auto",
        precision: Annotated[str, typer.Option(help=PRECISION)] = "auto",
        write: Annotated[
            bool, typer.Option(help="write the figures into the card, and what is needed to resume")
        ] = True,
        reuse: Annotated[
            bool, typer.Option(help="make no attack again that the card knows on these images in this way")
        ] = False,
    ) -> None:
        """The worst case over many attacks, image by image, and whether it can be believed. Killed, it goes on."""
        found, where = checkpoints.find(checkpoint), choose_device(device)
        if found.card is None:
            raise UserError(found.problem or f"{checkpoint}: no card")
        images = data.load(data_name or found.card.data_name).test
        card = check_fit(found, images)
        n = checked_count(images, n)
        own_norm, own_eps = budget(found, card)
        settings = AttackSettings(name="fgsm", norm=norm or own_norm, eps=eps or own_eps)
        net = checkpoints.load(found, where)
        groups = [group.strip() for group in plan.split(",") if group.strip()]
        chosen = plan_for(net, images.shape, groups, eps=settings.eps, norm=settings.norm, seed=seed)
        how: dict[str, Any] = {"seed": seed, "device": where, "batch_size": batch_size, "write": write}
        with _line(kept=write) as told:
            quick = choose_precision(precision, where)
            evaluation = evaluate_checkpoint(
                found, net, images, chosen, n=n, precision=quick, reuse=reuse, progress=told.evaluating, **how
            )
        typer.echo("\n".join(table(evaluation, images.class_names)))
        if doubts:
            at: dict[str, Any] = {"eps": settings.eps, "norm": settings.norm, "n": min(n, DOUBTED)}
            with _line(kept=write) as told:
                examined = examine_checkpoint(found, net, images, progress=told.checking, **at, **how)
            typer.echo("\n".join(["", *doubts_table(examined)]))
        if write:
            typer.echo(f"written into the card of {found.name}; --no-write leaves it as it is")


def budget(found: Checkpoint, card: Card) -> tuple[str, float]:
    """(norm, eps) that a checkpoint is judged by: of its first robust measure, else of its recipe, else the papers'.

    The papers': ε = 8/255 for colour images, 0.1 for grey ones.
    """
    if card.robust is not None and card.robust.attack is not None:
        return card.robust.attack.norm, card.robust.attack.eps
    try:
        recipe = tomllib.loads((found.folder / RECIPE).read_text(encoding="utf-8"))
        attack = AttackSettings(**recipe["validation"]["attack"])
        return attack.norm, attack.eps
    except (OSError, ValueError, KeyError, TypeError):
        return "linf", 8 / 255 if card.image_shape[0] == 3 else 0.1


def table(evaluation: Evaluation, class_names: Sequence[str]) -> list[str]:
    """The evaluation as lines of text."""
    clean, worst = evaluation.clean, evaluation.worst
    told = [
        f"{clean.n} test images of {evaluation.data_name}, {evaluation.norm}, ε = {evaluation.eps:.4g}, "
        f"attacked in {evaluation.precision}, {evaluation.seconds:.0f} s",
        "right: of all images; W-Robust: half clean, half right under the attack; attacked: images not fooled before",
        f"{'':16}{'right':>9}{'W-Robust':>10}{'worst class':>13}{'attacked':>10}{'seconds':>9}  attack",
        f"{'clean':16}{clean.accuracy:>9.2%}{'':10}{clean.worst_class:>13.1%}",
    ]
    group = ""
    for line in evaluation.results:
        if line.group != group:
            group = line.group
            kind = "each on all images" if line.alone and group == "table" else "one after the other"
            told.append(f"{group}: {kind}; all together {evaluation.groups[group].accuracy:.2%}")
        told.append(
            f"  {line.name:14}{line.accuracy:>9.2%}{evaluation.w_robust(line):>10.2%}{line.worst_class:>13.1%}"
            f"{line.attacked:>10}{line.seconds:>9.1f}  {line.describe()}"
        )
        if line.broken:
            told.append(f"  {'':14}{line.broken} images ended in logits that are no numbers; they count as wrong")
    told.append(f"{'worst case':16}{worst.accuracy:>9.2%}{evaluation.w_robust(worst):>10.2%}{worst.worst_class:>13.1%}")
    words = {"clean": "clean", "robust": "robust, worst case", "worst_class": "worst class", "nsd": "NSD"}
    tails = {"worst_class": f", {worst.worst_name(class_names)}" + _absent(worst)}
    told += [
        f"{words[name]}: {_interval(name, figure)}{tails.get(name, '')}" for name, figure in evaluation.figures.items()
    ]
    if evaluation.broken:
        told.append(f"{evaluation.broken} images have logits that are no numbers, unattacked; they count as wrong")
    return [*told, *(f"note: {note}" for note in evaluation.notes)]


def _absent(tally: Tally) -> str:
    absent = tally.class_n.count(0)
    return f"; {absent} of {len(tally.class_n)} classes have no image here" if absent else ""


def _interval(name: str, figure: Figure) -> str:
    if name == "nsd":
        return f"{figure.value:.3f} (95 %: {figure.low:.3f} … {figure.high:.3f})"
    value, low, high = percents(figure.value, figure.low, figure.high)
    return f"{value} % (95 %: {low} … {high})"


def doubts_table(doubts: Doubts) -> list[str]:
    """The checks as lines of text."""
    passed = sum(check.passed is True for check in doubts.checks)
    told = [f"signs of a false sense of security, on {doubts.n} images ({doubts.seconds:.0f} s):"]
    told += [f"  {VERDICTS[check.passed]:9}{check.title}: {check.told}" for check in doubts.checks]
    said = "the robust figures are not to be believed as they are" if doubts.raised else "none raises a doubt"
    return [*told, f"{passed} of {len(doubts.checks)} checks passed, {len(doubts.raised)} not: {said}"]


@contextmanager
def _line(*, kept: bool) -> Iterator[_Line]:
    """Progress while something is made; Ctrl-C ends it with a sentence. kept: is what was done till then?"""
    line = _Line()
    try:
        yield line
    except KeyboardInterrupt:
        line.end()
        typer.echo("stopped; " + ("the same command goes on" if kept else "with --no-write nothing is kept"), err=True)
        raise typer.Exit(130) from None
    finally:
        line.end()


class _Line:
    """One line of progress on a terminal, a line for each attack or check elsewhere."""

    def __init__(self) -> None:
        self.at, self.width, self.number = 0.0, 0, 0

    def evaluating(self, now: Underway) -> None:
        if not self.number and now.number > 1:
            print(f"goes on: {now.number - 1} of {now.attacks} attacks were made before", file=sys.stderr, flush=True)
        share = f"{now.number} of {now.attacks}, {now.attack}: {now.done:,} of {now.n:,}"
        self.say(f"attack {share}; {now.left / now.n:.1%} still right", now.number)

    def checking(self, title: str, number: int, checks: int) -> None:
        self.at = 0.0
        self.say(f"check {number} of {checks}: {title}", number)

    def say(self, text: str, number: int) -> None:
        new, self.number = number != self.number, number
        if not sys.stderr.isatty():
            if new:
                print(text, file=sys.stderr, flush=True)
        elif time.monotonic() - self.at > 0.2:
            self.at = time.monotonic()
            print(f"\r{text.ljust(self.width)}", end="", file=sys.stderr, flush=True)
            self.width = len(text)

    def end(self) -> None:
        if self.width:
            print(f"\r{' ' * self.width}\r", end="", file=sys.stderr, flush=True)
            self.width = 0
