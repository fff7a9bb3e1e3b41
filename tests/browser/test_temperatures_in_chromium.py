"""Temperatures over the shipped ABSLD run: scrubbing the epoch moves the bars, the bench's τ moves the entropy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from robust_core import checkpoints
from tests.browser.waiting import until, until_address

pytestmark = pytest.mark.browser
SHIPPED = Path(checkpoints.__file__).parents[1] / "checkpoints" / "fashion_mnist"
NAMES = ("absld", "teacher_robust")


@pytest.fixture(scope="module")
def taught(server, tmp_path_factory):
    """The server's address, with the shipped ABSLD run and its teacher on the shelf; gone again afterwards."""
    (zoo,) = (path for path in tmp_path_factory.getbasetemp().glob("zoo?") if (path / "fashion_mnist").is_dir())
    for name in NAMES:
        shutil.copytree(SHIPPED / name, zoo / "fashion_mnist" / name)
    yield server
    for name in NAMES:
        shutil.rmtree(zoo / "fashion_mnist" / name)


def bars(page) -> list[str]:
    """The outlines of all bars of the figure of classes, as they are drawn."""
    figure = page.locator(".st-key-class_bars .js-plotly-plot, [class*=class_bars] .js-plotly-plot").first
    return figure.locator(".barlayer .point path").evaluate_all("all => all.map((one) => one.getAttribute('d'))")


def told(page) -> tuple[str, float]:
    """The temperature that the bench tells of, and the entropy of the label at it."""
    words = page.get_by_text("entropy of the label").first.inner_text()
    hit = re.search(r"τ = (\d\.\d\d).*?entropy of the label [\d.]+ → ([\d.]+) nats", words)
    assert hit, words
    return hit[1], float(hit[2])


def test_the_epoch_is_scrubbed_and_the_label_softened(taught, page):
    page.goto(f"{taught}/Temperatures")  # nothing is chosen: ABSLD is what is there to see
    heading = page.get_by_role("heading", name="After epoch")
    heading.wait_for()
    last = int(re.search(r"of (\d+)", heading.inner_text())[1])
    assert last > 1
    assert f"epoch {last} of {last}" in heading.inner_text()
    until(lambda: len(bars(page)) >= 10)
    signed = page.locator(".st-key-class_maps .gtitle")  # for the saved picture; the page says it below
    assert signed.text_content().startswith("ABSLD, trained on fashion_mnist.")
    assert signed.evaluate("one => getComputedStyle(one).visibility") == "hidden"
    fairness = page.locator(".st-key-fairness")
    line, axis = fairness.locator(".gtitle").bounding_box(), fairness.locator(".xtitle").bounding_box()
    assert line["y"] >= axis["y"] + axis["height"]
    at_the_end = bars(page)
    page.get_by_role("slider", name="Epoch").press("Home")
    until(lambda: f"epoch 1 of {last}" in heading.inner_text() and bars(page) != at_the_end)
    until_address(page, "epoch=1")
    page.get_by_role("slider", name="Epoch").press("End")
    until(lambda: f"epoch {last} of {last}" in heading.inner_text() and bars(page) == at_the_end)

    page.get_by_text("Soft label bench").click()
    page.get_by_text("entropy of the label").first.wait_for()
    learned, before = told(page)
    tau = page.get_by_role("slider", name="Temperature τ")
    tau.press("End")
    until(lambda: told(page)[0] == "5.00")
    softest = told(page)[1]
    assert softest > before
    assert softest <= 2.3026  # ln 10
    tau.press("Home")
    until(lambda: told(page)[0] == "0.50")
    assert told(page)[1] < before
    assert learned not in ("0.50", "5.00")
