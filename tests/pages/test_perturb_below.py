"""What lies below Perturb's stage: every question answered, in units that are said, and ended when that is asked."""

from __future__ import annotations

import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from pages.ui import memory, perturb_reach, served
from pages.ui.film import shoot
from robust_core import data
from robust_core.attacks import AttackSettings
from tests.pages.reading import PERTURB, captions


def test_a_long_search_shows_how_far_it_is_and_can_be_ended(zoo, monkeypatch):
    shown = []

    class Ended(BaseException):
        pass

    class Place:
        def progress(self, share: float, text: str) -> None:
            shown.append((share, text))
            if len(shown) == 3:
                raise Ended

        def empty(self) -> None:
            shown.append("gone")

    monkeypatch.setattr(memory, "PATIENCE", 0.0)
    monkeypatch.setattr(memory.st, "empty", Place)
    net = served.shelf().nets["fashion_mnist/pgd_at"]
    images = data.load("fashion_mnist_small").test
    subject = served.Subject(pixels=images.images[2], label=int(images.labels[2]), index=2, origin="")
    settings = AttackSettings(name="square", queries=3000, seed=987)
    film = shoot(net.net, subject.floats(), subject.label, settings.replace(queries=1), target=5)
    with pytest.raises(Ended):
        perturb_reach.curve_of(net, subject, dataclasses.replace(film, settings=settings))
    shares = [entry[0] for entry in shown[:3]]
    assert 0 < shares[0] < shares[1] < shares[2] < 1
    assert "smallest ε" in shown[0][1]
    assert shown[3] == "gone"


def test_the_loss_surfaces_of_two_networks_have_one_colour_scale(open_page):
    app = open_page(PERTURB, versus="fashion_mnist/aw_net", closer="surface")
    ends = [json.loads(chart.proto.spec)["data"][0]["zmax"] for chart in app.get("plotly_chart")]
    assert len(ends) == 2
    assert ends[0] == ends[1]
    assert f"{ends[0]:.3g} nats" in captions(app)
    alone = open_page(PERTURB, versus="none", closer="surface")
    assert "one colour scale" not in captions(alone)


def test_every_map_has_its_own_unit(open_page):
    maps = " ".join(h.proto.body for h in open_page(PERTURB, versus="none", closer="attributions").get("html"))
    for unit in ("logits per unit of brightness", "logits, adding up", "activation × its gradient", "logits lost"):
        assert maps.count(unit) == 1


NAMED = re.compile("fashion_mnist/([a-z_]+)")
SHOWN = {
    "smallest": lambda app: len(app.get("plotly_chart")) == 2,
    "transfer": lambda app: len(app.get("plotly_chart")) == 2,
    "attributions": lambda app: sum(h.proto.body.count("<figure>") for h in app.get("html")) == 20,
    "surface": lambda app: len(app.get("plotly_chart")) == 2,
    "export": lambda app: (
        [c.value.count("fashion_mnist/") for c in app.code] == [1] * 4 and len({c.value for c in app.code}) == 4
    ),
}


@pytest.mark.parametrize("closer", SHOWN)
def test_every_question_is_answered_by_link_and_by_click(open_page, closer):
    app = open_page(PERTURB, versus="fashion_mnist/aw_net", closer=closer)
    assert not app.exception
    assert not app.error
    assert SHOWN[closer](app)
    other = "export" if closer != "export" else "transfer"
    app.button_group(key="w_closer").set_value(other).run()
    assert not app.exception
    assert SHOWN[other](app)
    assert app.query_params["closer"] == other


@pytest.mark.parametrize(
    ("eps", "target", "at", "led_to"),
    [
        (0.1, None, [0.0, 0.1, 0.2], [1, 1, 2]),  # one of the budgets: nothing is added
        (0.15, None, [0.0, 0.1, 0.15, 0.2], [1, 1, 1, 2]),
        (0.15, 2, [0.0, 0.1, 0.15, 0.2], [2, 2, 2, 2]),
        (0.5, None, [0.0, 0.1, 0.2], [1, 1, 2]),  # beyond the curve
    ],
)
def test_the_picture_on_the_page_is_a_point_of_its_curve(eps, target, at, led_to):
    rows = np.array([[0.9, 0.1, 0.0], [0.4, 0.5, 0.1], [0.1, 0.2, 0.7]], dtype=np.float32)
    curve = perturb_reach.Curve(eps=np.array([0.0, 0.1, 0.2]), probabilities=rows, smallest=0.1)
    film = SimpleNamespace(
        y=0,
        target=target,
        settings=SimpleNamespace(eps=eps),
        probabilities=np.array([[0.3, 0.6, 0.1]], dtype=np.float32),
    )
    found, p_true, p_other, classes = perturb_reach._lines(curve, film)
    assert found.tolist() == at
    assert classes == led_to
    if 0.15 in at:
        assert (p_true[2], p_other[2]) == (np.float32(0.3), np.float32(0.6 if target is None else 0.1))
    else:
        assert p_true.tolist() == rows[:, 0].tolist()
