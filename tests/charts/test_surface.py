"""The loss as a map: the grid is the surface's, the marks are the two images."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from robust_core.charts import DARK, LIGHT, alt, surface
from robust_core.explain.landscape import Surface
from tests.charts.reading import sent, values, words

TICKS = torch.tensor([-1.0, 0.0, 1.0])
NAMES = ["cat", "dog"]


@pytest.fixture
def plane() -> Surface:
    margin = torch.tensor([[2.0, 1.0, -1.0]]).expand(3, 3).clone()
    return Surface(
        a=TICKS,
        b=TICKS,
        loss=torch.arange(9.0).view(3, 3),
        margin=margin,
        predicted=(margin < 0).long(),
        outside=torch.zeros(3, 3),
        true=0,
        length=0.49,
    )


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_the_map_is_the_surface(plane: Surface, look: object) -> None:
    chart = sent(surface(plane, NAMES, look=look))
    filled = chart["data"][0]
    assert [values(row) for row in filled["z"]] == plane.loss.tolist()
    assert values(filled["x"]) == values(filled["y"]) == TICKS.tolist()
    border = next(t for t in chart["data"][1:] if t["type"] == "contour")
    assert border["contours"]["start"] == border["contours"]["end"] == 0
    assert [values(row) for row in border["z"]] == plane.margin.tolist()


def test_the_colour_scale_starts_at_zero_and_reaches_a_guess_at_least(plane: Surface) -> None:
    assert (surface(plane, NAMES).data[0].zmin, surface(plane, NAMES).data[0].zmax) == (0, 8)
    assert surface(replace(plane, loss=plane.loss / 100), NAMES).data[0].zmax == pytest.approx(0.693, abs=1e-3)
    assert surface(plane, NAMES, top=20).data[0].zmax == 20


def test_clean_and_adversarial_are_marked(plane: Surface) -> None:
    chart = surface(plane, NAMES)
    spots = {t.name: (t.x[0], t.y[0], t.marker.color) for t in chart.data if t.type == "scatter"}
    assert spots == {"clean": (0, 0, LIGHT.clean), "adversarial": (1, 0, LIGHT.adversarial)}
    assert "0.49" in chart.layout.xaxis.title.text


def test_regions_are_named_inside_themselves(plane: Surface) -> None:
    places = {a.text: (a.x, a.y) for a in surface(plane, NAMES).layout.annotations}
    assert places["<b>◆ cat</b>"][0] <= 0
    assert places["dog"][0] == 1


def test_the_sentence_has_both_losses(plane: Surface) -> None:
    said = alt(surface(plane, NAMES))
    assert "clean image loss 4.00, predicted cat" in said
    assert "adversarial image loss 5.00, predicted dog" in said
    assert "67\u00a0% of the plane is predicted cat" in said


def test_points_without_logits_are_empty_and_counted(plane: Surface) -> None:
    broken = plane.predicted.clone()
    broken[0, 0] = -1
    hole = torch.where(broken < 0, float("nan"), plane.loss)
    chart = surface(replace(plane, predicted=broken, loss=hole, margin=hole), NAMES)
    assert sent(chart)["data"][0]["z"][0][0] is None
    assert "1 of 9 points have no finite logits" in words(chart)
    everywhere = torch.full((3, 3), float("nan"))
    none = replace(plane, predicted=torch.full((3, 3), -1), loss=everywhere, margin=everywhere)
    assert "no finite logits" in alt(surface(none, NAMES))
    sent(surface(none, NAMES))
