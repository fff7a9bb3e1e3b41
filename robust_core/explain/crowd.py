"""The routes of many images, clean and adversarial: what a router tells apart, and which paths it really uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robust_core.attacks import AttackSettings, run
from robust_core.batches import Progress, in_batches
from robust_core.explain.routing import Way, check_dynamic, decisions, joined
from robust_core.types import TYPES, Classifier, ImageSet, Route, Trace, UserError

STILL = 1e-3  # standard deviation over images below which a decision counts as constant


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What a network says of a batch: logits (N, K), and the route it took."""

    logits: Float[Tensor, "n k"]
    route: Route


@dataclass(frozen=True, kw_only=True, eq=False)
class Crowd:
    """N pictures, each clean and attacked, with the routes of both. index: which of its image set each is."""

    class_names: tuple[str, ...]
    attack: AttackSettings
    index: Int64[Tensor, " n"]
    y: Int64[Tensor, " n"]
    x: Float[Tensor, "n c h w"]
    x_adv: Float[Tensor, "n c h w"]
    clean: Seen
    adversarial: Seen

    def __len__(self) -> int:
        return len(self.y)

    @property
    def both(self) -> Route:
        """2N rows: the clean ones, then the adversarial ones."""
        return joined([self.clean.route, self.adversarial.route])

    @property
    def types(self) -> Int64[Tensor, " m"]:
        """Of the 2N rows: 0 clean, 1 adversarial, as in TYPES."""
        return torch.arange(len(TYPES)).repeat_interleave(len(self))

    @property
    def classes(self) -> Int64[Tensor, " m"]:
        """True class of the 2N rows."""
        return self.y.repeat(2)

    @property
    def right(self) -> Bool[Tensor, " m"]:
        """Of the 2N rows: is the prediction right?"""
        return torch.cat([self.clean.logits, self.adversarial.logits]).argmax(dim=1) == self.classes

    def first(self, n: int) -> Crowd:
        """The first n pictures. Raises UserError where n is not in [1, N]."""
        if not 1 <= n <= len(self):
            raise UserError(f"n must be in [1, {len(self)}]; got {n}")

        def cut(seen: Seen) -> Seen:
            return Seen(logits=seen.logits[:n], route=seen.route.map(lambda values: values[:n]))

        return Crowd(
            class_names=self.class_names,
            attack=self.attack,
            index=self.index[:n],
            y=self.y[:n],
            x=self.x[:n],
            x_adv=self.x_adv[:n],
            clean=cut(self.clean),
            adversarial=cut(self.adversarial),
        )


def collect(
    model: Classifier,
    images: ImageSet,
    index: Int64[Tensor, " n"] | None,
    attack: AttackSettings,
    *,
    view: Classifier | None = None,
    batch_size: int = 128,
    progress: Progress | None = None,
) -> Crowd:
    """Attacks the pictures `index` of a set (all by default) and keeps both routes of each.

    view: attacked in the model's place where it is a faster view of it; what counts is what `model` says.
    progress(done, n) is called after each batch. Raises UserError for a static network and for no pictures at all.
    """
    chosen = torch.arange(len(images)) if index is None else index
    if not len(chosen):
        raise UserError("no images to look at: choose one class or more, and n of 1 or more")
    if bool(((chosen < 0) | (chosen >= len(images))).any()):
        raise UserError(f"images of {images.name!r} are numbered 0 to {len(images) - 1}; got {int(chosen.max())}")
    x, y = images.floats(chosen), images.labels[chosen]
    check_dynamic(seen_by(model, x[:1]).route)

    def attacked(rows: slice) -> Tensor:
        return run(attack, view or model, x[rows], y[rows], indices=chosen[rows])

    x_adv = torch.cat(in_batches(attacked, len(chosen), batch_size, progress=progress))
    return Crowd(
        class_names=images.class_names,
        attack=attack,
        index=chosen,
        y=y,
        x=x,
        x_adv=x_adv,
        clean=seen_by(model, x),
        adversarial=seen_by(model, x_adv),
    )


def alone(way: Way, class_names: tuple[str, ...]) -> Crowd:
    """The picture of a `follow` as a crowd of one, adversarial at the attack's end."""
    last = slice(len(way.index) - 1, None)
    return Crowd(
        class_names=class_names,
        attack=way.settings,
        index=torch.zeros(1, dtype=torch.int64),
        y=torch.tensor([way.y]),
        x=way.x,
        x_adv=way.images[last],
        clean=Seen(logits=way.clean_logits, route=way.clean),
        adversarial=Seen(logits=way.logits[last], route=way.at(-1)),
    )


def seen_by(model: Classifier, x: Tensor, *, batch_size: int = 256) -> Seen:
    """Logits and routes of many images, a batch at a time."""

    @torch.no_grad()
    def trace(rows: slice) -> Trace:
        return model.trace(x[rows])

    traces = in_batches(trace, len(x), batch_size)
    return Seen(logits=torch.cat([t.logits for t in traces]), route=joined([t.route for t in traces]))


def spread(route: Route) -> dict[str, float]:
    """By conv the largest standard deviation over images of any filter's signal, or of any expert's probability."""
    return {name: float(values.std(dim=0, correction=0).max()) for name, values in decisions(route).items()}


def constant_convs(route: Route) -> tuple[str, ...]:
    """Convs about which the router decides the same for every image, to within STILL."""
    return tuple(name for name, value in spread(route).items() if value < STILL)


def is_constant(route: Route) -> bool:
    """Does the router decide the same about every image: every conv, and the type?"""
    still = len(constant_convs(route)) == len(decisions(route))
    return still and (route.p_type is None or float(route.p_type.std(dim=0, correction=0).max()) < STILL)


def type_accuracy(route: Route, true: int) -> float:
    """Share of images whose likelier type is the true one, 0 clean or 1 adversarial. Raises UserError without types."""
    if route.p_type is None:
        raise UserError("this network tells no types")
    return float((route.p_type.argmax(dim=1) == true).float().mean())


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What a conv's signals vary with, as shares that add up to 1: the type, the class (within a type), or neither.

    total: the variance itself, summed over filters. All three are NaN where nothing varies.
    """

    types: float
    classes: float
    within: float
    total: float


def variance_shares(values: Float[Tensor, "m f"], types: Int64[Tensor, " m"], classes: Int64[Tensor, " m"]) -> Shares:
    """Sums of squares, exactly: total = between types + between the classes of each type + within them.

    Filters are summed. The between parts are of means over finite groups, so a group of one image is all "between".
    Raises UserError where rows do not fit.
    """
    if not values.shape[:1] == types.shape == classes.shape:
        raise UserError(f"one type and one class a row: {tuple(values.shape)}, {tuple(types.shape)}")
    v = values.double()
    cells = types * (int(classes.max()) + 1) + classes
    by_type, by_cell = _group_means(v, types), _group_means(v, cells)
    mean = v.mean(dim=0)
    total = float((v - mean).square().sum())
    if total / v.numel() < STILL**2:
        return Shares(types=float("nan"), classes=float("nan"), within=float("nan"), total=total / len(v))
    return Shares(
        types=float((by_type - mean).square().sum()) / total,
        classes=float((by_cell - by_type).square().sum()) / total,
        within=float((v - by_cell).square().sum()) / total,
        total=total / len(v),
    )


def _group_means(values: Tensor, groups: Tensor) -> Tensor:
    """Each row's group mean, in the row's place."""
    _, number = groups.unique(return_inverse=True)
    sums = torch.zeros(int(number.max()) + 1, values.shape[1], dtype=values.dtype).index_add(0, number, values)
    return (sums / torch.bincount(number)[:, None])[number]


def shares_by_conv(crowd: Crowd) -> dict[str, Shares]:
    """`variance_shares` of each conv."""
    return {name: variance_shares(values, crowd.types, crowd.classes) for name, values in decisions(crowd.both).items()}


def class_means(crowd: Crowd) -> dict[str, Float[Tensor, "2 k f"]]:
    """By conv the mean decision of each type (clean, adversarial) and true class; NaN for a class without images."""
    means: dict[str, Tensor] = {}
    for name in decisions(crowd.clean.route):
        both = []
        for seen in (crowd.clean, crowd.adversarial):
            values = decisions(seen.route)[name]
            rows = [values[crowd.y == k].mean(dim=0) for k in range(len(crowd.class_names))]
            both.append(torch.stack(rows))
        means[name] = torch.stack(both)
    return means


def expert_load(route: Route) -> dict[str, Float[Tensor, " e"]]:
    """By conv the share of images that use each expert; sums to 1."""
    return {
        name: torch.bincount(p.argmax(dim=1), minlength=p.shape[1]).float() / len(p)
        for name, p in route.experts.items()
    }


def collapsed(load: Mapping[str, Float[Tensor, " e"]], most: float = 0.99) -> tuple[str, ...]:
    """Convs in which one expert takes `most` of the images or more: they are no choice any more."""
    return tuple(name for name, share in load.items() if float(share.max()) >= most)
