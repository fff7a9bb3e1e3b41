"""Temperatures, a run whose classes have weights and margins of their own: drawn and told where they moved."""

from __future__ import annotations

import json

from robust_core.checkpoints import HISTORY
from tests.pages.reading import captions
from tests.pages.test_temperatures import TEMPERATURES, alt, chart, epochs, taught, text

__all__ = ["taught"]  # a fixture


def test_weights_and_margins_are_told_where_they_moved(taught, open_page):
    app = open_page(TEMPERATURES)
    assert "weight in the loss" not in alt(app, "class_maps")
    assert "multiplies its terms" not in captions(app)
    assert "as well." not in text(app)

    events = epochs("absld")
    for event in events[1:]:
        event |= {"class_weight": [2.5, *[5 / 6] * 9], "class_margin": [1.2, *[0.9] * 9]}
    path = taught / "fashion_mnist/absld" / HISTORY
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    app = open_page(TEMPERATURES)
    assert len([t for t in chart(app, "class_maps")["data"] if t["type"] == "heatmap"]) == 6
    assert "weight in the loss from 0.83 (Trouser) to 2.50 (T-shirt/top)" in alt(app, "class_maps")
    assert "the more it weighs, 0.833 to 2.5." in captions(app)
    assert "ε times its own factor, 0.5 to 1.5" in captions(app)
    assert "Here each class has a weight in the loss and an ε of its own as well." in text(app)
