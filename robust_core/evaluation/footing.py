"""Networks on one footing: by one yardstick, on the same images, as many as all were asked.

Where one was asked more than others, its figure is cut to the first images, of which its card knows which it got
right; seed and image decide every verdict of an attack, so that this is what a shorter evaluation would have found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from robust_core.evaluation.leaderboard import Row, every_row
from robust_core.evaluation.marks import OF_CARDS, Mark, of_figures
from robust_core.evaluation.scores import Board, Listed, usual

Pair = tuple[Row, Row]


def on_one_footing(rows: Sequence[Row]) -> list[Row]:
    """The rows of a board on as many images as is `usual` among those that count.

    A row of more is cut to them, and says so; one of fewer is marked, and thereby not ranked: a few easy images would
    else lead. Where a row of more cannot be cut, for its card has counts alone, all are asked as many.
    """
    counts = [one.robust.n for one in rows if one.ranked and one.robust]
    n = usual(counts)
    shown = next((one.robust.class_n for one in rows if one.ranked and one.robust and one.robust.n == n), ())
    cut = [_shortened(one, shown) for one in rows]
    if any(one.ranked and one.robust and one.robust.n > n for one in cut):
        n, cut = max(counts), list(rows)
    return [_marked(one, n) for one in cut]


def _shortened(one: Row, class_n: tuple[int, ...]) -> Row:
    """On the first images alone, which are so many of each class; as it is where it has no more, or none is known."""
    n = sum(class_n)
    if not one.ranked or one.robust is None or one.robust.n <= n or (found := _of_first(one, class_n)) is None:
        return one
    word, told = f"first {n:,} of {one.robust.n:,}", f"measured on {one.robust.n:,} images; shown are the first {n:,},"
    more = Mark(kind="more", word=word, told=f"{told} which others here met, too")
    assert found.score
    kept = [mark for mark in one.marks if mark.kind in OF_CARDS]  # the others spoke of the whole figure
    return replace(found, marks=(*kept, *of_figures(found.score, found.card), more))


def _marked(one: Row, n: int) -> Row:
    if one.robust is None or one.robust.n >= n:
        return one
    told = f"measured on {one.robust.n:,} images, others here on {n:,}: another question, and not ranked"
    word = f"n = {one.robust.n:,}, others {n:,}"
    return replace(one, marks=(*one.marks, Mark(kind="fewer", word=word, told=told)))


def common(board: Board, yardstick: str, first: Listed, second: Listed) -> Pair | None:
    """The rows of both on the most images that both were asked; None where nothing is measured alike."""
    ours, theirs = ([one for one in every_row(each, board, yardstick) if _whole(one)] for each in (first, second))
    pairs = [cut for a in ours for b in theirs if _attacked_alike(a, b) and (cut := _cut(a, b)) is not None]
    return max(pairs, key=_worth, default=None)


def _whole(one: Row) -> bool:
    """Measured here, by these weights, with nothing left out: a router's own attacks, say."""
    return one.ranked and one.clean is not None and not any(mark.kind == "partial" for mark in one.marks)


def _attacked_alike(one: Row, other: Row) -> bool:
    """Did both meet the same attacks, but for a router's own?

    The adaptive group has restarts of APGD, too, which only AutoAttack gives a static network as well.
    """
    ours, theirs = (set(row.score.plan if row.score else ()) for row in (one, other))
    return ours == theirs or "autoattack" in ours & theirs


def _cut(one: Row, other: Row) -> Pair | None:
    """Both on the images of the one that was asked fewer."""
    assert one.robust
    assert other.robust
    class_n = min(one.robust, other.robust, key=lambda tally: tally.n).class_n
    ours, theirs = _of_first(one, class_n), _of_first(other, class_n)
    return None if ours is None or theirs is None else (ours, theirs)


def _of_first(row: Row, class_n: tuple[int, ...]) -> Row | None:
    assert row.score
    if row.score.robust.class_n == class_n:
        return row
    robust, whole = row.score.robust.of_first(class_n), row.score.clean
    clean = whole.of_first(class_n) if whole else None
    if robust is None or (whole and clean is None):
        return None
    return replace(row, score=replace(row.score, robust=robust, clean=clean, figures={}), clean=clean)


def _worth(pair: Pair) -> tuple[int, bool]:
    """More images before fewer, and those of which is known which are right before mere counts."""
    tallies = [tally for row in pair for tally in (row.robust, row.clean) if tally is not None]
    return tallies[0].n, all(tally.marks is not None for tally in tallies)
