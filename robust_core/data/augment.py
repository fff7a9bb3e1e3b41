"""Augmentation as tensor code: a whole batch at once, each image with a draw of its own, on any device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64, Num
from torch import Tensor

from robust_core.types import UserError

Images = Num[Tensor, "n c h w"]


def shift_crop(x: Images, dy: Int64[Tensor, " n"], dx: Int64[Tensor, " n"], pad: int) -> Images:
    """Image i of the batch framed by `pad` zeros, then its window of the old size from row dy[i], column dx[i].

    dy, dx lie in [0, 2·pad]; `pad` itself leaves the image as it is.
    """
    h, w = x.shape[-2:]
    windows = F.pad(x, (pad, pad, pad, pad)).unfold(2, h, 1).unfold(3, w, 1)  # a view: (n, c, 2·pad+1, 2·pad+1, h, w)
    return windows[torch.arange(len(x), device=x.device), :, dy, dx]


def mirror(x: Images, chosen: Bool[Tensor, " n"]) -> Images:
    """The chosen images left-right reversed, the others as they are."""
    return torch.where(chosen[:, None, None, None], x.flip(-1), x)


def pad_crop(x: Images, generator: torch.Generator, pad: int = 4) -> Images:
    """Each image moved by up to `pad` pixels in each direction, zeros (black) moving in; all offsets equally likely."""
    if pad == 0:
        return x
    offsets = torch.randint(0, 2 * pad + 1, (2, len(x)), generator=generator, device=generator.device).to(x.device)
    return shift_crop(x, offsets[0], offsets[1], pad)


def flip(x: Images, generator: torch.Generator) -> Images:
    """Each image left-right reversed with probability ½."""
    chosen = torch.rand(len(x), generator=generator, device=generator.device) < 0.5
    return mirror(x, chosen.to(x.device))


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is done to a training batch. Raises UserError where pad is negative."""

    pad: int = 4  # pixels
    flip: bool = True

    def __post_init__(self) -> None:
        if self.pad < 0:
            raise UserError(f"augmentation pad: must be 0 or more pixels, got {self.pad}")

    @property
    def changes(self) -> bool:
        """Does any image come out other than it went in?"""
        return self.flip or self.pad > 0

    def __call__(self, x: Images, generator: torch.Generator) -> Images:
        """The batch, augmented; floats or bytes, any device, in a new tensor wherever something changed."""
        x = pad_crop(x, generator, self.pad)
        return flip(x, generator) if self.flip else x
