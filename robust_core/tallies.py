"""Counts of images that a network gets right, and figures with their intervals: what cards are made of."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST = 10**9  # images; a count beyond is a slip, or there to break who reckons with it
MARKED = 20_000  # images; of more a tally keeps the counts alone, or its card would grow heavy


class Tally(BaseModel):
    """How many of n images a network gets right, overall and per class. Counts, not shares.

    marks: which they are, one bit an image, class by class and in each in the order of the set, in base64; None where
    only the counts are known. With them two networks are compared image by image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(gt=0, le=MOST)
    correct: int = Field(ge=0)
    class_n: tuple[int, ...]
    class_correct: tuple[int, ...]
    marks: str | None = None

    @classmethod
    def counted(cls, right: NDArray[np.bool_], labels: NDArray[np.int64], num_classes: int, **more: Any) -> Self:
        """Of images whose class is `labels`, each right or not, (N,) both. more: the other fields of a subclass."""
        by_class = np.packbits(right[np.argsort(labels, kind="stable")]).tobytes()
        return cls(
            n=len(labels),
            correct=int(right.sum()),
            class_n=tuple(np.bincount(labels, minlength=num_classes).tolist()),
            class_correct=tuple(np.bincount(labels[right], minlength=num_classes).tolist()),
            marks=base64.b64encode(by_class).decode() if len(labels) <= MARKED else None,
            **more,
        )

    @model_validator(mode="after")
    def _adds_up(self) -> Tally:
        if len(self.class_n) != len(self.class_correct) or sum(self.class_n) != self.n:
            raise ValueError("class_n and class_correct must be one number a class, and class_n add up to n")
        if sum(self.class_correct) != self.correct or any(
            not 0 <= c <= n for c, n in zip(self.class_correct, self.class_n, strict=True)
        ):
            raise ValueError("class_correct must add up to correct and lie in [0, class_n]")
        if self.marks is not None:
            ends, up_to = np.cumsum(self.class_n), np.concatenate([[0], np.cumsum(unpacked(self.marks, self.n))])
            if (up_to[ends] - up_to[ends - self.class_n]).tolist() != list(self.class_correct):
                raise ValueError("marks must be as many of each class as class_correct says")
        return self

    @property
    def accuracy(self) -> float:
        return self.correct / self.n

    @property
    def class_accuracy(self) -> list[float | None]:
        """None for a class with no image among the n."""
        return [c / n if n else None for c, n in zip(self.class_correct, self.class_n, strict=True)]

    @property
    def worst_class(self) -> float:
        return min(share for share in self.class_accuracy if share is not None)

    def of_first(self, class_n: Sequence[int]) -> Tally | None:
        """Of the first images of the set alone, which are so many of each class; None where it is not known which are
        right, or where they are no part of these."""
        if tuple(class_n) == self.class_n:
            return self
        return self._cut(class_n, lambda few: slice(0, few))

    def after_first(self, class_n: Sequence[int]) -> Tally | None:
        """Of the images that come after these first ones; None as in `of_first`, and where none are left."""
        return None if tuple(class_n) == self.class_n else self._cut(class_n, lambda few: slice(few, None))

    def _cut(self, class_n: Sequence[int], part: Callable[[int], slice]) -> Tally | None:
        if self.marks is None or any(few > n for few, n in zip(class_n, self.class_n, strict=True)):
            return None
        classes = np.split(unpacked(self.marks, self.n), np.cumsum(self.class_n)[:-1])
        kept = [bits[part(few)] for bits, few in zip(classes, class_n, strict=True)]
        labels = np.repeat(np.arange(len(kept)), [len(bits) for bits in kept])
        return Tally.counted(np.concatenate(kept), labels, len(kept))

    def worst_name(self, class_names: Sequence[str]) -> str:
        """Of the class that fares worst; their number where several fare alike."""
        named = zip(self.class_accuracy, class_names, strict=False)
        worst = [name for share, name in named if share is not None and share == self.worst_class]
        return worst[0] if len(worst) == 1 else f"{len(worst)} classes alike"


def unpacked(marks: str, n: int) -> NDArray[np.bool_]:
    """Whether each of the n images is right, class by class: the marks of a tally. Raises ValueError where they are not
    one bit an image."""
    packed = base64.b64decode(marks, validate=True)
    if len(packed) != -(-n // 8):
        raise ValueError(f"marks must be one bit for each of {n} images; got {len(packed)} bytes")
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8)).astype(bool)
    if bits[n:].any():
        raise ValueError(f"there are marks beyond the {n} images")
    return bits[:n]


class Figure(BaseModel):
    """A figure with its 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float = Field(ge=0)
    low: float = Field(ge=0)
    high: float = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Figure:
        if self.low > self.high:
            raise ValueError(f"an interval must begin before it ends; got [{self.low:g}, {self.high:g}]")
        return self
