"""The transfer matrix: adversarial images crafted on one network, shown to every other, live."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from pages.ui.compare_cards import Shown
from pages.ui.compare_judged import bar, chosen_nets, over_chunks, pick_attack, pick_bench
from pages.ui.compare_take import keep
from pages.ui.frame import look, show, verbatim
from pages.ui.served import looks
from robust_core import charts
from robust_core.attacks import run
from robust_core.charts import Theme
from robust_core.evaluation.paired import chance
from robust_core.evaluation.sweeps import stands
from robust_core.types import Classifier, ImageSet

LIKELY = 0.05  # up to which what chance may do is no sign of anything


def transfer(shown: Shown) -> None:
    """Rows: whose gradients made the images. Columns: who is shown them."""
    nets = chosen_nets(shown)
    with bar():
        bench = pick_bench(nets)
        attack = pick_attack(shown, bench.seed)
    judges = [(net.sha, net.net) for net in bench.nets.values()]

    def asked(net: Classifier, part: ImageSet, indices: Tensor) -> Tensor:
        """Which images each judge gets right: as they are, and as this network's attack left them, (2, M, n)."""
        x, y = part.floats(), part.labels
        x_adv = run(attack, net, x, y, indices=indices)
        return torch.stack([torch.stack([stands(judge, shot, y) for _, judge in judges]) for shot in (x, x_adv)])

    key = ("transfer", attack.model_dump_json(), *(sha for sha, _ in judges))
    found = over_chunks(bench, looks(attack), "Crafting on each network", key, asked)
    names = list(found)
    right = np.array([found[name][1].sum(dim=-1).tolist() for name in names])
    untouched = found[names[0]][0].sum(dim=-1).tolist()

    n = bench.n  # the report keeps what draws it, and is to keep no networks

    def drawn(now: Theme) -> go.Figure:
        return charts.transfer_matrix(names, right, untouched, n, look=now)

    show(drawn(look()), "compare_transfer")
    told = bench.told(attack.describe(), "Brackets, where the pointer rests on a cell") + (
        " Not those alone that every network gets right: the first row says how many each does untouched. Each cell: "
        "the share of all of them that the column still gets right. Framed, on the diagonal: white box, a network "
        "under its own attack; elsewhere the attack has not looked at the column. "
        "Where another network's images hurt more than its own, its gradients mislead."
    )
    if len(names) == 1:
        st.info("Choose a second network in the leaderboard: with one there is nobody to transfer to.")
    for name, other, by_own, by_other in masked({title: after[1] for title, after in found.items()}):
        st.warning(
            f"**{verbatim(name)}** loses more to images crafted on {verbatim(other)} ({by_other} of {bench.n} right) "
            f"than to its own attack ({by_own}), and not by chance: a sign of masked gradients.",
            icon=":material/gpp_maybe:",
        )
    st.caption(verbatim(told))
    keep(shown, "transfer", "Transfer: crafted on the row, tested on the column", drawn, told)


def masked(after: dict[str, Tensor]) -> list[tuple[str, str, int, int]]:
    """Of each network that another's images hurt more than its own: its name, the other's, and how many are right.

    after: by whom the images were crafted on, whether each judge (in the same order) gets each right, bool (M, n). A
    difference counts where chance makes it in fewer than LIKELY of such matrices (exact test, corrected for all pairs).
    """
    names, found = list(after), []
    pairs = len(names) * (len(names) - 1)
    for k, name in enumerate(names):
        own = after[name][k]
        others = [(chance(own, after[other][k]), other) for other in names if other != name]
        if others and min(others)[0] * pairs < LIKELY:
            worst = min(others)[1]
            found.append((name, worst, int(own.sum()), int(after[worst][k].sum())))
    return found
