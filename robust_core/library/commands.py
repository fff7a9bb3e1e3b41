"""The command of the library: an image set of one's own, by its path in place of an upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from robust_core.library import sets
from robust_core.library.limits import slug

app = typer.Typer()


@app.command(name="import-images")
def import_images(
    path: Annotated[Path, typer.Argument(help="a folder or .zip with a sub-folder of images for each class")],
    title: Annotated[str, typer.Option(help="as people call it; its name is made from it")] = "",
    licence: Annotated[str, typer.Option(help="as its owner states it")] = "",
    source: Annotated[str, typer.Option(help="where it is from")] = "",
) -> None:
    """Keep a folder or zip of images as a data set, known to recipes and pages by its name from then on."""
    title = title or slug(path.stem)
    made, skipped = sets.bring(path, file=path.name, title=title, licence=licence, source=source)
    shape = " × ".join(map(str, made.shape))
    typer.echo(f"{made.name}: {made.train:,} training and {made.test:,} test images, {shape}")
    typer.echo(f"{len(made.class_names)} classes: {', '.join(made.class_names)}")
    for each in skipped[:20]:
        typer.echo(f"left out: {each}")
    if len(skipped) > 20:
        typer.echo(f"and {len(skipped) - 20} more left out")
