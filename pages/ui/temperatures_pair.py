"""Two networks class by class, on the same test images: who gained, who paid, and how far the images can tell."""

from __future__ import annotations

import streamlit as st

from pages.ui import pickers
from pages.ui.frame import look, show, verbatim
from pages.ui.memory import remember
from pages.ui.served import Served, test_images
from pages.ui.temperatures_judged import pick_number, stands, yardstick
from robust_core import charts
from robust_core.attacks import AttackSettings
from robust_core.explain import Comparison, Gain, compare

RESAMPLES = 2000


def pair(net: Served, other: Served | None) -> None:
    """From the run beside to the run chosen, clean and robust."""
    if other is None:
        st.info(
            "Choose a second run on the left, under “Beside it”: one with the same classes.", icon=":material/compare:"
        )
        return
    data_name = pickers.pick_data(net)
    images, attack = test_images(data_name), yardstick(net)
    n = pick_number(images)
    robust, clean = (compared(other, net, data_name, n, settings) for settings in (attack, None))
    hard = sorted(range(len(images.class_names)), key=lambda k: robust.a[k] if robust.class_n[k] else 2.0)
    st.markdown(_told(other, net, robust, clean))
    chart = charts.gains(
        [("robust accuracy", robust), ("clean accuracy", clean)], images.class_names, order=hard, look=look()
    )
    show(chart, "gains")
    st.caption(
        f"{verbatim(net.title)} minus {verbatim(other.title)}, both on the first {n:,} test images of {images.name}. "
        f"Robust: {attack.describe()}. Bars: 95 % intervals (Agresti and Min's for paired shares; of the worst class "
        f"and NSD from {RESAMPLES:,} resamples of the images, seed 0); grey where they hold 0. Classes from the one "
        f"that is hardest for {verbatim(other.title)}. One training each: another seed may differ."
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
        f"worst class {_points(robust.worst_class)}, all classes "
        f"{_points(robust.overall)}, NSD {_plain(robust.nsd)}; untouched: worst class {_points(clean.worst_class)}, "
        f"all classes {_points(clean.overall)}. By intervals that leave out 0, {better} of {len(robust.classes)} "
        f"classes gained robustness and {worse} paid."
    )


def _points(gain: Gain) -> str:
    return f"{100 * gain.value:+.1f} points [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


def _plain(gain: Gain) -> str:
    return f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]" if gain.value == gain.value else "not defined"
