"""The same mathematics written the plain way: float32, NCHW, eager, nothing folded.

This is what benchmarks/training_step.py compares with; tests/test_benchmarks.py shows that it computes the same. A step
here is, in order: PGD on the eval-mode student, the teachers' answers, the student's two passes in training mode,
backward, SGD. AW-Net's filters are scaled through the conv's output, or each image has filters of its own (a loop).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robust_core.models.aw_net import AWNet
from robust_core.models.blocks import BasicBlock, MixBN
from robust_core.types import Classifier, Route

Conv = Callable[[nn.Conv2d, Tensor, Tensor], Tensor]


def forward(net: Classifier, x: Tensor, kind: str | None = None, *, loop: bool = False) -> tuple[Tensor, Tensor | None]:
    """Logits and P(type). kind: in training the known type, None at inference. A static network is simply called."""
    if not isinstance(net, AWNet):
        return net(x), None
    route = net.router(x)
    body = net.backbone
    y = F.relu(_mixed(body.bn1, body.conv1(body.normalize(x)), route.p_type, kind))
    for name in body.stage_names:
        for block in body.get_submodule(name):
            y = _block(block, y, route, kind, _per_sample if loop else _by_output)
    return body.linear(y.mean(dim=(2, 3))), route.p_type


def _block(block: BasicBlock, x: Tensor, route: Route, kind: str | None, conv: Conv) -> Tensor:
    y = F.relu(_mixed(block.bn1, conv(block.conv1, x, route.signals[f"{block.name}.conv1"]), route.p_type, kind))
    y = _mixed(block.bn2, conv(block.conv2, y, route.signals[f"{block.name}.conv2"]), route.p_type, kind)
    side = x
    if len(block.shortcut):
        side = _mixed(block.shortcut[1], block.shortcut[0](x), route.p_type, kind)
    return F.relu(y + side)


def _by_output(conv: nn.Conv2d, x: Tensor, signal: Tensor) -> Tensor:
    return conv(x) * signal[:, :, None, None]


def _per_sample(conv: nn.Conv2d, x: Tensor, signal: Tensor) -> Tensor:
    """Each image has filters of its own, ω_i ⊗ W, so each is convolved by itself."""
    rows = [
        F.conv2d(x[i : i + 1], conv.weight * signal[i][:, None, None, None], stride=conv.stride, padding=conv.padding)
        for i in range(len(x))
    ]
    return torch.cat(rows)


def _mixed(norm: MixBN, u: Tensor, p_type: Tensor, kind: str | None) -> Tensor:
    if kind is not None:
        return (norm.clean if kind == "clean" else norm.adversarial)(u)
    p = p_type[:, :, None, None, None]
    return p[:, 0] * norm.clean(u) + p[:, 1] * norm.adversarial(u)


class Step:
    """One training step of MTARD or ABSLD, as a paper's script would have it."""

    def __init__(
        self,
        net: Classifier,
        teachers: dict[str, Classifier],
        method: str,
        *,
        eps: float,
        steps: int,
        loop: bool = False,
    ) -> None:
        self.net, self.method, self.eps, self.steps, self.loop = net, method, eps, steps, loop
        self.teachers = teachers
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
        self.w_nat = 0.5
        self.first: tuple[float, float] | None = None
        self.tau = torch.ones(10)

    def __call__(self, x: Tensor, y: Tensor) -> float:
        with torch.no_grad():
            soft = self.teachers["robust" if self.absld else "clean"](x)
        p_adv = (soft / self.tau[y][:, None]).softmax(dim=1) if self.absld else None
        x_adv = self._attack(x, y, p_adv) if self.steps else x
        self.net.train()
        typed = isinstance(self.net, AWNet)
        (clean, own), (adversarial, own_adv) = (
            forward(self.net, images, kind if typed else None, loop=self.loop)
            for images, kind in ((x, "clean"), (x_adv, "adversarial"))
        )
        if self.absld:
            nat, adv = _kl(p_adv, clean), _kl(p_adv, adversarial)
            loss = nat / 6 + 5 / 6 * adv
        else:
            with torch.no_grad():
                robust = self.teachers["robust"](x_adv).softmax(dim=1)
            nat, adv = _kl(soft.softmax(dim=1), clean), _kl(robust, adversarial)
            self._balance(nat.item(), adv.item())
            loss = self.w_nat * nat + (1 - self.w_nat) * adv
        if typed:
            told = enumerate((own, own_adv))
            loss = loss + sum(F.nll_loss(p.log(), torch.full_like(y, kind)) for kind, p in told) / 2
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @property
    def absld(self) -> bool:
        return self.method == "absld"

    def _attack(self, x: Tensor, y: Tensor, p_adv: Tensor | None) -> Tensor:
        self.net.eval()
        x_adv = (x + 0.001 * torch.randn_like(x)).clamp(0, 1)
        for _ in range(self.steps):
            x_adv = x_adv.detach().requires_grad_()
            z, _ = forward(self.net, x_adv, loop=self.loop)
            loss = F.cross_entropy(z, y) if p_adv is None else _kl(p_adv, z)
            (gradient,) = torch.autograd.grad(loss, x_adv)
            x_adv = x_adv.detach() + self.eps / 4 * gradient.sign()
            x_adv = torch.min(torch.max(x_adv, x - self.eps), x + self.eps).clamp(0, 1)
        return x_adv.detach()

    def _balance(self, nat: float, adv: float) -> None:
        self.first = self.first or (nat, adv)
        a, b = nat / self.first[0], adv / self.first[1]
        self.w_nat -= 0.025 * (self.w_nat - a / (a + b))


def _kl(p: Tensor, z: Tensor) -> Tensor:
    return F.kl_div(z.log_softmax(dim=1), p, reduction="batchmean")
