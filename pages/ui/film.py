"""An attack on one picture as a film: every step's picture, logits, loss, margin and route, as plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust_core.attacks import AttackSettings, Step, run
from robust_core.types import Classifier, Routing, Trace, trace

Array = NDArray[np.float32]
MAX_FRAMES = 101


@dataclass(frozen=True, kw_only=True, eq=False)
class Film:
    """S frames of one attack by one network; the last is the picture the attack returns. Shared: read only.

    y: the class the attack leaves, the true one or, where nobody knows that, the network's own answer. index: the
    frames' step numbers (S,). images (S, C, H, W); logits (S, K); loss, margin (S,); p_adversarial (S,), None for a
    static network; signals: per conv (S, filters). clean_*: the same of the untouched picture.
    """

    settings: AttackSettings
    y: int
    target: int | None
    x: Array
    index: tuple[int, ...]
    images: Array
    logits: Array
    loss: Array
    margin: Array
    p_adversarial: Array | None
    signals: Mapping[str, Array] = field(default_factory=dict)
    clean_logits: Array
    clean_p_adversarial: float | None
    clean_signals: Mapping[str, Array] = field(default_factory=dict)

    @property
    def x_adv(self) -> Array:
        return self.images[-1]

    @property
    def probabilities(self) -> Array:
        return softmax(self.logits)

    @property
    def clean_probabilities(self) -> Array:
        return softmax(self.clean_logits)

    @property
    def verdicts(self) -> list[str]:
        """A word on each frame: short of the attacker's target a network may yet have left the true class."""
        if self.clean_answer != self.y:
            return ["wrong before any attack"] * len(self.index)
        return [_verdict(k, self.y, self.target) for k in self.logits.argmax(axis=1).tolist()]

    @property
    def answer(self) -> int:
        return int(self.logits[-1].argmax())

    @property
    def clean_answer(self) -> int:
        return int(self.clean_logits.argmax())


def _verdict(answer: int, y: int, target: int | None) -> str:
    if target is not None and answer == target:
        return "reaches the target"
    word = "holds" if answer == y else "fooled"
    return word if target is None else f"{word}, target not reached"


def softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


class Ticking(Classifier):
    """A network that tells how often it is asked, and is otherwise the one it stands for."""

    def __init__(self, net: Classifier, tick: Callable[[], None]) -> None:
        super().__init__()
        self.net, self.tick = net, tick
        self.in_channels, self.num_classes = net.in_channels, net.num_classes

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        self.tick()
        return self.net.trace(x, routing=routing)


def shoot(
    net: Classifier,
    x: Tensor,
    y: int | None,
    settings: AttackSettings,
    *,
    target: int | None,
    tick: Callable[[], None] | None = None,
) -> Film:
    """Attacks x (1, C, H, W) and keeps every step, of very many an even choice with both ends.

    tick is called each time the network is asked, and may raise to end it.
    The call is the one that `python -m robust_core attack` makes, so it gives the same bytes.
    """
    net = net if tick is None else Ticking(net, tick).eval()
    with torch.no_grad():
        clean = trace(net, x)
    label = int(clean.logits.argmax()) if y is None else y
    way: list[Step] = []
    labels = torch.tensor([label])
    x_adv = run(settings, net, x, labels, target=target, on_step=way.append)
    if not torch.equal(way[-1].x, x_adv):
        raise RuntimeError(f"{settings.name}: the last step is not the image the attack returned")
    if len(way) > MAX_FRAMES:
        way = [way[round(i)] for i in np.linspace(0, len(way) - 1, MAX_FRAMES)]
    types = [step.route.p_type for step in way]
    clean_type = clean.route.p_type
    return Film(
        settings=settings,
        y=label,
        target=target,
        x=_frozen(x[0]),
        index=tuple(step.index for step in way),
        images=_frozen(torch.cat([step.x for step in way])),
        logits=_frozen(torch.cat([step.logits for step in way])),
        loss=_frozen(torch.cat([step.loss for step in way])),
        margin=_frozen(torch.cat([step.margin for step in way])),
        p_adversarial=None if types[0] is None else _frozen(torch.cat([t[:, 1] for t in types if t is not None])),
        signals={n: _frozen(torch.cat([step.route.signals[n] for step in way])) for n in way[0].route.signals},
        clean_logits=_frozen(clean.logits[0]),
        clean_p_adversarial=None if clean_type is None else float(clean_type[0, 1]),
        clean_signals={n: _frozen(s[0]) for n, s in clean.route.signals.items()},
    )


def _frozen(values: Tensor) -> Array:
    array = values.detach().float().numpy().copy()
    array.flags.writeable = False
    return array
