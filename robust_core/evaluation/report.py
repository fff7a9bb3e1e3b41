"""A leaderboard to take away: as columns of words and numbers, as CSV, as Markdown.

What was not measured says so in words: an empty cell could be read as zero.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

from robust_core.cards import Figure, Tally
from robust_core.evaluation.leaderboard import JUDGES, Row, interval, ranks
from robust_core.evaluation.measures import in_percent, spaced
from robust_core.evaluation.scores import Board, Yardstick
from robust_core.names import called

MISSING = "not measured"
UNCHECKED = "not checked"
UNKNOWN = "not known"
ELSEWHERE = "another machine"
UNDEFINED = "not defined: none is right"
NAMES = {
    "name": "title", "method": "method", "architecture": "architecture", "clean": "clean accuracy",
    "robust": "robust accuracy", "w_robust": "W-Robust", "worst_class": "worst class", "nsd": "NSD",
    "doubts": "checks not passed", "parameters": "parameters", "multiply_adds": "multiply-adds", "ms": "ms/image",
}  # fmt: skip
SPANS = (
    "W-Robust's interval: half the sum of the lower ends of both, to half that of the upper ones; at least 95 %, as "
    "if the errors of both came together"
)
Cell = str | int | float


def records(
    rows: Sequence[Row], board: Board, yardstick: Yardstick | None, sort: str = "w_robust"
) -> list[dict[str, Cell]]:
    """Every row with everything that is needed to repeat its numbers; shares in [0, 1], intervals 95 % (Wilson;
    of worst class and NSD bootstrap; of W-Robust from the ends of both)."""
    found, placed = [], ranks(rows, sort)
    for row in rows:
        score, clean, robust = row.score, row.clean, row.robust
        record: dict[str, Cell] = {"rank": placed.get(row.name, ""), "ranked_by": sort if placed else ""}
        record |= {"name": row.name, "title": row.title}
        record |= {"method": row.card.method, "architecture": row.card.architecture}
        record |= {"test_images": board.data_name, "norm": board.norm, "eps": board.eps}
        record |= {"robust_under": yardstick.title if yardstick else MISSING}
        record |= {"attack": score.told if score else MISSING, "seed": score.seed if score else MISSING}
        record |= _shares("clean", clean) | _shares("robust", robust)
        record |= {"w_robust": _number(row.w_robust)} | _ends("w_robust", row.w_interval, MISSING)
        lacking = MISSING if robust is None else UNDEFINED
        record |= {"worst_class": _number(row.worst_class)}
        record |= _ends("worst_class", row.intervals.get("worst_class"), lacking)
        record |= {"worst_class_name": row.worst_name or MISSING}
        record |= {"nsd": _number(row.nsd) if robust is None or row.nsd is not None else UNDEFINED}
        record |= _ends("nsd", row.intervals.get("nsd"), lacking)
        record |= _doubts(row)
        record |= {"parameters": row.card.parameters}
        cost = row.cost
        record |= {"multiply_adds": MISSING if row.multiply_adds is None else row.multiply_adds}
        record |= {"ms_per_image": round(cost.one_ms, 4) if cost else MISSING}
        record |= {"ms_measured": cost.describe() if cost else MISSING}
        record |= {"ms_measured_here": "" if cost is None else "yes" if cost.here else "no"}
        record |= {"training_seed": training_seed(row), "weights_sha256": row.card.weights_sha256}
        record |= {"test_images_sha256": board.fingerprint or MISSING}
        record |= {"marks": "; ".join(f"{mark.word}: {mark.told}" for mark in row.marks)}
        found.append(record)
    return found


def _shares(name: str, tally: Tally | None) -> dict[str, Cell]:
    if tally is None:
        return {f"{name}_n": MISSING, name: MISSING, f"{name}_low": MISSING, f"{name}_high": MISSING}
    low, high = interval(tally)
    return {f"{name}_n": tally.n, name: _number(tally.accuracy), f"{name}_low": _number(low)} | {
        f"{name}_high": _number(high)
    }


def _ends(name: str, found: Figure | None, lacking: str) -> dict[str, Cell]:
    ends = (lacking, lacking) if found is None else (_number(found.low), _number(found.high))
    return dict(zip((f"{name}_low", f"{name}_high"), ends, strict=True))


def _number(value: float | None) -> Cell:
    return MISSING if value is None else round(value, 6)


def _doubts(row: Row) -> dict[str, Cell]:
    if row.doubts is None:
        names = ("doubts_passed", "doubts_caught", "doubts_images", "doubts_test_images")
        return dict.fromkeys(names, UNCHECKED)
    passed = sum(check.passed is True for check in row.doubts.checks)
    where: dict[str, Cell] = {"doubts_images": row.doubts.n, "doubts_test_images": row.doubts.data_name}
    caught = ", ".join(check.name for check in row.doubts.raised) or "none"
    return {"doubts_passed": f"{passed} of {len(row.doubts.checks)}", "doubts_caught": caught} | where


def to_csv(rows: Sequence[Row], board: Board, yardstick: Yardstick | None, sort: str = "w_robust") -> str:
    """With a header line. Text that a spreadsheet would take for a formula is preceded by an apostrophe."""
    found = records(rows, board, yardstick, sort)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(found[0]) if found else ["name"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _inert(value) for key, value in record.items()} for record in found)
    return out.getvalue()


def _inert(value: Cell) -> Cell:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def headings() -> list[str]:
    """Of `lines`."""
    return ["#", "network", "method", "architecture", "clean", "robust", "W-Robust", "worst class", "NSD", "n",
            "doubts", "parameters", "multiply-adds", "ms/image", "remarks"]  # fmt: skip


def training_seed(row: Row) -> int | str:
    """Of an imported state dict nobody here knows it."""
    return UNKNOWN if row.card.method == "imported" else row.card.seed


def full_titles(rows: Sequence[Row]) -> dict[str, str]:
    """Name → title; name and training seed stand behind a title that several have."""
    every = Counter(row.title for row in rows)
    return {
        row.name: row.title if every[row.title] == 1 else f"{row.title} ({row.name}, seed {training_seed(row)})"
        for row in rows
    }


def lines(rows: Sequence[Row], sort: str = "w_robust") -> list[list[str]]:
    """The board as words, a list a row, under `headings`."""
    found, placed, titles = [], ranks(rows, sort), full_titles(rows)
    for row in rows:
        robust = row.robust
        ends = row.intervals
        worst = f"{figure_in_percent(ends['worst_class'])} {row.worst_name}" if ends else MISSING
        spread = MISSING if robust is None else in_numbers(ends["nsd"]) if "nsd" in ends else "not defined"
        found.append(
            [
                str(placed.get(row.name, "–")), titles[row.name],
                called(row.card.method), called(row.card.architecture),
                share(row.clean), share(robust),
                MISSING if row.w_interval is None else figure_in_percent(row.w_interval, least=2),
                worst, spread, f"{robust.n:,}" if robust else "–", checked(row), f"{row.card.parameters:,}",
                MISSING if row.multiply_adds is None else f"{row.multiply_adds / 1e6:,.1f} M", milliseconds(row),
                "; ".join(mark.word for mark in row.marks),
            ]
        )  # fmt: skip
    return found


def share(tally: Tally | None) -> str:
    """ "74.2 % [73.3, 75.0]", or that it is missing."""
    return MISSING if tally is None else in_percent(tally.accuracy, *interval(tally))


def milliseconds(row: Row) -> str:
    """ "0.42", with a word where it was timed on another machine."""
    if row.cost is None:
        return MISSING
    return f"{row.cost.one_ms:.2f}" + ("" if row.cost.here else f" ({ELSEWHERE})")


def figure_in_percent(figure: Figure, *, least: int = 1) -> str:
    """ "74.2 % [73.3, 75.0]"."""
    return in_percent(figure.value, figure.low, figure.high, least=least)


def in_numbers(figure: Figure) -> str:
    """ "0.274 [0.252, 0.299]"."""
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def doubt_lines(rows: Sequence[Row]) -> list[list[str]]:
    """Of each row that was checked, a line a check: network, check, verdict, what came out, what was run."""
    words, titles = {True: "passed", False: "caught", None: "undecided"}, full_titles(rows)
    return [
        [
            titles[row.name],
            check.title,
            words[check.passed],
            spaced(check.told),
            f"{check.ran}; {row.doubts.n:,} images of {row.doubts.data_name}",
        ]
        for row in rows
        if row.doubts
        for check in row.doubts.checks
    ]


def verdict(row: Row) -> str:
    """Of the doubts, in a few words."""
    if row.doubts is None:
        return UNCHECKED
    checks, raised = row.doubts.checks, row.doubts.raised
    if raised:
        return f"{len(raised)} of {len(checks)} caught"
    passed = sum(check.passed is True for check in checks)
    if not passed:
        return "no check decides"
    return f"{passed} of {len(checks)} passed" + ("" if passed == len(checks) else ", the others undecided")


def checked(row: Row) -> str:
    """ "8 of 8 passed (128 images of fashion_mnist)": the verdict, and what it was made on."""
    doubts = row.doubts
    return f"{verdict(row)} ({doubts.n:,} images of {doubts.data_name})" if doubts else UNCHECKED


def all_passed(row: Row) -> bool:
    """Was every check made, and passed?"""
    return row.doubts is not None and all(check.passed is True for check in row.doubts.checks)


def about(
    rows: Sequence[Row], board: Board, yardstick: Yardstick | None, sort: str = "w_robust", filters: Sequence[str] = ()
) -> list[str]:
    """What the numbers are, in sentences: images, attack, budget, seeds, order. filters: as "method trades"."""
    seeds = sorted({row.score.seed for row in rows if row.score})
    told = [f"Test images: {board.data_name}" + (f", SHA-256 {board.fingerprint[:12]}…" if board.fingerprint else "")]
    under = yardstick.title if yardstick else "nothing yet"
    told.append(f"Robust: still right under {under}; {board.budget}; seed {', '.join(map(str, seeds)) or 'none'}")
    told.append(f"{_images(rows)}; 95 % intervals (Wilson; of worst class and NSD bootstrap)")
    told += [said] if (said := standing(rows, sort)) else []
    told.append("W-Robust = ½ clean + ½ robust; NSD = standard deviation / mean of the class accuracies, robust; lower "
                "is fairer")  # fmt: skip
    told.append(SPANS)
    order = f"Ranked by {NAMES[sort]}" if sort in JUDGES else f"In order of {NAMES[sort]}, not ranked"
    told.append(order + (f", filtered to {' and '.join(filters)}" if filters else ""))
    return [spaced(sentence) for sentence in told]


def _images(rows: Sequence[Row]) -> str:
    """ "n: the first 128, 1,000 or 10,000 test images, as each row says"."""
    *fewer, most = sorted({row.robust.n for row in rows if row.robust}) or [0]
    if not most:
        return "n: none measured so"
    several = f"{', '.join(f'{n:,}' for n in fewer)} or " if fewer else ""
    return f"n: the first {several}{most:,} test images" + (", as each row says" if fewer else "")


def standing(rows: Sequence[Row], sort: str = "w_robust") -> str:
    """Of how many networks the board speaks, where it is not of all: "Measured so: 4 of 18 networks; ranks are among
    these"; "" where all are ranked."""
    measured, counting = (sum(map(bool, kind)) for kind in ([row.score for row in rows], [row.ranked for row in rows]))
    if counting == len(rows):
        return ""
    told = f"Measured so: {measured} of {len(rows)} network{'s' if len(rows) > 1 else ''}"
    if sort not in JUDGES or not measured:
        return told
    if counting == measured:
        return f"{told}; ranks are among these"
    some = f"{counting} of these {'is' if counting == 1 else 'are'}" if counting else "none of these is"
    return f"{told}; {some} ranked, and where one is not, a mark says why"


def to_markdown(
    rows: Sequence[Row], board: Board, yardstick: Yardstick | None, sort: str = "w_robust", filters: Sequence[str] = ()
) -> str:
    """A table with what its numbers are, above it."""
    told = [f"- {_inline(sentence)}" for sentence in about(rows, board, yardstick, sort, filters)]
    table = [headings(), ["---"] * len(headings()), *lines(rows, sort)]
    return "\n".join([*told, "", *("| " + " | ".join(map(_cell, cells)) + " |" for cells in table)]) + "\n"


def _cell(text: str) -> str:
    return text if text == "---" else _inline(text)


def _inline(text: str) -> str:
    """As Markdown without links, pictures, HTML or new lines, whatever people called their networks."""
    text = "".join(f"\\{c}" if c in "\\`*|" else " " if c in "\r\n" else c for c in text)
    return text.replace("](", "]\\(").replace("][", "]\\[").replace("<", "&lt;")
