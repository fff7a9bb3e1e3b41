"""How far one network is ahead of another, image by image, by all that both cards know of the same images.

    python benchmarks/gaps.py [NAME or run folder] [NAME or run folder] [--after N]

The first less the second, in points, each with its 95 % interval of the images' chance: W-Robust, worst class, and NSD
(less is fairer; not in points). A table in Markdown. No interval, and so no finding: where they differ on too few
images, where a class has too few for its gap (of 1,000 images some 100 each), or where one card does not say which
images were right. --after leaves out the first N images: of those that a first look had not seen, on N, what does a
second one on more images say?
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from robust_core import checkpoints
from robust_core.cards import Tally
from robust_core.evaluation.footing import common
from robust_core.evaluation.leaderboard import Row
from robust_core.evaluation.measures import nsd
from robust_core.evaluation.paired import Interval, gap_between_classes, gap_of_means
from robust_core.evaluation.scores import Board, Listed, boards, yardsticks
from robust_core.types import UserError

DEFAULT = ("fashion_mnist/aw_net", "fashion_mnist/pgd_at_mixed")


def listed(name: str) -> Listed:
    found = checkpoints.at(Path(name)) if Path(name).is_dir() else checkpoints.find(name)
    if found.card is None:
        raise UserError(f"{name} has no card: {found.problem or 'measure it first'}")
    return Listed.of(found, found.card)


def rows(first: Listed, second: Listed, after: int = 0) -> Iterator[str]:
    """One row a yardstick that both were measured by. after: of the images beyond the first so many, where a card knows
    how many of each class these are."""
    for board in boards([first, second]):
        for yardstick in yardsticks(board, [first, second]):
            pair = common(board, yardstick.id, first, second)
            if pair is None:
                continue
            tallies = [tally for one in pair for tally in both(one)]
            if after:
                class_n = of_each_class(first, board, after) or of_each_class(second, board, after)
                tallies = [rest for tally in tallies if class_n and (rest := tally.after_first(class_n))]
            if len(tallies) != 4:
                continue
            clean, ours, other, theirs = tallies
            w = 50 * (clean.accuracy + ours.accuracy - other.accuracy - theirs.accuracy)
            worst = 100 * (ours.worst_class - theirs.worst_class)
            spread = (nsd(ours.class_accuracy) or 0) - (nsd(theirs.class_accuracy) or 0)
            cells = (
                f"{board.data_name}, {board.budget}, {yardstick.title}",
                str(ours.n),
                told(w, gap_of_means((clean, ours), (other, theirs)), 100, 2),
                told(worst, gap_between_classes("worst_class", ours, theirs), 100, 1),
                told(spread, gap_between_classes("nsd", ours, theirs), 1, 3),
            )
            yield "| " + " | ".join(cells) + " |"


def both(row: Row) -> tuple[Tally, Tally]:
    """Clean and robust, which a row on a common footing has."""
    assert row.clean
    assert row.robust
    return row.clean, row.robust


def of_each_class(network: Listed, board: Board, n: int) -> tuple[int, ...] | None:
    """How many images of each class are among the first n, by what was measured here of just these."""
    known = [(one.data_fingerprint, one.clean) for one in network.card.evaluations if not one.claimed]
    known += [(one.data_fingerprint, one) for one in network.card.measures if not one.claimed]
    return next((one.class_n for data, one in known if one.n == n and data == board.fingerprint), None)


def told(gap: float, interval: Interval | None, unit: float, digits: int) -> str:
    """ "+0.31 [0.06, 0.56]"."""
    ends = "" if interval is None else f" [{unit * interval[0]:.{digits}f}, {unit * interval[1]:.{digits}f}]"
    gap = round(gap, digits) + 0.0  # no "−0.00" for what is none but for rounding
    return f"{gap:+.{digits}f}{ends}".replace("-", "−")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=DEFAULT, help="two of them")
    parser.add_argument("--after", type=int, default=0, metavar="N", help="leave out the first N test images")
    args = parser.parse_args()
    try:
        if len(args.networks) != 2:
            raise UserError(f"two networks make a gap; got {len(args.networks)}")
        pair = [listed(name) for name in args.networks]
        found = list(rows(*pair, after=args.after))
        if args.after and not found:
            raise UserError(
                f"no images are left after the first {args.after:,}, or no card says how many of each class these are: "
                "choose a number that one of the two was measured on, and both on more"
            )
    except UserError as error:
        sys.exit(f"error: {error}")
    without = f", without the first {args.after:,} images" if args.after else ""
    print(f"{args.networks[0]} less {args.networks[1]}{without}\n")
    print("| measured by | images | W-Robust | worst class | NSD |\n|---|---|---|---|---|")
    print("\n".join(found) or "| nothing that both were measured by | | | | |")


if __name__ == "__main__":
    main()
