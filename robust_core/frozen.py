"""A view of a network with fixed weights, for attacks: norms folded away, channels_last, no weight gradients.

Between two updates an inner attack runs the same weights many times. In eval mode a batch norm is a fixed scale and
shift: behind a plain conv it folds into the conv; under a router it becomes one multiply-add with ω and P(type); before
a conv (pre-activation) one multiply-add.
The view runs the network's own `trace`: only leaf modules are exchanged, so there is no second forward path. Which norm
follows which conv is what networks and blocks declare in `norms`.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from robust_core.models.backbone import Backbone
from robust_core.models.blocks import ScaleShift
from robust_core.models.mix_bn import MixBN
from robust_core.types import Classifier, Routing, Trace


class Frozen:
    """Keeps a view of `model`; `refresh()` brings it up to date in place and returns it.

    The view is an eval-mode Classifier whose parameters need no gradient; gradients reach its input alone.
    A network whose modules declare no norms is copied as it is, in eval mode.
    dtype: of weights and activations; bfloat16 is quick where the machine has it, its images and answers stay
    float32; float64 is for telling rounding from error.
    """

    def __init__(self, model: Classifier, dtype: torch.dtype = torch.float32) -> None:
        self.model = model
        self._inner = copy.deepcopy(model).eval().requires_grad_(False)
        self.view: Classifier = self._inner if dtype == torch.float32 else Cast(self._inner, dtype)
        self._folded: list[tuple[nn.Module, nn.Conv2d, nn.Conv2d]] = []  # norm and conv of the model, conv of the view
        self._exchanged: list[tuple[nn.Module, ScaleShift]] = []
        for name, module in model.named_modules():
            for conv, norm in getattr(module, "norms", ()):
                self._fix(module, self._inner.get_submodule(name), conv, norm)
        for module in self._inner.modules():
            if isinstance(module, nn.ReLU) and (self._folded or self._exchanged):
                module.inplace = True  # in a network known here what it reads is a fresh output, and nobody else's
        self._inner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        _cast(self._inner, dtype)
        self._pairs = self._untouched_tensors()

    def _fix(self, source: nn.Module, owner: nn.Module, conv: str | None, norm: str) -> None:
        bn = dict(source.named_modules()).get(norm)
        if not isinstance(bn, (nn.BatchNorm2d, MixBN)):
            return  # a block without it, another kind of norm, or a view of a view
        scale, _ = _scale_and_shift(bn)
        # Under a router ω stands between conv and norm; in a network that is all backbone nothing does.
        if conv is not None and isinstance(self.model, Backbone):
            theirs, ours = source.get_submodule(conv), owner.get_submodule(conv)
            assert isinstance(theirs, nn.Conv2d)
            assert isinstance(ours, nn.Conv2d)
            ours.bias = nn.Parameter(torch.zeros_like(scale[0]), requires_grad=False)
            owner.set_submodule(norm, nn.Identity())
            self._folded.append((bn, theirs, ours))
        else:
            rest = ScaleShift(*scale.shape).to(scale)
            owner.set_submodule(norm, rest)
            self._exchanged.append((bn, rest))

    def _untouched_tensors(self) -> list[tuple[Tensor, Tensor]]:
        theirs = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        ours = dict(self._inner.named_parameters()) | dict(self._inner.named_buffers())
        made = [conv for _, _, conv in self._folded] + [rest for _, rest in self._exchanged]
        known = {id(t) for module in made for t in (*module.parameters(), *module.buffers())}
        return [(t, theirs[name]) for name, t in ours.items() if id(t) not in known]

    @torch.no_grad()
    def refresh(self) -> Classifier:
        """Copies the model's present weights into the view, folded; allocates no new weights."""
        for ours, theirs in self._pairs:
            ours.copy_(theirs)
        for bn, old, new in self._folded:
            scale, shift = _scale_and_shift(bn)
            torch.mul(old.weight, scale[0][:, None, None, None], out=new.weight.data)
            assert new.bias is not None
            new.bias.copy_(shift[0])
        for bn, rest in self._exchanged:
            scale, shift = _scale_and_shift(bn)
            rest.scale.copy_(scale)
            rest.shift.copy_(shift)
        return self.view


class Cast(Classifier):
    """A network of another precision, asked with float32 images. In a lower one images are rounded on the way in, and
    answers come back as float32; float64 stays."""

    def __init__(self, net: Classifier, dtype: torch.dtype) -> None:
        super().__init__()
        self.net, self.dtype = net, dtype
        self.in_channels, self.num_classes = net.in_channels, net.num_classes

    def trace(self, x: Tensor, *, routing: Routing | None = None) -> Trace:
        seen = self.net.trace(x.to(self.dtype), routing=routing)
        if self.dtype.itemsize > 4:
            return seen
        return Trace(
            logits=seen.logits.float(),
            stages=seen.stages,
            route=seen.route.map(Tensor.float),
            free=seen.free.map(Tensor.float),
        )


def _cast(net: nn.Module, dtype: torch.dtype) -> None:
    """Weights in dtype; what stands for statistics stays float32, for there rounding would be a shift of all images."""
    net.to(dtype)
    if dtype.itemsize >= 4:
        return
    for module in net.modules():
        if isinstance(module, (ScaleShift, nn.BatchNorm2d)):
            module.float()


def frozen(model: Classifier, dtype: torch.dtype = torch.float32) -> Classifier:
    """The view of a network whose weights will not change any more."""
    return Frozen(model, dtype).refresh()


def _scale_and_shift(bn: nn.Module) -> tuple[Tensor, Tensor]:
    """The eval-mode batch norm as rows of scale and shift: one row, or one per type."""
    if not isinstance(bn, MixBN):
        return _rows([bn])
    if bn.mix == "full":
        return _rows([bn.clean, bn.adversarial])
    scale, shift = _rows([bn.shared])
    return bn.weight * scale, bn.bias + bn.weight * shift


def _rows(norms: list[nn.Module]) -> tuple[Tensor, Tensor]:
    scales, shifts = [], []
    for norm in norms:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = torch.rsqrt(norm.running_var + norm.eps)
        if norm.affine:
            scale = scale * norm.weight
        shift = -norm.running_mean * scale
        if norm.affine:
            shift = shift + norm.bias
        scales.append(scale)
        shifts.append(shift)
    return torch.stack(scales), torch.stack(shifts)
