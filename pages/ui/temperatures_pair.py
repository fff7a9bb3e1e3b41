"""Two networks class by class, on the same test images: who gained, who paid, and how far the images can tell."""

from __future__ import annotations

import streamlit as st

from pages.ui import pickers
from pages.ui.frame import look, show, verbatim
from pages.ui.memory import remember
from pages.ui.served import Served, test_images
from pages.ui.temperatures_judged import counted, pick_number, stands, yardstick
from robust_core import charts
from robust_core.attacks import AttackSettings
from robust_core.explain import Comparison, compare

RESAMPLES = 2000
FIRST = 1000  # images to begin with: of 200, ten classes have 20 each, and no gain of theirs is sure


def pair(net: Served, other: Served | None) -> None:
    """From the run beside to the run chosen, clean and robust."""
    if other is None:
        st.info(
            "Choose a second run on the left, under “Beside it”: one with the same classes.", icon=":material/compare:"
        )
        return
    data_name = pickers.pick_data(net)
    images, attack = test_images(data_name), yardstick(net)
    known = min(len(counted(one, images, settings)) for one in (net, other) for settings in (attack, None))
    n = pick_number(images, FIRST, known)
    robust, clean = (compared(other, net, data_name, n, settings) for settings in (attack, None))
    hard = sorted(range(len(images.class_names)), key=lambda k: robust.a[k] if robust.class_n[k] else 2.0)
    st.markdown(_told(other, net, robust, clean))
    chart = charts.gains(
        [("robust accuracy", robust), ("clean accuracy", clean)], images.class_names, order=hard, look=look()
    )
    signed = f"{net.title} minus {other.title}, first {n:,} test images of {images.name}. Robust: {attack.describe()}."
    show(chart, "gains", told=signed)
    st.caption(
        f"{verbatim(net.title)} minus {verbatim(other.title)}, both on the first {n:,} test images of {images.name}"
        f"{', as counted for their cards' if n <= known else ''}. "
        f"Robust: {attack.describe()}. Bars: 95\u00a0% intervals (Agresti and Min's for paired shares; of the worst "
        f"class and NSD from {RESAMPLES:,} resamples of the images, seed 0); grey where they hold 0. Classes from the "
        f"one that is hardest for {verbatim(other.title)}. One training each: another seed may differ."
    )


def compared(a: Served, b: Served, data_name: str, n: int, attack: AttackSettings | None) -> Comparison:
    images = test_images(data_name)
    settings = attack.model_dump_json() if attack else ""

    def compute() -> Comparison:
        right = [stands(net, data_name, n, attack) for net in (a, b)]
        return compare(*right, images.labels[:n], len(images.class_names), resamples=RESAMPLES)

    return remember(("compared", a.sha, b.sha, images.fingerprint, n, settings), compute, private=False)


def _told(a: Served, b: Served, robust: Comparison, clean: Comparison) -> str:
    """Worst class, all classes, NSD, in a sentence each."""
    better = sum(g.sure and g.value > 0 for g in robust.classes)
    worse = sum(g.sure and g.value < 0 for g in robust.classes)
    return (
        f"From **{verbatim(a.title)}** to **{verbatim(b.title)}**, under attack: "
        f"worst class {robust.worst_class.told()}, all classes {robust.overall.told()}, NSD "
        f"{robust.nsd.told(points=False)}; untouched: worst class {clean.worst_class.told()}, all classes "
        f"{clean.overall.told()}. By intervals that leave out 0, {better} of {len(robust.classes)} "
        f"classes gained robustness and {worse} paid."
    )
