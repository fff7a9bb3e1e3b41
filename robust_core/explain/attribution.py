"""Which pixels speak for a class: captum's methods and Grad-CAM, all in one shape.

captum hangs hooks on modules and is therefore not safe on a network that several threads share: give `attribute` a
copy of its own wherever a network is served to more than one visitor.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from robust_core.explain.borrowed import borrowed
from robust_core.registry import Registry, unknown
from robust_core.types import UserError, trace

Images = Float[Tensor, "n c h w"]
Classes = Int64[Tensor, " n"]
Maps = Float[Tensor, "n h w"]
Method = Callable[..., tuple[Tensor, Tensor | None]]

METHODS: Registry[Method] = Registry("attribution method")


@dataclass(frozen=True, kw_only=True, eq=False)
class Completeness:
    """How far a path method's map is from adding up to what it explains; each (N,), in logits.

    total: the map's sum. difference: f(x) - f(baseline). A faithful map has error 0.
    """

    total: Float[Tensor, " n"]
    difference: Float[Tensor, " n"]

    @property
    def error(self) -> Float[Tensor, " n"]:
        """total - difference, signed."""
        return self.total - self.difference

    @property
    def relative(self) -> Float[Tensor, " n"]:
        """|error| as a share of |difference|; infinite where the difference is zero and the error is not."""
        error, difference = self.error.abs(), self.difference.abs()
        return torch.where((error == 0) & (difference == 0), torch.zeros_like(error), error / difference)


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution:
    """map: (N, H, W), one value a pixel, channels summed (saliency: the largest), in units of the class's logit.

    signed: positive speaks for the class, negative against it; otherwise there is only "how much".
    completeness: for the path methods alone. settings: every option, as used. label: method and settings in words.
    """

    map: Maps
    method: str
    target_class: Classes
    signed: bool
    label: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    completeness: Completeness | None = None


def attribute(
    model: nn.Module, x: Images, target_class: Classes | int, method: str = "integrated_gradients", **options: Any
) -> Attribution:
    """One map per image for the logit of `target_class`, one class for all or one per image.

    x: (N, C, H, W) in [0, 1]; a clean and an adversarial image go together as a batch of two. options: the chosen
    method's own, see its docstring; `METHODS.names()` lists the methods.
    Raises UserError for an unknown method or option, a class out of range, and images of the wrong shape.
    """
    run = METHODS[method]
    settings = _settings(method, run, options)
    if x.ndim != 4 or not len(x):
        raise UserError(f"images to explain must be (N, C, H, W) with N ≥ 1, got {tuple(x.shape)}")
    x = x.detach()
    with borrowed(model) as net:
        classes = _classes(net, x, target_class)
        values, baseline = run(net, x, classes, **settings)
        values = values.detach()
        summed = values if values.ndim == 3 else values.sum(dim=1)
        completeness = None if baseline is None else _completeness(net, x, baseline, classes, summed)
    words = ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
    return Attribution(
        map=summed,
        method=method,
        target_class=classes,
        signed=method not in ("saliency", "grad_cam"),
        label=f"{method.replace('_', ' ')}{f' ({words})' if words else ''}",
        settings=settings,
        completeness=completeness,
    )


@METHODS.register("saliency")
def saliency(model: nn.Module, x: Images, classes: Classes) -> tuple[Tensor, None]:
    """|∂ logit / ∂ pixel|, the largest over the channels. Source: Simonyan et al. 2014."""
    from captum.attr import Saliency  # captum brings matplotlib along: over a second that only this page need pay

    values: Tensor = Saliency(model).attribute(x.clone().requires_grad_(), target=classes, abs=True)
    return values.amax(dim=1), None


@METHODS.register("gradient_x_input")
def gradient_x_input(model: nn.Module, x: Images, classes: Classes) -> tuple[Tensor, None]:
    """pixel · ∂ logit / ∂ pixel. A black pixel gets nothing. Source: Shrikumar et al. 2016."""
    from captum.attr import InputXGradient

    values: Tensor = InputXGradient(model).attribute(x.clone().requires_grad_(), target=classes)
    return values, None


@METHODS.register("integrated_gradients")
def integrated_gradients(
    model: nn.Module, x: Images, classes: Classes, *, steps: int = 32, baseline: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The gradient averaged over the straight way from a baseline image, times the way's length.

    steps: points on the way (Gauss-Legendre); more make the completeness error smaller. baseline: the grey level the
    way starts from, black by default; pixels equal to it get nothing. Source: Sundararajan et al. 2017.
    """
    from captum.attr import IntegratedGradients

    _at_least("steps", steps, 1)
    start = torch.full_like(x, baseline)
    values: Tensor = IntegratedGradients(model).attribute(
        x, baselines=start, target=classes, n_steps=steps, method="gausslegendre", internal_batch_size=max(len(x), 64)
    )
    return values, start


@METHODS.register("deep_lift")
def deep_lift(model: nn.Module, x: Images, classes: Classes, *, baseline: float = 0.0) -> tuple[Tensor, Tensor]:
    """Differences from a baseline image, passed back through each ReLU by the rescale rule.

    Complete on static networks. An AW-Net multiplies features by signals and mixes norms by P(type), which no rescale
    rule covers: its completeness error says how much that costs. Source: Shrikumar et al. 2017.
    """
    from captum.attr import DeepLift

    start = torch.full_like(x, baseline)
    with warnings.catch_warnings():
        # captum announces the hooks that it sets and takes off again.
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks", category=UserWarning)
        values: Tensor = DeepLift(model).attribute(x.clone().requires_grad_(), baselines=start, target=classes)
    return values, start


@METHODS.register("occlusion")
def occlusion(
    model: nn.Module, x: Images, classes: Classes, *, window: int = 6, stride: int = 3, baseline: float = 0.0
) -> tuple[Tensor, None]:
    """How far the logit falls when a square of the image is painted over, averaged over the squares that hold a pixel.

    window: side of the square, px; stride: px between squares; baseline: the paint. Source: Zeiler & Fergus 2014.
    """
    from captum.attr import Occlusion

    _at_least("window", window, 1)
    _at_least("stride", stride, 1)
    if window > min(x.shape[2:]) or stride > window:
        raise UserError(
            f"window must fit the image ({min(x.shape[2:])} px) and stride must not exceed it; got {window}, {stride}"
        )
    values: Tensor = Occlusion(model).attribute(
        x,
        sliding_window_shapes=(x.shape[1], window, window),
        strides=(x.shape[1], stride, stride),
        baselines=baseline,
        target=classes,
        perturbations_per_eval=max(1, 128 // len(x)),
    )
    # captum repeats a window's value in every channel it covers.
    return values[:, 0], None


@METHODS.register("grad_cam")
def grad_cam(model: nn.Module, x: Images, classes: Classes, *, stage: str | None = None) -> tuple[Tensor, None]:
    """ReLU of a stage's feature maps, each weighted with its mean gradient; upsampled bilinearly to the image.

    stage: a name of the network's trace; by default the last with more than 4×4 places. Needs no hooks: the trace
    hands its stages out. Source: Selvaraju et al. 2017.
    """
    with torch.enable_grad():
        seen = trace(model, x.clone().requires_grad_())
        name = stage or default_stage(seen.stages)
        if name not in seen.stages:
            raise unknown("stage", name, seen.stages)
        features = seen.stages[name]
        logits = seen.logits.gather(1, classes[:, None]).sum()
        (gradient,) = torch.autograd.grad(logits, features)
    cam = (gradient.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1, keepdim=True).relu()
    return F.interpolate(cam.detach(), size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0], None


def default_stage(stages: Mapping[str, Tensor]) -> str:
    """The last stage with more than 4×4 places; the last of all where none has so many."""
    if not stages:
        raise UserError("this network names no stages, so Grad-CAM has nothing to look at; choose another method")
    large = [name for name, features in stages.items() if min(features.shape[2:]) > 4]
    return large[-1] if large else list(stages)[-1]


def _settings(method: str, run: Method, options: Mapping[str, Any]) -> dict[str, Any]:
    known = {
        name: p.default
        for name, p in inspect.signature(run).parameters.items()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    for option in options:
        if option not in known:
            raise unknown(f"option of {method}", option, known)
    return {**known, **options}


def _classes(model: nn.Module, x: Images, target_class: Classes | int) -> Classes:
    with torch.no_grad():
        count = trace(model, x[:1]).logits.shape[1]
    classes = torch.as_tensor(target_class, dtype=torch.int64, device=x.device)
    if classes.ndim > 1 or (classes.ndim == 1 and len(classes) != len(x)):
        raise UserError(f"target_class must be one class or one per image ({len(x)}), got {tuple(classes.shape)}")
    if bool(((classes < 0) | (classes >= count)).any()):
        raise UserError(f"target_class must lie in [0, {count}), got {classes.tolist()}")
    return classes.expand(len(x)).clone()


def _completeness(model: nn.Module, x: Images, baseline: Images, classes: Classes, maps: Maps) -> Completeness:
    with torch.no_grad():
        both = trace(model, torch.cat([x, baseline])).logits.gather(1, classes.repeat(2)[:, None])[:, 0]
    return Completeness(total=maps.sum(dim=(1, 2)), difference=both[: len(x)] - both[len(x) :])


def _at_least(name: str, value: int, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise UserError(f"{name} must be a whole number ≥ {least}, got {value!r}")
