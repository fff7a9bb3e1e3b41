"""A teacher that is asked but once about an image that comes back unchanged every epoch."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robust_core.types import Classifier


class Remembered:
    """The teacher's logits on training images, kept. A student without augmentation meets the same ones each epoch.

    images: how many there are. dtype: of the teacher's answers. A row of the memory is NaN until its image has been
    seen, so nothing is asked ahead: the first epoch costs what it always did, each later one a look-up.
    """

    def __init__(self, teacher: Classifier, images: int, dtype: torch.dtype = torch.float32) -> None:
        self.teacher = teacher
        self._logits = torch.full((images, teacher.num_classes), torch.nan, dtype=dtype)

    def __call__(self, x: Float[Tensor, "n c h w"], places: Int64[Tensor, " n"]) -> Float[Tensor, "n k"]:
        """The logits on x, which are the images at `places` (each in [0, images)) as they are."""
        self._logits = self._logits.to(x.device)
        known = self._logits[places]
        if bool(known.isnan().any()):
            known = self.teacher(x)
            self._logits[places] = known
        return known
