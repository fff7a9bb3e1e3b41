"""A network lent to code that changes it on the way, and given back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

HOOKS = tuple(
    name
    for name, value in vars(nn.Module()).items()
    if name.endswith(("_hooks", "_hooks_with_kwargs", "_hooks_always_called")) and hasattr(value, "items")
)


@contextmanager
def borrowed(model: nn.Module) -> Iterator[nn.Module]:
    """The network in eval mode with weights that take no gradient; given back exactly as it was, also on error.

    Restores, module by module: training flags, hooks, and no attribute left behind; parameter by parameter:
    requires_grad and grad.
    """
    modules = list(model.modules())
    training = [module.training for module in modules]
    attributes = [set(vars(module)) for module in modules]
    hooks = [{name: dict(vars(module)[name]) for name in HOOKS} for module in modules]
    parameters = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    try:
        model.eval()
        for parameter, _, _ in parameters:
            parameter.requires_grad_(False)
        yield model
    finally:
        for module, flag, known, before in zip(modules, training, attributes, hooks, strict=True):
            module.training = flag
            for added in set(vars(module)) - known:
                delattr(module, added)
            for name, entries in before.items():
                now = vars(module)[name]
                now.clear()
                now.update(entries)
        for parameter, needed, grad in parameters:
            parameter.requires_grad_(needed)
            parameter.grad = grad
