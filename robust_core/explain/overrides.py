"""Taking hold of the route: what the prediction would be had the image gone another way.

An override says what to put in the router's place; `apply` runs a crowd's pictures, clean and adversarial, under it.
The adversarial images are those made against the free network; `attack_anew` makes new ones against the held one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from robust_core.attacks import margin, run
from robust_core.batches import Progress, in_batches
from robust_core.explain.crowd import Crowd, Seen, class_means
from robust_core.explain.routing import blocks_of, decisions, joined
from robust_core.registry import unknown
from robust_core.routed import Routed
from robust_core.types import TYPES, Classifier, Route, Routing, TypeName, UserError

Source = Literal["own", "clean", "adversarial", "class_mean", "shuffled", "ones"]


@dataclass(frozen=True, kw_only=True)
class Override:
    """What to put in the router's place; left as it is, nothing.

    p_type: the mixture of batch norms, by name or as the adversarial share. signals: whose to use in `where`: the
    router's own, those of the same picture's clean or adversarial copy, the mean of the clean images of its true class,
    its own in shuffled order over the filters (one order a conv, from `seed`), or ones. where: blocks or convs; all
    where empty. scale: factor on the signals there. experts: by conv which one.
    Raises UserError for an unknown source, and a scale or share that is out of range.
    """

    p_type: TypeName | float | None = None
    signals: Source = "own"
    where: tuple[str, ...] = ()
    scale: float = 1.0
    experts: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.signals not in get_args(Source):
            raise unknown("source of signals", self.signals, get_args(Source))
        if isinstance(self.p_type, str) and self.p_type not in TYPES:
            raise unknown("type", self.p_type, TYPES)
        if isinstance(self.p_type, (int, float)) and not 0 <= self.p_type <= 1:
            raise UserError(f"p_type is the share of the adversarial batch norm, in [0, 1]; got {self.p_type:g}")
        if not 0 <= self.scale <= 2:
            raise UserError(f"the scale of signals must be in [0, 2]; got {self.scale:g}")

    @property
    def free(self) -> bool:
        """Does it change nothing?"""
        return self.p_type is None and self.signals == "own" and self.scale == 1 and not self.experts

    def describe(self) -> str:
        """One line for people."""
        words = []
        if self.p_type is not None:
            named = isinstance(self.p_type, str)
            words.append(f"{self.p_type} batch norm" if named else f"P(adversarial) = {self.p_type:.2f}")
        places = f" in {', '.join(self.where)}" if self.where else ""
        told = {"own": "", "class_mean": "class-mean signals", "ones": "signals of 1", "shuffled": "shuffled signals"}
        source = told.get(self.signals, f"the {self.signals} image's signals")
        words += [source + places] if source else []
        words += [f"signals × {self.scale:g}{places}"] if self.scale != 1 else []
        words += [f"{conv}: expert {expert}" for conv, expert in self.experts.items()]
        return ", ".join(words) or "the router's own route"


def convs_in(route: Route, where: tuple[str, ...]) -> tuple[str, ...]:
    """The convs that blocks or convs name; all where none is named. Raises UserError for an unknown one."""
    blocks, known = blocks_of(route), tuple(decisions(route))
    for name in where:
        if name not in blocks and name not in known:
            raise UserError(f"no routed block or conv {name!r}; known: {', '.join((*blocks, *known))}")
    wanted = {conv for name in where for conv in blocks.get(name, (name,))}
    return tuple(conv for conv in known if not where or conv in wanted)


def routings(
    override: Override, clean: Route, adversarial: Route, means: Mapping[str, Float[Tensor, "n f"]] | None = None
) -> tuple[Routing, Routing]:
    """The override as `Routing`s of the clean batch and of the adversarial one, given both free routes.

    means: per conv (N, F) the class mean of each row's true class, for signals="class_mean".
    Raises UserError where the override does not fit the network.
    """
    both = clean, adversarial
    if clean.experts:
        if override.signals != "own" or override.scale != 1 or override.p_type is not None:
            raise UserError(
                "this network chooses experts: it has no signals and no types to override; known: experts, "
                f"0 to {next(iter(clean.experts.values())).shape[1] - 1} in {', '.join(clean.experts)}"
            )
        _check_experts(override, clean)
        held = Routing(experts=dict(override.experts))
        return held, held
    if override.experts:
        raise UserError("this network has no experts to choose; known: p_type, signals, scale")
    if override.p_type is not None and clean.p_type is None:
        raise UserError("this network tells no types, so none can be forced; known: signals, scale")
    touched = override.signals != "own" or override.scale != 1
    if touched and not clean.signals:
        raise UserError("this network has no signals to override; known: p_type")
    convs = convs_in(clean, override.where) if touched else ()
    made = []
    for own in both:
        signals = {conv: _signal(override, conv, own, clean, adversarial, means) * override.scale for conv in convs}
        made.append(Routing(p_type=override.p_type, signals=signals))
    return made[0], made[1]


def _check_experts(override: Override, route: Route) -> None:
    for conv, expert in override.experts.items():
        if conv not in route.experts:
            raise UserError(f"no conv with experts {conv!r}; known: {', '.join(route.experts)}")
        most = route.experts[conv].shape[1]
        if not 0 <= expert < most:
            raise UserError(f"experts of {conv!r} are 0 to {most - 1}; got {expert}")


def _signal(
    override: Override,
    conv: str,
    own: Route,
    clean: Route,
    adversarial: Route,
    means: Mapping[str, Tensor] | None,
) -> Tensor:
    signal = own.signals[conv]
    if override.signals == "ones":
        return torch.ones_like(signal)
    if override.signals in TYPES:
        return (clean if override.signals == "clean" else adversarial).signals[conv]
    if override.signals == "class_mean":
        if means is None:
            raise UserError("the class means of the signals are needed: collect a crowd first")
        return means[conv].to(signal)
    if override.signals == "shuffled":
        place = list(clean.signals).index(conv)
        generator = torch.Generator().manual_seed(override.seed * 1009 + place)
        return signal[:, torch.randperm(signal.shape[1], generator=generator)]
    return signal


def apply(
    model: Classifier,
    crowd: Crowd,
    override: Override,
    *,
    means: Mapping[str, Tensor] | None = None,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> tuple[Seen, Seen]:
    """What the network says of the crowd's clean and adversarial images under the override.

    means: by conv the clean class means (K, F) for signals="class_mean"; the crowd's own by default. Raises UserError
    where the override does not fit, and where a picture's class has no mean.
    """
    known = _known_means(override, crowd, means)

    @torch.no_grad()
    def held(rows: slice) -> list[Seen]:
        both = zip((crowd.x, crowd.x_adv), _rows(override, crowd, known, rows), strict=True)
        traces = [model.trace(images[rows], routing=routing) for images, routing in both]
        return [Seen(logits=trace.logits, route=trace.route) for trace in traces]

    clean, adversarial = zip(*in_batches(held, len(crowd), batch_size, progress=progress), strict=True)
    return _joined(clean), _joined(adversarial)


def attack_anew(
    model: Classifier, crowd: Crowd, override: Override, *, batch_size: int = 128, progress: Progress | None = None
) -> Seen:
    """What the held network says of images crafted against itself: the attacker knows the override.

    The crowd's attack with one attempt. Held signals stay what they were for the image that set out.
    """
    means = _known_means(override, crowd, None)
    attack = crowd.attack.replace(restarts=1) if "restarts" in crowd.attack.used else crowd.attack

    def seen(rows: slice) -> Seen:
        held = Routed(model, _rows(override, crowd, means, rows)[0]).eval()
        x_adv = run(attack, held, crowd.x[rows], crowd.y[rows], indices=crowd.index[rows])
        with torch.no_grad():
            trace = held.trace(x_adv)
        return Seen(logits=trace.logits, route=trace.route)

    return _joined(in_batches(seen, len(crowd), batch_size, progress=progress))


def _known_means(override: Override, crowd: Crowd, means: Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
    if override.signals != "class_mean":
        return None
    known = {conv: both[0] for conv, both in class_means(crowd).items()} if means is None else means
    if any(bool(values[crowd.y].isnan().any()) for values in known.values()):
        raise UserError("a class among these pictures has no clean images to take the mean signals of: collect more")
    return known


def _rows(override: Override, crowd: Crowd, means: Mapping[str, Tensor] | None, rows: slice) -> tuple[Routing, Routing]:
    clean, adversarial = (s.route.map(lambda values: values[rows]) for s in (crowd.clean, crowd.adversarial))
    part = None if means is None else {conv: values[crowd.y[rows]] for conv, values in means.items()}
    return routings(override, clean, adversarial, part)


def _joined(parts: Sequence[Seen]) -> Seen:
    return Seen(logits=torch.cat([p.logits for p in parts]), route=joined([p.route for p in parts]))


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Counts over n pictures. clean: right when untouched. robust: right when untouched and when attacked. changed:
    adversarial images of which another class is predicted than on the free route. margins: mean, in logits."""

    n: int
    clean: int
    robust: int
    changed: int
    clean_margin: float
    adversarial_margin: float


def effect(crowd: Crowd, clean: Seen, adversarial: Seen) -> Effect:
    """Counts for one way of routing a crowd; (crowd.clean, crowd.adversarial) is the free one."""
    right, still = _right(clean, crowd), _right(adversarial, crowd)
    moved = adversarial.logits.argmax(dim=1) != crowd.adversarial.logits.argmax(dim=1)
    return Effect(
        n=len(crowd),
        clean=int(right.sum()),
        robust=int((right & still).sum()),
        changed=int(moved.sum()),
        clean_margin=float(margin(clean.logits, crowd.y).mean()),
        adversarial_margin=float(margin(adversarial.logits, crowd.y).mean()),
    )


def _right(seen: Seen, crowd: Crowd) -> Bool[Tensor, " n"]:
    right: Tensor = seen.logits.argmax(dim=1) == crowd.y
    return right
