"""Temperatures, who gained and who paid: on how many images it begins, and what cards tell without any attack."""

from __future__ import annotations

import json

import pytest
import torch

from pages.ui import temperatures_judged
from pages.ui.served import shelf
from robust_core import data
from robust_core.checkpoints import CARD
from robust_core.tallies import Tally
from tests.pages.reading import captions
from tests.pages.test_temperatures import TEMPERATURES, alt, taught, text

__all__ = ["taught"]  # a fixture
IMAGES = data.load("fashion_mnist_small").test
PAIR = {"ask": "pair"}


def mark(folder, *, clean, robust):
    """Which images stand, into the folder's card."""
    card = json.loads((folder / CARD).read_text())
    for measure, right in zip(card["measures"], (clean, robust), strict=True):
        labels = IMAGES.labels[: len(right)].numpy()
        measure |= Tally.counted(right.numpy(), labels, 10).model_dump()
    (folder / CARD).write_text(json.dumps(card))


@pytest.fixture
def marked(taught, monkeypatch):
    """ABSLD and RSLAD with cards that tell each of 2,000 images; no network may be asked."""
    every, odd = torch.ones(2000, dtype=torch.bool), torch.arange(2000) % 2 == 1
    mark(taught / "fashion_mnist/absld", clean=every, robust=every)
    mark(taught / "fashion_mnist/rslad", clean=every, robust=odd)
    monkeypatch.setattr(temperatures_judged, "_chunks", lambda *_: pytest.fail("a network was asked"))
    return taught


def test_it_begins_with_enough_images_for_a_class_to_be_sure(taught, open_page):
    app = open_page(TEMPERATURES, **PAIR)
    assert app.slider(key="w_n_test").value == 1000
    assert "first 1,000 test images" in captions(app)
    assert "as counted for their cards" not in captions(app)


def test_cards_that_tell_each_image_are_believed(marked, open_page):
    app = open_page(TEMPERATURES, **PAIR)
    assert "first 2,000 test images of fashion_mnist_small, as counted for their cards." in captions(app)
    worst = 1 - min(float((IMAGES.labels[1::2] == k).sum() / (IMAGES.labels == k).sum()) for k in range(10))
    assert f"worst class {100 * worst:+.1f} points [" in text(app)
    assert "all classes +50.0 points [" in text(app)
    assert f"worst class</b> {100 * worst:+.1f}".replace("</b>", "") in alt(app, "gains")
    app.slider(key="w_n_test").set_value(100).run()
    assert "first 100 test images" in captions(app)


def test_an_interval_of_no_width_is_not_printed(marked, open_page):
    app = open_page(TEMPERATURES, **PAIR)
    assert "untouched: worst class no difference on these images, all classes +0.0 points [-0.1, +0.1]" in text(app)
    assert "worst class no difference on these images" in alt(app, "gains")
    assert "[+0.0, +0.0]" not in text(app) + alt(app, "gains")


def test_marks_come_back_in_the_order_of_the_set(taught):
    right = torch.rand(2000, generator=torch.Generator().manual_seed(0)) < 0.7
    mark(taught / "fashion_mnist/absld", clean=right[:500], robust=right)
    net = shelf().nets["fashion_mnist/absld"]
    attack = temperatures_judged.yardstick(net)
    assert torch.equal(temperatures_judged.counted(net, IMAGES, attack), right)
    assert torch.equal(temperatures_judged.counted(net, IMAGES, None), right[:500])
    other = attack.model_copy(update={"steps": 10})
    assert not len(temperatures_judged.counted(net, IMAGES, other))
    assert not len(temperatures_judged.counted(net, IMAGES.subset(torch.arange(1000)), attack))


def test_a_claimed_count_is_not_believed(taught):
    folder = taught / "fashion_mnist/absld"
    mark(folder, clean=torch.ones(2000) > 0, robust=torch.ones(2000) > 0)
    card = json.loads((folder / CARD).read_text())
    card["measures"] = [measure | {"claimed": True} for measure in card["measures"]]
    (folder / CARD).write_text(json.dumps(card))
    net = shelf().nets["fashion_mnist/absld"]
    assert not len(temperatures_judged.counted(net, IMAGES, None))
