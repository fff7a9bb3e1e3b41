"""A network under attacks that know its router, on the training images its run held out.

    python benchmarks/held_out.py [NAME or run folder ...] [--images 2000] [--only ATTACK ...]

PGD-20 with a step of ε/8 and one start, end to end; of a network that guesses types the same towards either route, on
the type, and on either path held. Made on the bfloat16 view, judged by the plain network in float32; an image that is
wrong untouched counts as wrong. Then each type's path alone: clean, and under PGD on that path. A line an attack, then
one JSON object a network; a minute or two for 2,000 images of Fashion-MNIST. AW-Nets are selected by this
(EXPERIMENTS.md).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from robust_core import checkpoints
from robust_core.attacks import AttackSettings, run
from robust_core.data import holdout, load
from robust_core.frozen import frozen
from robust_core.routed import Routed
from robust_core.training.recipe import Recipe, read_recipe
from robust_core.types import TYPES, Classifier, ImageSet, Routing, UserError

BATCH = 250
KNOWING = ("router_to_clean", "router_to_adversarial", "router_type", "path_clean", "path_adversarial")


def held_out(recipe: Recipe) -> ImageSet:
    """The images that the recipe's run was selected on and not trained on."""
    return holdout(load(recipe.data.name).train, recipe.data.holdout, recipe.seed)[1]


@torch.no_grad()
def right(net: Classifier, x: Tensor, y: Tensor) -> Tensor:
    """Which of the images it has right."""
    return torch.cat([net(part).argmax(1) for part in x.split(BATCH)]) == y


def stands(name: str, net: Classifier, x: Tensor, y: Tensor, eps: float, way: Routing | None = None) -> Tensor:
    """Which images are right untouched and after the attack; both on `way`, where one is named."""
    view, judge = frozen(net, torch.bfloat16), frozen(net)
    if way is not None:
        view, judge = Routed(view, way), Routed(judge, way)
    settings = AttackSettings(name=name, eps=eps, steps=20, step_size=eps / 8)
    adv = torch.cat([run(settings, view, *part) for part in zip(x.split(BATCH), y.split(BATCH), strict=True)])
    return right(judge, x, y) & right(judge, adv, y)


def measured(folder: Path, n: int, only: list[str]) -> dict[str, float | int | str]:
    """Shares in [0, 1] by name; "worst" is the worst case over all attacks, image by image.

    Raises UserError where the folder has no recipe, or holds no network.
    """
    recipe, net = read_recipe(folder / "recipe.toml"), checkpoints.load(checkpoints.at(folder))
    images = held_out(recipe)
    n = min(n, len(images))
    x, y, eps = images.floats(slice(0, n)), images.labels[:n], recipe.attack.eps
    clean = right(net, x, y)
    found = {"clean": clean}
    for name in only or ["pgd", *(KNOWING if net.typed else ())]:
        found[name] = clean & stands(name, net, x, y, eps)
        print(f"{folder.name}, {name}: {100 * float(found[name].float().mean()):.1f} %", flush=True)
    found["worst"] = torch.stack(list(found.values())).all(0)
    for kind in TYPES if net.typed and not only else ():
        way = Routing(p_type=kind)
        found[f"{kind} path, clean"] = right(Routed(net, way), x, y)
        found[f"{kind} path, pgd"] = stands("pgd", net, x, y, eps, way)
    return {"network": folder.name, "held out": n, "eps": eps} | {k: int(v.sum()) / n for k, v in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["fashion_mnist/aw_net"], help="names, or run folders")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--only", nargs="*", default=[], help="these attacks instead")
    args = parser.parse_args()
    try:
        for name in args.networks:
            folder = Path(name) if Path(name).is_dir() else checkpoints.find(name).folder
            print(json.dumps(measured(folder, args.images, args.only)))
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
