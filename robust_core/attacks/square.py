"""Square: a black-box attack that repaints random squares and keeps what lowers the margin. Asks for outputs alone.

Source: Andriushchenko et al. 2020, algorithms 1 to 3. All images of a batch are attacked side by side, each at its own
random places; an image that is fooled is asked about no more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from robust_core.attacks.balls import Ball, Linf, per_image
from robust_core.attacks.losses import margin
from robust_core.attacks.noise import Noise, as_noise
from robust_core.attacks.steps import Classes, Images, OnStep, fooled, look
from robust_core.types import Trace, UserError

# The share of the pixels a square covers is halved at these queries of 10,000 (section 5 of the paper).
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
POINTS = 50  # on_step sees about so many points
DRAWS = 8  # numbers of a Noise that one query may use


def square(
    model: nn.Module,
    x: Images,
    y: Classes,
    ball: Ball,
    *,
    queries: int = 1000,
    share: float = 0.8,
    target: Classes | None = None,
    generator: torch.Generator | Noise,
    on_step: OnStep | None = None,
) -> Images:
    """Random search for the lowest margin; with a target, for the highest margin of the target.

    queries: looks at the model an image, the clean image's and the first pattern's among them. share: of the pixels in
    a square at the start, in (0, 1]. on_step sees the clean images, then the best so far every queries/50 queries
    (rounded up), and at the end; index is the query's number, and on_step's own looks at the model are not counted.
    Raises UserError for settings out of range.
    """
    if queries < 1 or not 0 < share <= 1:
        raise UserError(f"queries must be ≥ 1 and share in (0, 1]; got queries={queries}, share={share}")
    noise = as_noise(generator, x)
    propose = _linf_proposal if isinstance(ball, Linf) else _l2_proposal

    def objective(seen: Trace) -> Tensor:
        return -margin(seen.logits, y) if target is None else margin(seen.logits, target)

    def report() -> None:
        if on_step is not None:
            look(model, best.clone(), y, objective, query, on_step)  # `best` goes on changing

    best, query, every = x.clone(), 0, math.ceil(queries / POINTS)
    with torch.no_grad():
        search = Search.begin(model, x, y, target, ball, noise)
        while True:
            search = search.still_wanted()
            if query + 1 == queries or not len(search.rows):
                break
            if query % every == 0:
                report()
            query += 1
            if query == 1:
                proposal = _stripes(search) if isinstance(ball, Linf) else _tiles(search)
            else:
                proposal = propose(search, query, _side(share, query, queries, x))
            search.keep_better(search.project(proposal), best)
    report()
    return best


@dataclass(eq=False)
class Search:
    """The images still to be fooled. rows: where they are in the batch; value: what is climbed, at the best so far."""

    model: nn.Module
    rows: Int64[Tensor, " m"]
    x: Images
    y: Classes
    target: Classes | None
    ball: Ball
    noise: Noise
    best: Images
    value: Float[Tensor, " m"]
    done: Bool[Tensor, " m"]

    def __post_init__(self) -> None:
        self.project = self.ball.around(self.x)
        self.radius = self.ball.radius(self.x)

    @staticmethod
    def begin(model: nn.Module, x: Images, y: Classes, target: Classes | None, ball: Ball, noise: Noise) -> Search:
        """Query 0: the clean images."""
        logits = model(x)
        # The first pattern is taken as it comes, so every later square starts from the edge of the ball.
        value = torch.full((len(x),), float("-inf"), device=x.device)
        rows = torch.arange(len(x), device=x.device)
        return Search(model, rows, x, y, target, ball, noise, x, value, fooled(logits, y, target))

    def still_wanted(self) -> Search:
        if not bool(self.done.any()):
            return self
        left = (~self.done).nonzero()[:, 0]
        return Search(
            self.model,
            self.rows[left],
            self.x[left],
            self.y[left],
            None if self.target is None else self.target[left],
            self.ball.of(left),
            self.noise.of(left),
            self.best[left],
            self.value[left],
            self.done[left],
        )

    def keep_better(self, proposal: Images, whole: Images) -> None:
        """Asks the model about the proposal; what is better goes into `whole` too."""
        logits = self.model(proposal)
        value = -margin(logits, self.y) if self.target is None else margin(logits, self.target)
        self.done = fooled(logits, self.y, self.target)
        better = (value > self.value) | self.done
        self.value = torch.where(better, value, self.value)
        self.best = torch.where(per_image(better), proposal, self.best)
        whole[self.rows] = self.best


def _side(share: float, query: int, queries: int, x: Images) -> int:
    """The side of the squares at a query, in pixels; the schedule begins at the first square, which is query 2."""
    spent = (query - 2) / (queries - 2) * 10_000
    halved = share / 2 ** sum(spent > mark for mark in HALVINGS)
    h, w = x.shape[2:]
    return max(1, min(h, w, round(math.sqrt(halved * h * w))))


def _corners(noise: Noise, draw: int, h: int, w: int, side: int) -> tuple[Tensor, Tensor]:
    """Where the square of each image begins: (N,) rows and (N,) columns."""
    place = noise.uniform(draw, 2)
    return (place[:, 0] * (h - side + 1)).long(), (place[:, 1] * (w - side + 1)).long()


def _window(top: Tensor, left: Tensor, side: int, x: Images) -> Bool[Tensor, "n 1 h w"]:
    """True inside each image's square."""
    h = torch.arange(x.shape[2], device=x.device)[None, :] - top[:, None]
    w = torch.arange(x.shape[3], device=x.device)[None, :] - left[:, None]
    return (((h >= 0) & (h < side))[:, :, None] & ((w >= 0) & (w < side))[:, None, :])[:, None]


def _stripes(search: Search) -> Images:
    """Vertical stripes of ±eps, one a column and channel."""
    c, _, w = search.x.shape[1:]
    return search.x + search.radius * search.noise.signs(DRAWS, c, 1, w)


def _linf_proposal(search: Search, query: int, side: int) -> Images:
    """One square, in each channel all +eps or all -eps."""
    h, w = search.x.shape[2:]
    inside = _window(*_corners(search.noise, query * DRAWS, h, w, side), side, search.x)
    colour = search.radius * search.noise.signs(query * DRAWS + 1, search.x.shape[1], 1, 1)
    return torch.where(inside, search.x + colour, search.best)


def _unit(pattern: Tensor) -> Tensor:
    scaled: Tensor = pattern / torch.linalg.vector_norm(pattern)
    return scaled


def _bumps(side: int, device: torch.device) -> Float[Tensor, "s s"]:
    """The L2 attack's pattern: a bump and, beside it, its negative; length one. Eq. 2 of the paper."""

    def bump(h: int, w: int) -> Tensor:
        down, right = (torch.arange(n, device=device) - n // 2 for n in (h, w))
        ring = torch.maximum(down.abs()[:, None], right.abs()[None, :])  # 0 in the middle
        # The ring d is as high as the sum of 1/j² over j > d: steep in the middle, flat towards the rim.
        heights = 1 / torch.arange(1, max(h, w) // 2 + 2, device=device).float().square()
        height: Tensor = heights.flip(0).cumsum(0).flip(0)[ring]
        return _unit(height)

    half = side // 2
    pattern = torch.cat([bump(side, half), -bump(side, side - half)], dim=1) if half else bump(side, side)
    return _unit(pattern)


def _tiles(search: Search) -> Images:
    """A chequerboard of whole bumps of random signs in the middle of the image, scaled to length eps."""
    n, c, h, w = search.x.shape
    side = max(1, min(h, w) // 5)
    rows, columns = h // side, w // side
    signs = search.noise.signs(DRAWS, c, rows, columns)
    pattern = torch.kron(signs.view(-1, rows, columns), _bumps(side, search.x.device)[None])
    left, top = (w - columns * side) // 2, (h - rows * side) // 2
    margins = (left, w - columns * side - left, top, h - rows * side - top)
    pattern = torch.nn.functional.pad(pattern.view(n, c, rows * side, columns * side), margins)
    return search.x + _scaled(pattern, search.radius)


def _length(change: Images) -> Float[Tensor, "n 1 1 1"]:
    return per_image(torch.linalg.vector_norm(change.flatten(1), dim=1))


def _scaled(change: Images, length: Tensor) -> Images:
    """Each image's change with this length."""
    return change * (length / _length(change).clamp_(min=1e-12))


def _l2_proposal(search: Search, query: int, side: int) -> Images:
    """Moves the budget spent in one window into another, where it adds a pair of bumps. Algorithm 3 of the paper."""
    c, h, w = search.x.shape[1:]
    side, noise = min(max(side, 3) | 1, h, w), search.noise  # odd: a bump has a middle
    to = _corners(noise, query * DRAWS, h, w, side)
    there = _window(*to, side, search.x).float()
    source = _window(*_corners(noise, query * DRAWS + 1, h, w, side), side, search.x).float()
    change = search.best - search.x
    spare = (search.radius.square() - _length(change).square()).clamp(min=0) / c

    def per_channel(part: Tensor) -> Float[Tensor, "n c 1 1"]:
        lengths: Tensor = torch.linalg.vector_norm(part.flatten(2), dim=2)
        return lengths[:, :, None, None]

    # The pattern lies on its side for half of the images, its sign is drawn for each channel.
    pattern = _bumps(side, search.x.device)
    upright = noise.signs(query * DRAWS + 2, 1, 1, 1) > 0
    pattern = torch.where(upright, pattern, pattern.T) * noise.signs(query * DRAWS + 3, c, 1, 1)
    old = change * there
    new = _placed(pattern, to, search.x) + old / per_channel(old).clamp(min=1e-12)
    budget = (per_channel(change * torch.maximum(there, source)).square() + spare).sqrt()
    new = new / per_channel(new).clamp(min=1e-12) * budget
    change = change * (1 - torch.maximum(there, source)) + new
    return search.x + _scaled(change, search.radius)


def _placed(pattern: Float[Tensor, "n c s s"], corner: tuple[Tensor, Tensor], x: Images) -> Images:
    """Each image's pattern on a blank of the size of x, at its corner."""
    n, side = len(pattern), pattern.shape[2]
    blank = torch.zeros_like(x)
    images = torch.arange(n, device=x.device)[:, None, None]
    within = torch.arange(side, device=x.device)
    down, right = corner[0][:, None] + within, corner[1][:, None] + within
    blank.permute(0, 2, 3, 1)[images, down[:, :, None], right[:, None, :]] = pattern.permute(0, 2, 3, 1)
    return blank
