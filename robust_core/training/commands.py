"""The commands of training: runs, start, stop, change, discard, estimate, import. Each is one call of the core."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from robust_core import checkpoints, data
from robust_core.device import choose_device
from robust_core.training import control
from robust_core.training.adopt import adopt, parse_normalisation
from robust_core.training.estimate import estimate
from robust_core.training.recipe import parse_override, parse_value, read_recipe
from robust_core.training.status import Seen
from robust_core.training.teachers import load_teachers

app = typer.Typer()

RecipeFile = Annotated[Path, typer.Argument(help="a recipe, as in recipes/zoo")]
Overrides = Annotated[list[str], typer.Option("--set", help="key=value, for example schedule.epochs=3")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="a run's folder, or its name as `runs` shows it")]
Device = Annotated[str, typer.Option(help="auto, cuda, mps or cpu")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text")]


@app.command(name="runs")
def runs_(
    folder: Annotated[Path | None, typer.Argument(help="another folder to look in, too")] = None,
    as_json: AsJson = False,
) -> None:
    """Every run: what it is doing, how far it is, and its last validation."""
    seen = control.runs(folder)
    if as_json:
        typer.echo(json.dumps([_facts(run) for run in seen], indent=1))
        return
    heads = f"{'run':28} {'status':>9} {'step':>13} {'epoch':>5} {'img/s':>7} {'left':>8} {'clean':>6} {'robust':>6}"
    typer.echo(heads)
    for run in seen:
        typer.echo(_line(run))


@app.command()
def start(
    recipe: RecipeFile,
    to: Annotated[Path | None, typer.Option(help="the run's folder, below runs/; made from the recipe's name")] = None,
    set_: Overrides = [],  # noqa: B006
    device: Device = "auto",
) -> None:
    """Train a recipe in the background, or queue it where others are running."""
    chosen = read_recipe(recipe, overrides=dict(parse_override(text) for text in set_))
    folder = control.start(chosen, name=recipe.stem, to=to, device=device)
    _say(control.look(folder))


@app.command()
def stop(
    run: RunName,
    wait: Annotated[float, typer.Option(help="seconds to wait until it has stopped")] = 60.0,
) -> None:
    """Save a run's state and end it, or take it out of the queue; `resume` goes on with it."""
    control.stop(run)
    _say(control.wait(run, seconds=wait))


@app.command()
def change(
    run: RunName,
    set_: Annotated[list[str], typer.Option("--set", help="lr, eps, steps or step_size, for example lr=0.05")],
) -> None:
    """Change a run while it goes: its highest learning rate, or its inner attack."""
    control.change(run, **dict(parse_value(text) for text in set_))
    goes = control.look(control.find(run)).status == "running"
    typer.echo(f"{run}: taken before its next step" + ("" if goes else ", when it goes on"))


@app.command()
def discard(run: RunName) -> None:
    """Delete a run that does not run."""
    control.discard(run)
    typer.echo(f"{run}: gone")


@app.command(name="estimate")
def estimate_(
    recipe: RecipeFile,
    set_: Overrides = [],  # noqa: B006
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """What a recipe will take, time and memory, from a few timed steps."""
    chosen = read_recipe(recipe, overrides=dict(parse_override(text) for text in set_))
    where, splits = choose_device(device), data.load(chosen.data.name)
    found = estimate(chosen, splits, device=where, teachers=load_teachers(chosen, splits.train, where))
    typer.echo(json.dumps(asdict(found), indent=1) if as_json else found.describe())


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="a state dict: .pth, .pt or .safetensors")],
    architecture: Annotated[str, typer.Option(help="resnet18, wrn_34_10, ...; one that is not known lists them")],
    data_name: Annotated[str, typer.Option("--data", help="data set it was trained on")],
    to: Annotated[Path | None, typer.Option(help="checkpoints/<data>/<file> by default")] = None,
    mean: Annotated[str, typer.Option(help="input normalisation, one number a channel: 0.4914,0.4822,0.4465")] = "",
    std: Annotated[str, typer.Option(help="as --mean")] = "",
    title: Annotated[str, typer.Option(help="as the pages call it; the file's name by default")] = "",
    method: Annotated[str, typer.Option(help="how it was trained, for the card")] = "imported",
    set_: Annotated[list[str], typer.Option("--set", help="an option of the architecture, for example depth=28")] = [],  # noqa: B006
) -> None:
    """Make a checkpoint of a state dict that others released; `measure` then measures it."""
    folder = to or checkpoints.zoo_folder() / Path(data_name).stem / file.stem
    made = adopt(
        file,
        folder,
        architecture=architecture,
        data_name=data_name,
        normalize=parse_normalisation(mean, std),
        title=title,
        method=method,
        options=dict(parse_value(text) for text in set_),
    )
    assert made.card is not None
    typer.echo(f"{folder}: {architecture}, {made.card.parameters:,} parameters. {made.card.notes}")


def _facts(run: Seen) -> dict[str, Any]:
    facts = {key: value for key, value in asdict(run).items() if key not in ("recipe", "folder")}
    return facts | {"folder": str(run.folder)}


def _line(run: Seen) -> str:
    at = run.progress
    status = f"queue {run.place}" if run.place else "stopping" if run.stopping else run.status
    step = f"{at.step:,}/{at.of:,}" if at.of else "—"
    rate = f"{at.images_per_second:,.0f}" if at.images_per_second else "—"
    left = f"{at.seconds_left:,.0f} s" if at.seconds_left is not None and run.status == "running" else "—"
    clean, robust = (f"{share:.1%}" if share is not None else "—" for share in (at.clean, at.robust))
    why = f"  {run.told.splitlines()[-1]}" if run.told else ""
    return f"{run.name:28} {status:>9} {step:>13} {at.epoch:>5} {rate:>7} {left:>8} {clean:>6} {robust:>6}{why}"


def _say(run: Seen) -> None:
    typer.echo(f"{run.folder}: {'stopping' if run.stopping else run.status}{f' ({run.told})' if run.told else ''}")
