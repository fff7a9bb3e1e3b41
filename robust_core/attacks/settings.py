"""The settings of an attack as one value: validated where it is made, printed in one line, saved as JSON or TOML.

An attack joins by registering an `Attack` under its name; which settings it uses, and their defaults, is its own say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from torch import Tensor

from robust_core.attacks.balls import BALLS, Ball
from robust_core.registry import Registry, unknown
from robust_core.types import UserError

SYMBOLS = {"linf": "L∞", "l2": "L2"}


@dataclass(frozen=True, kw_only=True)
class Attack:
    """An attack known by name.

    run(model, x, y, ball, *, target, generator, on_step, **used) → images. uses: the settings it is called with, and
    its default of each. label: its name for people. white_box: asks for gradients. targeted: can aim at a class.
    routed: needs a network that routes; "types" one that tells clean from adversarial.
    """

    run: Callable[..., Tensor]
    label: str
    uses: Mapping[str, Any]
    white_box: bool = True
    norms: tuple[str, ...] = ("linf", "l2")
    targeted: bool = True
    routed: Literal["", "any", "types"] = ""


ATTACKS: Registry[Attack] = Registry("attack")


def eps_from(value: object) -> object:
    """ "8/255" and "0.03" as numbers; anything else as it is. Raises UserError for other text."""
    if not isinstance(value, str):
        return value
    try:
        return float(Fraction(value.replace(" ", "")))
    except (ValueError, ZeroDivisionError) as error:
        raise UserError(f"eps must be a number or a fraction such as '8/255'; got {value!r}") from error


class AttackSettings(BaseModel):
    """What decides an attack besides the model and the images. Frozen; equal settings give equal images.

    name: one of ATTACKS. norm: "linf" or "l2". eps: budget in pixel units of [0, 1], a number or text as "8/255";
    0 leaves the images as they are. steps: gradient steps. step_size: length of one, pixel units; None: 2.5·eps/steps.
    restarts: attempts at most, each from a new start. kappa: the margin in logits at which CW is content. momentum:
    decay μ of MI-FGSM. route_weight: λ of an attack that steers the router. queries: Square's looks at the model, an
    image. random_start: begin at random, not at the image; start: "uniform" in the ball or "normal", x + 0.001·N(0, 1).
    seed: of all randomness, with the image's index (see `run`).

    What is left out takes the attack's default. What the attack does not use is put back to the default, so that equal
    attacks are equal settings. Raises UserError, naming the setting, its value and the cure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    norm: Literal["linf", "l2"] = "linf"
    eps: Annotated[float, BeforeValidator(eps_from)] = 0.1
    steps: int = 20
    step_size: Annotated[float | None, BeforeValidator(eps_from)] = None
    restarts: int = 1
    kappa: float = 50.0
    momentum: float = 1.0
    route_weight: float = 1.0
    queries: int = 1000
    random_start: bool = True
    start: Literal["uniform", "normal"] = "uniform"
    seed: int = 0

    def __init__(self, **settings: Any) -> None:
        for key in settings:
            if key not in type(self).model_fields:
                raise unknown("setting of an attack", key, type(self).model_fields)
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise UserError("; ".join(_sentence(dict(e)) for e in error.errors())) from error

    @model_validator(mode="after")
    def _complete(self) -> AttackSettings:
        uses = ATTACKS[self.name].uses
        for key, field in type(self).model_fields.items():
            if key not in ("name", "norm", "eps") and not (key in uses and key in self.model_fields_set):
                self.__dict__[key] = uses.get(key, field.default)
        _check(self)
        if not self.random:
            self.__dict__["seed"], self.__dict__["start"] = 0, "uniform"
        return self

    @property
    def ball(self) -> Ball:
        return BALLS[self.norm](self.eps)

    @property
    def used(self) -> dict[str, Any]:
        """The settings this attack is called with."""
        return {key: getattr(self, key) for key in ATTACKS[self.name].uses if key != "seed"}

    @property
    def random(self) -> bool:
        """Does the seed matter?"""
        uses = ATTACKS[self.name].uses
        return "seed" in uses and ("random_start" not in uses or self.random_start)

    def replace(self, **changes: Any) -> AttackSettings:
        """These settings with some changed, validated anew."""
        return AttackSettings(**{key: getattr(self, key) for key in self.model_fields_set} | changes)

    def to_dict(self) -> dict[str, Any]:
        """What decides this attack and nothing else, ready for JSON or TOML; AttackSettings(**it) is equal to this."""
        chosen = {"name": self.name, "norm": self.norm, "eps": self.eps}
        chosen |= {key: getattr(self, key) for key in ATTACKS[self.name].uses}
        return {key: value for key, value in chosen.items() if value is not None}

    def describe(self) -> str:
        """One line for people: "PGD-20, L∞, ε = 0.1 (25.5/255), step 0.0125, 1 restart, seed 0"."""
        entry = ATTACKS[self.name]
        uses = entry.uses
        pixels = f" ({self.eps * 255:.4g}/255)" if self.norm == "linf" else ""
        joint = ", steps " if entry.routed else "-"
        words = [f"{entry.label}{joint}{self.steps}" if "steps" in uses else entry.label]
        words += [SYMBOLS[self.norm], f"ε = {self.eps:.4g}{pixels}"]
        if "step_size" in uses:
            step = 2.5 * self.eps / self.steps if self.step_size is None else self.step_size
            words.append(f"step {step:.4g}")
        words += [f"κ = {self.kappa:g}"] if "kappa" in uses else []
        words += [f"λ = {self.route_weight:g}"] if "route_weight" in uses else []
        words += [f"momentum {self.momentum:g}"] if "momentum" in uses else []
        words += [f"{self.queries} {'query' if self.queries == 1 else 'queries'}"] if "queries" in uses else []
        words += ["start x + 0.001·N(0, 1)"] if self.random and self.start == "normal" else []
        if self.random and "restarts" in uses:
            words.append(f"{self.restarts} restart{'s' if self.restarts != 1 else ''}")
        if "seed" in uses:
            words.append(f"seed {self.seed}" if self.random else "no random start")
        return ", ".join(words)


def _sentence(error: dict[str, Any]) -> str:
    """A pydantic error in the project's words."""
    where, value = ".".join(str(part) for part in error["loc"]), error.get("input")
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return str(cause)
    if error["type"] == "missing":
        return f"{where} is missing; known: {', '.join(ATTACKS.names())}"
    kinds = {
        "int_type": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "string_type": "text",
    }
    wanted = kinds.get(error["type"]) or error.get("ctx", {}).get("expected") or error["msg"]
    return f"{where} must be {wanted}; got {value!r}"


def _check(s: AttackSettings) -> None:
    """Raises UserError for a number out of its range, or a norm the attack is not defined in."""
    entry = ATTACKS[s.name]
    if s.norm not in entry.norms:
        raise UserError(f"norm must be {' or '.join(map(repr, entry.norms))} for {s.name}; got {s.norm!r}")
    if s.norm == "linf" and not 0 <= s.eps <= 1:
        hint = f"; did you mean {s.eps:g}/255?" if 1 < s.eps <= 255 else ""
        raise UserError(f"eps must be in (0, 1]; got {s.eps:g}{hint}")
    if not (math.isfinite(s.eps) and s.eps >= 0):
        raise UserError(f"eps must be a number ≥ 0, the length of the change in pixel units of [0, 1]; got {s.eps:g}")
    if s.step_size is not None and not (math.isfinite(s.step_size) and s.step_size > 0):
        raise UserError(
            f"step_size must be > 0, in pixel units of [0, 1]; got {s.step_size:g}; leave it out for 2.5·eps/steps"
        )
    if s.step_size is not None and s.norm == "linf" and s.step_size > 1:
        raise UserError(f"step_size must be in (0, 1]; got {s.step_size:g}; did you mean {s.step_size:g}/255?")
    for key in ("steps", "restarts", "queries"):
        if getattr(s, key) < 1:
            raise UserError(f"{key} must be 1 or more; got {getattr(s, key)}")
    for key in ("kappa", "momentum", "route_weight"):
        if not (math.isfinite(getattr(s, key)) and getattr(s, key) >= 0):
            raise UserError(f"{key} must be a number ≥ 0; got {getattr(s, key):g}")
    if not 0 <= s.seed < 2**63:
        raise UserError(f"seed must be in [0, 2^63); got {s.seed}")
    if s.restarts > 1 and not s.random_start:
        raise UserError(
            f"restarts={s.restarts} without a random start would repeat one attack; set random_start = true"
        )


def settings_table(*names: str, **defaults: Any) -> Mapping[str, Any]:
    """The `uses` of an Attack: settings at AttackSettings' own default by name, others with the attack's default."""
    fields = AttackSettings.model_fields
    return MappingProxyType({name: fields[name].default for name in names} | defaults)
