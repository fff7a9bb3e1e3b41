"""The transfer matrix: adversarial images crafted on one network, shown to every other, live."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from pages.ui.compare_cards import Shown
from pages.ui.compare_judged import bar, chosen_nets, over_chunks, pick_attack, pick_bench
from pages.ui.compare_take import keep
from pages.ui.frame import look, show
from pages.ui.served import looks
from robust_core import charts
from robust_core.attacks import run
from robust_core.charts import LIGHT, Theme
from robust_core.evaluation.sweeps import stands
from robust_core.types import Classifier, ImageSet


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

    def drawn(now: Theme) -> object:
        return charts.transfer_matrix(names, right, untouched, bench.n, look=now)

    show(drawn(look()), "compare_transfer")
    told = bench.told(attack.describe()) + (
        " Each cell: the share of all images that the column still gets right. Framed: a network under its own attack. "
        "Where another network's images hurt more than its own, its gradients mislead."
    )
    if len(names) == 1:
        st.info("Choose a second network in the leaderboard: with one there is nobody to transfer to.")
    for k, name in enumerate(names):
        others = [(int(right[r, k]), names[r]) for r in range(len(names)) if r != k]
        if others and min(others)[0] < right[k, k] - 0.02 * bench.n:
            st.warning(
                f"**{name}** loses more to images crafted on {min(others)[1]} ({min(others)[0]} of {bench.n} right) "
                f"than to its own attack ({right[k, k]}): a sign of masked gradients.",
                icon=":material/gpp_maybe:",
            )
    st.caption(told)
    keep("transfer", "Transfer: crafted on the row, tested on the column", [drawn(LIGHT)], [told])
