"""A view of a network with fixed weights, for attacks: norms folded away, channels_last, no weight gradients.

Between two updates an inner attack runs the same weights many times. In eval mode a batch norm is a fixed scale and
shift: behind a plain conv it folds into the conv; under a router it becomes one multiply-add with ω and P(type).
The view runs the network's own `trace`: only leaf modules are exchanged, so there is no second forward path.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from robust_core.models.blocks import BasicBlock, MixBN, ScaleShift
from robust_core.models.resnet import ResidualNet
from robust_core.types import Classifier


class Frozen:
    """Keeps a view of `model`; `refresh()` brings it up to date in place and returns it.

    The view is an eval-mode Classifier whose parameters need no gradient; gradients reach its input alone.
    A network it knows no folding for is copied as it is, in eval mode.
    """

    def __init__(self, model: Classifier) -> None:
        self.model = model
        self.view = copy.deepcopy(model).eval().requires_grad_(False)
        self._folds: list[tuple[nn.Conv2d, nn.Module, nn.Conv2d, ScaleShift | None]] = []
        for net in (m for m in model.modules() if isinstance(m, ResidualNet)):
            self._exchange(net)
        self._pairs = self._untouched_tensors()
        self.view.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _exchange(self, net: ResidualNet) -> None:
        dynamic = net is not self.model
        for name, module in net.named_modules():
            if module is net or isinstance(module, BasicBlock):
                owner = self.view.get_submodule(_name_of(net, self.model, name))
                for conv, norm in (("conv1", "bn1"), ("conv2", "bn2")):
                    if conv in dict(module.named_children()):
                        self._fold(module, owner, conv, norm, dynamic)
                if isinstance(module, BasicBlock) and len(module.shortcut):
                    self._fold(module.shortcut, owner.get_submodule("shortcut"), "0", "1", dynamic)

    def _fold(self, source: nn.Module, owner: nn.Module, conv: str, norm: str, dynamic: bool) -> None:
        old, bn = source.get_submodule(conv), source.get_submodule(norm)
        if not isinstance(bn, (nn.BatchNorm2d, MixBN)):
            return  # a view of a view: folded already
        assert isinstance(old, nn.Conv2d)
        new = copy.deepcopy(old).requires_grad_(False)
        rest: ScaleShift | None = None
        if dynamic:
            rest = ScaleShift(*_scale_and_shift(bn)[0].shape).to(old.weight.device)
            owner.register_module(norm, rest)
        else:
            new.bias = nn.Parameter(old.weight.new_zeros(old.out_channels), requires_grad=False)
            owner.register_module(norm, nn.Identity())
        owner.register_module(conv, new)
        self._folds.append((old, bn, new, rest))

    def _untouched_tensors(self) -> list[tuple[Tensor, Tensor]]:
        ours = dict(self.view.named_parameters()) | dict(self.view.named_buffers())
        theirs = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        folded = {id(t) for _, _, conv, rest in self._folds for m in (conv, rest) if m is not None for t in _tensors(m)}
        return [(t, theirs[name]) for name, t in ours.items() if id(t) not in folded]

    @torch.no_grad()
    def refresh(self) -> Classifier:
        """Copies the model's present weights into the view, folded; allocates no new weights."""
        for ours, theirs in self._pairs:
            ours.copy_(theirs)
        for old, bn, new, rest in self._folds:
            scale, shift = _scale_and_shift(bn)
            if rest is None:
                torch.mul(old.weight, scale[0][:, None, None, None], out=new.weight.data)
                assert new.bias is not None
                new.bias.copy_(shift[0])
            else:
                new.weight.copy_(old.weight)
                rest.scale.copy_(scale)
                rest.shift.copy_(shift)
        return self.view


def frozen(model: Classifier) -> Classifier:
    """The view of a network whose weights will not change any more."""
    return Frozen(model).refresh()


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _name_of(net: nn.Module, root: nn.Module, inner: str) -> str:
    prefix = next(name for name, module in root.named_modules() if module is net)
    return ".".join(part for part in (prefix, inner) if part)


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
