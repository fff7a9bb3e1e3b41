"""The command line: train, resume, import, list, measure, attack. Everything the pages do can be done from here."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from robust_core import checkpoints, data, ranks
from robust_core.attacks import AttackSettings, margin, run
from robust_core.checkpoints import Card, Measure
from robust_core.device import choose_device
from robust_core.evaluation import command as evaluation_command
from robust_core.evaluation.accuracy import measure
from robust_core.evaluation.stored import check_fit, held, put_in_card
from robust_core.frozen import frozen
from robust_core.library import commands as library_commands
from robust_core.library import table
from robust_core.training import commands, control
from robust_core.training.fit import fitting_teachers
from robust_core.training.limits import refuse_when_off
from robust_core.training.loop import Training
from robust_core.training.publish import publish
from robust_core.training.recipe import Recipe, parse_override, parse_value, read_recipe
from robust_core.training.run import Run, runs_folder
from robust_core.training.work import Work, working
from robust_core.types import Classifier, Splits, UserError

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Train, list, measure and attack networks.")
for room in (commands, library_commands):
    app.registered_commands.extend(room.app.registered_commands)
evaluation_command.register(app, choose_device)
DataName = Annotated[str, typer.Option("--data", help="data set whose test images to take; the card's by default")]
Device = Annotated[str, typer.Option(help="auto, cuda, mps or cpu")]


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="a recipe, as in recipes/zoo")],
    to: Annotated[Path | None, typer.Option(help="the run's folder; runs/<recipe> by default")] = None,
    set_: Annotated[list[str], typer.Option("--set", help="key=value, for example schedule.epochs=3")] = [],  # noqa: B006
    device: Device = "auto",
) -> None:
    """Train a recipe; the finished run is a checkpoint, measured on the test images."""
    refuse_when_off()
    chosen = read_recipe(recipe, overrides=dict(parse_override(text) for text in set_))
    run_ = Run(to or runs_folder() / recipe.stem)
    with ranks.joined(choose_device(device)) as where:
        ready = _made_ready(chosen, where)
        with ranks.agreed():
            if ranks.rank() == 0 and not _broke_off(run_, chosen.settled(where)):
                Run.create(run_.folder, chosen.settled(where))
        with working(run_) as work:
            _train(run_, work, *ready)
    _say_if_stopped(run_, work)


def _broke_off(run_: Run, recipe: Recipe) -> bool:
    """Is this the run that torchrun starts again, by the same command, after one of its processes was killed?"""
    begun = (run_.folder / checkpoints.RECIPE).is_file() and not (run_.folder / checkpoints.CARD).is_file()
    return ranks.together() and begun and run_.recipe == recipe


@app.command()
def resume(
    folder: Annotated[Path, typer.Argument(help="a run's folder, or its name as `runs` shows it")],
    device: Device = "auto",
    background: Annotated[bool, typer.Option("--background", help="as `start` does")] = False,
) -> None:
    """Go on with a run that was stopped or killed."""
    refuse_when_off()
    run_ = Run(control.find(folder))
    if (run_.folder / checkpoints.CARD).is_file():
        raise UserError(f"{folder} is finished; `python -m robust_core measure {folder}` measures it again")
    if background:
        control.resume(run_.folder, device=None if device == "auto" else device)
        return typer.echo(f"{folder}: {control.look(run_.folder).status}")
    with ranks.joined(choose_device(device)) as where, working(run_) as work:
        if not run_.has_state:
            typer.echo("nothing was saved yet: training starts from the beginning")
        _train(run_, work, *_made_ready(run_.recipe, where))
    _say_if_stopped(run_, work)


def _made_ready(recipe: Recipe, where: torch.device) -> tuple[Splits, dict[str, Classifier], torch.device]:
    """Data, teachers and device: all that can be wrong with a recipe shows before there is a folder."""
    with ranks.agreed():
        if ranks.first_here():  # it downloads, the others of its machine read
            data.load(recipe.data.name, progress=_count("loading"))
    with ranks.agreed():
        splits = data.load(recipe.data.name)
        teachers = fitting_teachers(recipe, splits.train, where)
    return splits, teachers, where


def _train(run_: Run, work: Work, splits: Splits, teachers: dict[str, Classifier], where: torch.device) -> None:
    training = Training(run_, splits, device=where, on_event=_tell, teachers=teachers)
    if not training.train(stop=work.stop) or ranks.rank():
        return
    card = publish(run_, splits, device=where)
    with suppress(InterruptedError):  # stopped in the middle of the measuring
        clean, robust = _measure(checkpoints.at(run_.folder), card, splits, None, where, stop=work.stop)
        figures = {"clean": clean.accuracy, "robust": robust.accuracy, "worst_class": robust.worst_class, "n": robust.n}
        done = {"event": "complete", "step": training.step, **figures, "seconds": round(training.seconds, 2)}
        run_.log(done)
        _tell(done)


def _say_if_stopped(run_: Run, work: Work) -> None:
    if work.reason:
        trained = (run_.folder / checkpoints.CARD).is_file()
        way = "it is trained; measure it with: {} measure {}" if trained else "go on with: {} resume {}"
        typer.echo(f"stopped ({work.reason}); " + way.format("python -m robust_core", run_.folder))
        # torchrun would take any other number for a crash, and start the run again.
        raise typer.Exit(0 if ranks.together() else 3)


def _tell(event: dict[str, Any]) -> None:
    plain = {k: v for k, v in event.items() if k != "event" and not isinstance(v, (list, dict))}
    shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in plain.items()}
    typer.echo(f"{event['event']:>5}  " + "  ".join(f"{k} {v}" for k, v in shown.items()))


@app.command(name="list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="one JSON array instead of a table")] = False) -> None:
    """Every checkpoint with its measured figures, from its card."""
    rows = [table.row(checkpoint) for checkpoint in checkpoints.find_all()]
    typer.echo(json.dumps(rows, indent=1) if as_json else "\n".join(table.lines(rows)))


@app.command(name="measure")
def measure_(
    checkpoint: str,
    n: Annotated[int | None, typer.Option(help="the first n test images; all by default")] = None,
    eps: Annotated[
        str, typer.Option(help="pixel units of [0, 1], or as 8/255; the validation attack's by default")
    ] = "",
    data_name: DataName = "",
    device: Device = "auto",
    write: Annotated[bool, typer.Option(help="write the figures into the card")] = True,
) -> None:
    """Measure clean accuracy and PGD-20 on the test images, beside what the card says."""
    found = checkpoints.find(checkpoint)
    if found.card is None:
        raise UserError(found.problem or f"{checkpoint}: no card")
    splits = data.load(data_name or found.card.data_name, progress=_count("loading"))
    check_fit(found, splits.test)
    results = _measure(found, found.card, splits, n, choose_device(device), eps=eps, write=write)
    for kind, new in zip(("clean", "robust"), results, strict=True):
        old = getattr(found.card, kind)
        if old is not None:
            typer.echo(f"{kind}: the card says {_told(old)}; now {_told(new)}")


def _told(measure: Measure) -> str:
    attack = measure.attack.describe() if measure.attack else "untouched"
    return f"{measure.accuracy:.2%} of {measure.n} images of {measure.data_name} ({attack})"


def _measure(
    found: checkpoints.Checkpoint,
    card: Card,
    splits: Splits,
    n: int | None,
    device: torch.device,
    *,
    eps: str = "",
    write: bool = True,
    stop: Callable[[], bool] = lambda: False,
) -> list[Measure]:
    net = checkpoints.load(found, device)
    norm, usual = evaluation_command.budget(found, card)
    pgd20 = AttackSettings(name="pgd", norm=norm, eps=eps or usual, steps=20, seed=0)
    measures = []
    with held(found) if write else nullcontext():  # one evaluation at a time, or one would write over the other's
        for settings in (None, pgd20):
            label = settings.describe() if settings else "clean"
            result = measure(net, splits.test, settings, n=n, device=device, progress=_count(label, stop))
            told = f"{result.accuracy:.2%} of {result.n} test images, worst class {result.worst_class:.2%}"
            typer.echo(f"{label}: {told}")
            measures.append(result)
        if write:
            put_in_card(found, card, lambda now: now.with_measures(measures))
            typer.echo(f"written into the card of {found.name}")
    return measures


@app.command()
def attack(
    checkpoint: str,
    index: Annotated[int, typer.Option(help="which test image")] = 0,
    name: Annotated[str, typer.Option(help="fgsm, pgd, mi_fgsm, cw, apgd_ce, apgd_dlr, square, ...")] = "pgd",
    norm: Annotated[str, typer.Option(help="linf or l2")] = "linf",
    eps: Annotated[str, typer.Option(help="pixel units of [0, 1], or as 8/255")] = "0.1",
    steps: int = 20,
    step_size: Annotated[float | None, typer.Option(help="pixel units; 2.5·eps/steps by default")] = None,
    target: Annotated[int | None, typer.Option(help="class to reach; any other class by default")] = None,
    seed: int = 0,
    set_: Annotated[list[str], typer.Option("--set", help="any other setting, for example restarts=5 or kappa=0")] = [],  # noqa: B006
    data_name: Annotated[str, typer.Option("--data", help="image set; by default the one the card names")] = "",
    out: Annotated[Path | None, typer.Option(help="write x, x_adv and the settings to this .npz")] = None,
    device: Device = "cpu",
) -> None:
    """Attack one test image and say what the network sees before and after."""
    # As in the app: faster for one small image, and with more threads torch takes other kernels, and other last bits.
    torch.set_num_threads(1)
    found, where = checkpoints.find(checkpoint), choose_device(device)
    net = frozen(checkpoints.load(found, where))  # the view that the app attacks, too
    assert found.card is not None
    images = data.load(data_name or found.card.data_name).test
    check_fit(found, images)
    if not 0 <= index < len(images):
        raise UserError(f"index must be in [0, {len(images)}); got {index}")
    chosen = {"name": name, "norm": norm, "eps": eps, "steps": steps, "step_size": step_size, "seed": seed}
    settings = AttackSettings(**(chosen | dict(parse_value(text) for text in set_)))
    x, y = images.floats([index]).to(where), images.labels[[index]].to(where)
    if target is not None and not 0 <= target < len(images.class_names):
        raise UserError(f"target must be a class in [0, {len(images.class_names)}); got {target}")
    x_adv = run(settings, net, x, y, target=target)
    names = images.class_names
    for label, image in (("clean", x), ("adversarial", x_adv)):
        with torch.no_grad():
            logits = net(image)
        p, k = logits.softmax(dim=1).max(dim=1)
        typer.echo(f"{label}: {names[int(k)]} ({float(p):.4f}), margin {float(margin(logits, y)):+.3f}")
    typer.echo(f"true class: {names[int(y)]}; {settings.describe()}")
    if out is not None:
        with open(out, "wb") as file:  # by the name that was asked for: given a path, savez may add to it
            written = settings.model_dump_json()
            np.savez(file, x=x.cpu().numpy(), x_adv=x_adv.cpu().numpy(), y=y.cpu().numpy(), settings=written)
        typer.echo(f"wrote {out}")


def _count(label: str, stop: Callable[[], bool] = lambda: False) -> Any:
    """A progress line on a terminal, silent elsewhere. Raises InterruptedError where `stop` says so."""
    shown = {"at": 0.0}

    def tell(done: int, of: int) -> None:
        if stop():
            raise InterruptedError
        if sys.stderr.isatty() and (time.monotonic() - shown["at"] > 0.2 or done == of):
            shown["at"] = time.monotonic()
            end = "\n" if done == of else ""
            print(f"\r{label}: {done:,} of {of:,}", end=end, file=sys.stderr, flush=True)

    return tell


def main() -> None:
    try:
        app()
    except UserError as error:
        if ranks.leads():  # the others have the same to say
            typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from error
    except OSError as error:
        typer.echo(f"error: {error.filename or 'writing'}: {error.strerror or error}", err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
