"""The recipe's main settings as fields. A field reads the text and writes into it; it keeps nothing of its own."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
import tomli_w
import torch

from pages.ui.train_presets import TEXT
from pages.ui.train_teachers import pick_teachers
from robust_core import data
from robust_core.batches import cores
from robust_core.data import cache_folder
from robust_core.device import choose_device, choose_precision
from robust_core.methods import OBJECTIVES, options_of
from robust_core.models import ARCHITECTURES
from robust_core.models import NOT_OPTIONS as GIVEN
from robust_core.training.limits import limits
from robust_core.training.recipe import Recipe

ARCHITECTURE_WORDS = {
    "residual": "Residual net, small", "aw_net": "AW-Net: a router over the same blocks", "moe": "Mixture of experts",
    "resnet18": "ResNet-18", "resnet56": "ResNet-56", "preact_resnet18": "PreActResNet-18",
    "mobilenet_v2": "MobileNetV2", "wrn_34_10": "WideResNet-34-10", "aw_resnet18": "AW-Net over ResNet-18",
    "aw_mobilenet_v2": "AW-Net over MobileNetV2",
}  # fmt: skip
OBJECTIVE_WORDS = {
    "standard": "Standard: clean images alone", "adversarial": "PGD-AT: attacked images", "trades": "TRADES",
    "ard": "ARD", "rslad": "RSLAD", "fair_rslad": "Fair-RSLAD", "absld": "ABSLD: a temperature a class",
    "mtard": "MTARD: two teachers", "b_mtard": "B-MTARD: two teachers in balance",
}  # fmt: skip
OPTIONS_SHOWN = ("width", "router_width", "experts")  # of architectures; the rest is written in the text


def form(recipe: Recipe) -> None:
    """The fields, in the order in which one decides."""
    st.text_input("Title", key=_at("title", recipe.title), on_change=_put, args=("title",), max_chars=80)
    _data(recipe)
    _network(recipe)
    _objective(recipe)
    pick_teachers(recipe, put)
    _attack(recipe)
    _budget(recipe)


def _key(path: str) -> str:
    return f"train_f_{path}"


def _at(path: str, value: Any) -> str:
    """The field's key, with the recipe's value in it."""
    st.session_state[_key(path)] = value
    return _key(path)


def _number(label: str, low: float, high: float, path: str, value: float, **settings: Any) -> None:
    """A number's field. A value that the recipe may have and the field does not offer widens it, and that is said:
    Streamlit would show another number than the recipe's, without a word."""
    settings = {"on_change": _put, "args": (path,)} | settings
    st.number_input(label, min(low, value), max(high, value), key=_at(path, value), **settings)
    if not low <= value <= high:
        st.caption(f"{value:,g}, as the recipe has it; usual are {low:,g} to {high:,g}.")


def _put(path: str, clean: Callable[[dict[str, Any]], None] | None = None) -> None:
    """As a callback: writes a field's value into the text, then puts right what hangs on it."""
    put({path: st.session_state[_key(path)]}, clean)


def put(values: Mapping[str, Any], clean: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Writes these values, by dotted key, into the text; None takes a key out."""
    tree = tomllib.loads(st.session_state[TEXT])
    for path, value in values.items():
        *parts, last = path.split(".")
        place = tree
        for part in parts:
            place = place.setdefault(part, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    if clean is not None:
        clean(tree)
    st.session_state[TEXT] = tomli_w.dumps(tree)


def _data(recipe: Recipe) -> None:
    ready = data.available()
    names = {
        name: data.DATASETS[name].title
        + ("" if there else f", {data.DATASETS[name].download / 1e6:.0f} MB to download when it starts")
        for name, there in ready.items()
    }
    st.selectbox(
        "Images", list(names), key=_at("data.name", recipe.data.name), on_change=_put,
        args=("data.name", _forget_teachers), format_func=lambda name: names.get(name, name),
        help="Images of your own, a folder or a zip with a sub-folder a class, come in on the Library page.",
    )  # fmt: skip
    if not ready.get(recipe.data.name, True):
        st.caption(f"They are kept in {cache_folder()} for all later runs.")


def _forget_teachers(tree: dict[str, Any]) -> None:
    """Other images, or another objective: teachers are chosen anew, among those that fit."""
    tree.pop("teachers", None)


def _network(recipe: Recipe) -> None:
    names = ARCHITECTURES.names()
    names.sort(key=lambda name: list(ARCHITECTURE_WORDS).index(name) if name in ARCHITECTURE_WORDS else 99)
    left, right = st.columns([3, 1])
    with left:
        st.selectbox(
            "Architecture", names, key=_at("model.architecture", recipe.model.architecture), on_change=_put,
            args=("model.architecture", _fit_options), format_func=lambda name: ARCHITECTURE_WORDS.get(name, name),
        )  # fmt: skip
    known = inspect.signature(ARCHITECTURES[recipe.model.architecture]).parameters
    with right:
        if "width" in known:
            default = known["width"].default
            width = recipe.model.options.get("width", default if isinstance(default, int) else 32)
            _number(
                "Width", 4, 1024, "model.options.width", int(width), step=4,
                help="Filters of the first stage; the others follow.",
            )  # fmt: skip


def _fit_options(tree: dict[str, Any]) -> None:
    """Leaves out the options that the network does not know."""
    model = tree["model"]
    known = set(inspect.signature(ARCHITECTURES[model["architecture"]]).parameters) - set(GIVEN)
    model["options"] = {k: v for k, v in model.get("options", {}).items() if k in known}


def _objective(recipe: Recipe) -> None:
    names = sorted(OBJECTIVES.names(), key=lambda n: list(OBJECTIVE_WORDS).index(n) if n in OBJECTIVE_WORDS else 99)
    st.selectbox(
        "Objective", names, key=_at("objective.name", recipe.objective.name), on_change=_put,
        args=("objective.name", _fit_objective), format_func=lambda name: OBJECTIVE_WORDS.get(name, name),
    )  # fmt: skip
    options = options_of(recipe.objective.name)
    if not options:
        return
    with st.expander("Its options"):
        for name, parameter in options.items():
            _option(f"objective.options.{name}", name, recipe.objective.options.get(name, parameter.default))


def _fit_objective(tree: dict[str, Any]) -> None:
    tree["objective"].pop("options", None)
    _forget_teachers(tree)


def _option(path: str, name: str, value: Any) -> None:
    """A field that fits the kind of the value."""
    label = name.replace("_", " ")
    if isinstance(value, bool):
        st.toggle(label, key=_at(path, value), on_change=_put, args=(path,))
    elif isinstance(value, (int, float)):
        st.number_input(label, key=_at(path, float(value)), on_change=_put, args=(path,), format="%g", step=None)
    else:
        st.text_input(label, key=_at(path, str(value)), on_change=_put, args=(path,))


def _attack(recipe: Recipe) -> None:
    st.markdown("**Attack, inside each step and at validation**")
    a, b, c = st.columns(3)
    attack, judged = recipe.attack, recipe.validation.attack
    with a:
        st.selectbox(
            "Norm", ["linf", "l2"], key=_at("attack.norm", attack.norm), on_change=_both, args=("norm",),
            format_func={"linf": "L∞", "l2": "L2"}.get,
        )  # fmt: skip
    with b:
        _number(
            "ε", 0.0, 1.0 if attack.norm == "linf" else 20.0, "attack.eps", float(attack.eps),
            on_change=_both, args=("eps",), step=0.01, format="%.4g",
            help=f"Pixel units of [0, 1]. Validation takes the same, with {judged.describe()}.",
        )  # fmt: skip
    with c:
        _number(
            "Steps", 1, 100, "attack.steps", int(attack.steps), args=("attack.steps", _no_step_size),
            help="Of the inner attack: what training costs goes up with them.",
        )  # fmt: skip


def _both(which: str) -> None:
    """What the networks are hardened against is what they are judged by."""
    tree = tomllib.loads(st.session_state[TEXT])
    judged = tree.get("validation", {}).get("attack", {"name": "pgd", "steps": 10})
    value = st.session_state[_key(f"attack.{which}")]
    put({f"attack.{which}": value, "attack.name": "pgd", "validation.attack": judged | {which: value}}, _no_step_size)


def _no_step_size(tree: dict[str, Any]) -> None:
    """The length of a step that was chosen for another ε, or another number of steps, gives way to the rule."""
    tree["attack"].setdefault("name", "pgd")
    tree["attack"].pop("step_size", None)
    tree.get("validation", {}).get("attack", {}).pop("step_size", None)


def _budget(recipe: Recipe) -> None:
    st.markdown("**Budget**")
    columns = st.columns(4)
    plan = recipe.schedule
    fields = (
        ("schedule.epochs", "Epochs", 1, 10_000, plan.epochs),
        ("schedule.batch_size", "Batch", 1, 65_536, plan.batch_size),
        ("schedule.lr", "Highest rate", 0.0001, 100.0, float(plan.lr)),
        ("seed", "Seed", 0, 2**32 - 1, recipe.seed),
    )
    for column, (path, label, low, high, value) in zip(columns, fields, strict=True):
        with column:
            shape = {"format": "%g"} if isinstance(value, float) else {}
            _number(label, low, high, path, value, **shape)


def pick_device(recipe: Recipe | None) -> str:
    """Where it will run; not part of the recipe, which is the same on any machine."""
    names = {"auto": f"auto, which is {_called(choose_device())} here"}
    names |= {name: _called(torch.device(name)) for name in ("cuda", "mps") if _here(name)} | {"cpu": "the processor"}
    name = st.selectbox("Runs on", list(names), format_func=names.get, key="train_device")
    where = choose_device(name)
    precise = choose_precision(recipe.precision if recipe else "auto", where)
    at_once = limits().running
    threads = max(1, cores() // at_once)
    share = f"{threads} of {cores()} cores" if where.type == "cpu" else _called(where)
    st.caption(
        f"It gets {share} and computes in {str(precise).removeprefix('torch.')}; "
        f"{'one run goes' if at_once == 1 else f'{at_once} runs go'} at a time here, others wait."
    )
    return name


def _here(name: str) -> bool:
    return torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available()


def _called(device: torch.device) -> str:
    if device.type == "cuda":
        return f"the GPU ({torch.cuda.get_device_name(device)})"
    return "the GPU (Metal)" if device.type == "mps" else "the processor: there is no GPU"
