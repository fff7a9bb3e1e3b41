"""The attacks by name, and the one call that runs any of them from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from robust_core.attacks.apgd import apgd
from robust_core.attacks.gradient import cw_pgd, fgsm, pgd
from robust_core.attacks.noise import Noise
from robust_core.attacks.router import path_pgd, router_pgd
from robust_core.attacks.settings import ATTACKS, Attack, AttackSettings, settings_table
from robust_core.attacks.square import square
from robust_core.attacks.steps import Classes, Images, OnStep
from robust_core.types import TYPES, UserError


def _fgsm(*args: object, generator: object, **kwargs: object) -> Tensor:
    return fgsm(*args, **kwargs)  # type: ignore[arg-type]


_START = ("restarts", "random_start", "seed")
ATTACKS.register("fgsm")(Attack(run=_fgsm, label="FGSM", uses=settings_table()))
ATTACKS.register("pgd")(Attack(run=pgd, label="PGD", uses=settings_table("steps", "step_size", "start", *_START)))
ATTACKS.register("mi_fgsm")(
    Attack(
        run=pgd,
        label="MI-FGSM",
        uses=settings_table("step_size", "momentum", "restarts", "seed", steps=10, random_start=False),
    )
)
ATTACKS.register("cw")(
    Attack(run=cw_pgd, label="CW", uses=settings_table("step_size", "kappa", "start", *_START, steps=30)),
)
for _loss, _label in (("ce", "APGD-CE"), ("dlr", "APGD-DLR"), ("dlr_t", "APGD-DLR-T")):
    ATTACKS.register(f"apgd_{_loss}")(
        Attack(run=partial(apgd, loss=_loss), label=_label, uses=settings_table(*_START, steps=100))
    )
_PATH = ("steps", "step_size", "start", *_START)
for _type in TYPES:
    ATTACKS.register(f"router_to_{_type}")(
        Attack(
            run=partial(router_pgd, towards=_type),
            label=f"PGD to the {_type} route",
            uses=settings_table("route_weight", *_PATH),
            routed="types",
        )
    )
    ATTACKS.register(f"path_{_type}")(
        Attack(
            run=partial(path_pgd, path=_type),
            label=f"PGD on the {_type} path",
            uses=settings_table(*_PATH),
            routed="types",
        )
    )
ATTACKS.register("router_type")(
    Attack(
        run=partial(router_pgd, towards="type"),
        label="PGD on the type",
        uses=settings_table(*_PATH),
        targeted=False,
        routed="types",
    )
)
ATTACKS.register("router_signals")(
    Attack(
        run=partial(router_pgd, towards="signals"),
        label="PGD on the signals",
        uses=settings_table(*_PATH),
        targeted=False,
        routed="any",
    )
)
ATTACKS.register("square")(
    Attack(run=square, label="Square", uses=settings_table("queries", "seed"), white_box=False),
)


def run(
    settings: AttackSettings,
    model: nn.Module,
    x: Images,
    y: Classes,
    *,
    target: Classes | int | None = None,
    on_step: OnStep | None = None,
    indices: Tensor | Sequence[int] | None = None,
) -> Images:
    """The adversarial images of x under the settings.

    x: float32 (N, C, H, W) in [0, 1], on the model's device; y: int64 (N,); target: the class, or classes (N,), to
    reach instead of leaving y. indices: which image of the data set each is, 0 … N - 1 where not given. The noise of an
    image is a function of (settings.seed, its index) alone: a data set attacked in any batches, or on another device,
    gets the noise it would get in one call.
    The model is used as it is: put it in eval mode. Raises UserError where images, classes or target do not fit.
    """
    entry = ATTACKS[settings.name]
    if isinstance(target, int):
        target = torch.full_like(y, target)
    check_images(x, y, target)
    if target is not None and not entry.targeted:
        raise UserError(f"attack {settings.name!r} cannot aim at a class; leave the target out")
    if settings.eps == 0 and on_step is None:
        return x.clone()
    index = torch.arange(len(x)) if indices is None else torch.as_tensor(indices, dtype=torch.int64)
    if index.shape != (len(x),):
        raise UserError(f"indices must be one number an image, {len(x)}; got {tuple(index.shape)}")
    return entry.run(
        model,
        x,
        y,
        settings.ball,
        target=target,
        generator=Noise(settings.seed, index.to(x.device)),
        on_step=on_step,
        **settings.used,
    )


def check_images(x: Tensor, y: Tensor, target: Tensor | None) -> None:
    """Raises UserError where images or classes are of the wrong kind, shape or range."""
    if x.dtype != torch.float32 or x.ndim != 4:
        raise UserError(f"images must be float32 (N, C, H, W) in [0, 1]; got {x.dtype} {tuple(x.shape)}")
    if len(x) and not (float(x.min()) >= 0 and float(x.max()) <= 1):
        raise UserError(f"images must lie in [0, 1]; got [{float(x.min()):.4g}, {float(x.max()):.4g}]; divide by 255?")
    for name, classes in (("y", y), ("target", target)):
        if classes is not None and (classes.dtype != torch.int64 or classes.shape != x.shape[:1]):
            raise UserError(f"{name} must be int64 ({len(x)},); got {classes.dtype} {tuple(classes.shape)}")
