"""A recipe: everything needed to repeat a training, as TOML. Every wrong key, type or range is named with its cure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tomli_w
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticUndefined

from robust_core.attacks import AttackSettings
from robust_core.device import choose_precision, name_of
from robust_core.methods import RouteTraining, make
from robust_core.models import build
from robust_core.models.bounds import refuse_monstrous
from robust_core.registry import unknown
from robust_core.titles import MOST, checked_title
from robust_core.types import UserError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DataPart(_Part):
    """name: a known data set, or the path of a folder or zip. holdout: training images kept for selection."""

    name: str = "fashion_mnist_small"
    holdout: int = Field(default=1000, ge=1)
    pad: int = Field(default=2, ge=0, le=16)  # pixels of random shift
    flip: bool = True


class ModelPart(_Part):
    architecture: str = "residual"
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_made(self) -> ModelPart:
        refuse_monstrous(self.options)
        # The images are not known yet: where it normalises, as many channels as it has means for.
        mean = self.options.get("mean")
        channels = len(mean) if isinstance(mean, (list, tuple)) and mean else 1
        with torch.device("meta"):  # shapes only: nothing is allocated
            build(self.architecture, in_channels=channels, num_classes=10, **self.options)
        return self


class ObjectivePart(_Part):
    name: str = "standard"
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_made(self) -> ObjectivePart:
        make(self.name, **self.options)
        return self


class TeachersPart(_Part):
    """Checkpoints that teach, by name (as `list` shows them) or folder. Empty where none is needed."""

    clean: str = ""
    robust: str = ""


class SchedulePart(_Part):
    """SGD, but for a router that `route` moves by Adam. The learning rate rises linearly over the first `warmup` share
    of the steps, then falls after `shape`.

    milestones: epochs at which "multistep" divides by ten. average: decay of the running mean of the weights that is
    validated and kept; 0 keeps the last weights themselves.
    """

    epochs: int = Field(default=5, ge=1, le=10_000)
    batch_size: int = Field(default=128, ge=1, le=65_536)
    lr: float = Field(default=0.1, gt=0, le=100)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(default=5e-4, ge=0, lt=1)
    warmup: float = Field(default=0.2, ge=0, lt=1)
    shape: Literal["linear", "cosine", "multistep"] = "linear"
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(), strict=False)
    average: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _milestones_are_those_of_multistep(self) -> SchedulePart:
        if bool(self.milestones) != (self.shape == "multistep"):
            raise UserError(
                f"milestones are the epochs at which shape = 'multistep' divides the rate by ten, and only there: got "
                f"shape {self.shape!r} with milestones {list(self.milestones)}"
            )
        if list(self.milestones) != sorted(set(self.milestones)):
            raise UserError(f"milestones must rise; got {list(self.milestones)}")
        return self


class ValidationPart(_Part):
    """What selection looks at after each epoch, on held-out training images, never on test images."""

    select: Literal["clean", "robust", "w_robust"] = "w_robust"
    attack: AttackSettings = AttackSettings(name="pgd", eps=0.1, steps=10)


class Recipe(_Part):
    """The whole of a training. attack is the inner attack; route counts for dynamic networks only.

    precision: "auto" is bfloat16 where the machine computes in it, else float32; float64 is slow, and tells rounding
    from error: there two processes train as one does to the ninth digit. compile: torch.compile for the student's
    passes; worth its first minute on a GPU, where it cannot be done one warning says so.
    """

    title: str = Field(min_length=1, max_length=MOST)
    seed: int = Field(default=0, ge=0, lt=2**32)
    data: DataPart = DataPart()
    model: ModelPart = ModelPart()
    objective: ObjectivePart = ObjectivePart()
    teachers: TeachersPart = TeachersPart()
    attack: AttackSettings = AttackSettings(name="pgd", eps=0.1, steps=5)
    route: RouteTraining = RouteTraining()
    schedule: SchedulePart = SchedulePart()
    validation: ValidationPart = ValidationPart()
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    compile: bool = False

    @field_validator("title")
    @classmethod
    def _title_can_be_read(cls, title: str) -> str:
        return checked_title(title, "it")

    @model_validator(mode="after")
    def _inner_attack_is_pgd(self) -> Recipe:
        if self.attack.name != "pgd" or self.attack.restarts != 1:
            raise UserError(
                f"attack: the inner attack of training is pgd with one start; got {self.attack.name!r} with "
                f"restarts = {self.attack.restarts}; steps, step_size and random_start shape it"
            )
        if self.attack.seed:
            raise UserError(f"attack.seed: the inner attack is drawn from the recipe's seed; got {self.attack.seed}")
        return self

    def settled(self, device: torch.device) -> Recipe:
        """With its precision named, so that a run is resumed in the one it was begun in, wherever that is."""
        return self.model_copy(update={"precision": name_of(choose_precision(self.precision, device))})

    def to_toml(self) -> str:
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def parse_recipe(text: str, *, overrides: dict[str, Any] | None = None) -> Recipe:
    """A recipe from TOML text; overrides are dotted keys ("schedule.epochs") with TOML values.

    Raises UserError naming every wrong key or value, one a line.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"the recipe is not valid TOML: {error}") from error
    for key, value in (overrides or {}).items():
        _put(tree, key, value)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise UserError(
            "\n".join([*(_sentence(e) for e in error.errors()), *_left_over(tree, overrides or {})])
        ) from error


def _left_over(tree: dict[str, Any], overrides: Mapping[str, Any]) -> Iterator[str]:
    """Whoever names another objective or architecture still has the options of the recipe's own."""
    for part, name in (("objective", "name"), ("model", "architecture")):
        named = tree.get(part)
        given = named.get("options") if isinstance(named, dict) else None
        asked = any(key.startswith(f"{part}.options") for key in overrides)
        if f"{part}.{name}" in overrides and isinstance(given, dict) and given and not asked:
            kept = ", ".join(given)
            yield f"{part}.options are still the recipe's: {kept}; --set {part}.options={{}} leaves them out"


def read_recipe(path: Path, *, overrides: dict[str, Any] | None = None) -> Recipe:
    """A recipe from a file. Raises UserError where it cannot be read or is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the recipe {path}: {error}") from error
    return parse_recipe(text, overrides=overrides)


def filled(tree: dict[str, Any], model: type[BaseModel] = Recipe) -> dict[str, Any]:
    """A recipe's tree with what it leaves out at its default (None where there is none), unchecked and in no time:
    checking builds the network. What no recipe knows is left out."""
    whole: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        value = tree[name] if name in tree else field.get_default(call_default_factory=True)
        kind = field.annotation
        if isinstance(value, BaseModel):
            value = value.model_dump()
        elif isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
            value = filled(value, kind)
        whole[name] = None if value is PydanticUndefined else value
    return whole


def parse_override(text: str) -> tuple[str, Any]:
    """ "schedule.epochs=3" → ("schedule.epochs", 3). The value is TOML; what is not TOML is taken as a string.

    "epochs" alone is taken as "schedule.epochs"; a bare key that several parts have is refused, and they are named.
    """
    key, parsed = parse_value(text)
    if "." not in key and key not in Recipe.model_fields:
        homes = [part for part, model in _parts() if key in model.model_fields and part != "validation"]
        if len(homes) == 1:
            key = f"{homes[0]}.{key}"
        elif homes:
            raise UserError(f"recipe key {key!r} is ambiguous: {', '.join(f'{part}.{key}' for part in homes)}")
        else:
            dotted = [f"{part}.{k}" for part, model in _parts() for k in model.model_fields]
            bare = [k.rpartition(".")[2] for k in dotted]
            raise unknown("recipe key", key, [*Recipe.model_fields, *dotted, *bare])
    return key, parsed


def parse_value(text: str) -> tuple[str, Any]:
    """ "kappa=0.5" → ("kappa", 0.5): a name and a TOML value, or a string where it is none."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set takes key=value, for example --set schedule.epochs=3; got {text!r}")
    try:
        return key.strip(), tomllib.loads(f"v = {value.strip()}")["v"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _parts() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Recipe.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise UserError(f"{key}: {part!r} is a value, not a part of the recipe")
    tree[last] = value


def _sentence(error: Any) -> str:
    """One pydantic error as one sentence for people."""
    location = [str(part) for part in error["loc"]]
    where = ".".join(location)
    if error["type"] == "extra_forbidden":
        return str(unknown("recipe key", where, _keys_beside(location)))
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    told = "" if isinstance(given, dict) or repr(given) in message or str(given) in message else f"; got {given!r}"
    return f"{where}: {message[0].lower()}{message[1:]}{told}" if where else message


def _keys_beside(location: list[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in location[:-1]:
        field = model.model_fields.get(part)
        inner = [field.annotation, *get_args(field.annotation)] if field else []
        model = next((t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)), model)
    prefix = ".".join(location[:-1])
    return [f"{prefix}.{name}" if prefix else name for name in model.model_fields]
