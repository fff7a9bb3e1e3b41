"""Accuracy against ε and against the number of steps, live, for the networks chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from pages.ui import link
from pages.ui.compare_cards import Shown
from pages.ui.compare_judged import bar, chosen_nets, counts, over_chunks, pick_attack, pick_bench
from pages.ui.compare_take import show_and_keep
from pages.ui.served import looks
from robust_core import charts
from robust_core.attacks import AttackSettings
from robust_core.charts import Counted, Theme
from robust_core.evaluation.sweeps import over_eps, over_steps

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # of the board's ε
STEPS = (0, 1, 2, 3, 5, 10, 20, 50, 100)
ENDS = "Whiskers, drawn side by side, and brackets"
UNITS = {"linf": "ε (L∞, pixel units)", "l2": "ε (L2, pixel units)"}


def against_eps(shown: Shown) -> None:
    """A curve a network over budgets up to three times the board's."""
    nets = chosen_nets(shown)
    with bar():
        bench = pick_bench(nets)
        attack = pick_attack(shown, bench.seed)
    top = 1.0 if attack.norm == "linf" else float("inf")
    eps = sorted({min(top, round(share * shown.board.eps, 6)) for share in SHARES})
    key = ("eps", attack.model_dump_json(), *eps)
    found = over_chunks(
        bench, looks(attack) * (len(eps) - 1), f"Accuracy at {len(eps)} budgets", key,
        lambda net, part, indices: over_eps(net, part, attack, eps, indices=indices),
    )  # fmt: skip
    lines = _lines(shown, {title: counts(rows) for title, rows in found.items()}, bench.n)

    title, usual = UNITS[attack.norm], shown.board.eps

    def drawn(now: Theme) -> go.Figure:
        return charts.accuracy_curves(eps, lines, x_title=title, x_name="ε", usual=usual, look=now)

    told = bench.told(_varied(attack, "ε varies"), ENDS) + (
        " Steps grow with ε. An image fooled at a smaller ε counts as fooled at every larger one: it may be changed as "
        "little there. An upper bound on robust accuracy: a stronger attack may find more."
    )
    show_and_keep(shown, "eps", "Accuracy against ε", drawn, told)


def against_steps(shown: Shown) -> None:
    """A curve a network over the steps of one PGD."""
    nets = chosen_nets(shown)
    with bar():
        bench = pick_bench(nets)
        most = int(link.select("Steps up to", {str(s): str(s) for s in STEPS[4:]}, "most_steps", "50"))
    size = min(1.0, shown.board.eps / 4)
    attack = AttackSettings(
        name="pgd", norm=shown.board.norm, eps=shown.board.eps, steps=most, step_size=size, seed=bench.seed
    )
    found = over_chunks(
        bench, looks(attack), f"PGD of {most} steps", ("steps", attack.model_dump_json()),
        lambda net, part, indices: over_steps(net, part, attack, indices=indices),
    )  # fmt: skip
    points = [step for step in STEPS if step <= most]
    lines = _lines(shown, {title: counts(rows[points]) for title, rows in found.items()}, bench.n)

    def drawn(now: Theme) -> go.Figure:
        return charts.accuracy_curves(points, lines, x_title="steps of PGD", x_name="steps", by_rank=True, look=now)

    told = bench.told(_varied(attack, "stopped after each number of steps"), ENDS) + (
        " The curve should fall and level off: where it is still falling the attack is too weak to quote; where it "
        "rises, gradients mislead."
    )
    show_and_keep(shown, "steps", "Accuracy against attack strength", drawn, told)


def _lines(shown: Shown, right: Mapping[str, Sequence[int]], n: int) -> list[Counted]:
    """A line a network, by title, drawn as its mark in the scatter is."""
    titles = shown.titles()
    cards = {titles[one.name]: one.card for one in shown.picked}
    return [
        Counted(name=title, right=some, n=n, method=cards[title].method, architecture=cards[title].architecture)
        for title, some in right.items()
    ]


def _varied(attack: AttackSettings, what: str) -> str:
    words = attack.describe().split(", ")
    return ", ".join(word for word in words if what != "ε varies" or not word.startswith(("ε", "step "))) + f"; {what}"
