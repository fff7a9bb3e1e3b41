"""Counts of images that a network gets right, and figures with their intervals: what cards are made of."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST = 10**9  # images; a count beyond is a slip, or there to break who reckons with it


class Tally(BaseModel):
    """How many of n images a network gets right, overall and per class. Counts, not shares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(gt=0, le=MOST)
    correct: int = Field(ge=0)
    class_n: tuple[int, ...]
    class_correct: tuple[int, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Tally:
        if len(self.class_n) != len(self.class_correct) or sum(self.class_n) != self.n:
            raise ValueError("class_n and class_correct must be one number a class, and class_n add up to n")
        if sum(self.class_correct) != self.correct or any(
            not 0 <= c <= n for c, n in zip(self.class_correct, self.class_n, strict=True)
        ):
            raise ValueError("class_correct must add up to correct and lie in [0, class_n]")
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

    def worst_name(self, class_names: Sequence[str]) -> str:
        """Of the class that fares worst; their number where several fare alike."""
        named = zip(self.class_accuracy, class_names, strict=False)
        worst = [name for share, name in named if share is not None and share == self.worst_class]
        return worst[0] if len(worst) == 1 else f"{len(worst)} classes alike"


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
