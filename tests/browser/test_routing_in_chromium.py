"""Routing as a visitor uses it: scrubbing moves the maps, a cell opens its filter, a ribbon lists its images."""

from __future__ import annotations

import shutil

import pytest

from tests.browser.waiting import address, settled, until, until_address
from tests.pages.routers import AW, stir

pytestmark = pytest.mark.browser
NAME = "fashion_mnist/stirred"


@pytest.fixture(scope="module")
def routed(server, tmp_path_factory):
    """The server's address, with one network more whose router says something; gone again afterwards."""
    (zoo,) = (path for path in tmp_path_factory.getbasetemp().glob("zoo?") if (path / AW).is_dir())
    shutil.copytree(zoo / AW, zoo / NAME)
    stir(zoo / NAME)
    yield server
    shutil.rmtree(zoo / NAME)


def ready(page):
    page.wait_for_selector(".routes canvas")
    page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached")


def drawn(page):
    """The maps as they stand: clean, adversarial, difference, conv after conv."""
    return page.locator(".routes .map canvas").evaluate_all("all => all.map((one) => one.toDataURL())")


def step(page):
    return int(page.locator(".routes").get_attribute("data-step"))


def test_scrubbing_moves_the_map_and_asks_the_server_for_no_route(routed, page):
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(f"{routed}/Routing?model={NAME}&eps=0.2")
    ready(page)
    settled(page, sent)
    before, end = len(sent), drawn(page)
    assert before
    assert step(page) == 20
    page.get_by_role("button", name="back to the start").click()
    assert step(page) == 0
    start = drawn(page)
    assert start[0::3] == end[0::3]  # the clean picture's route stays
    assert all(a != b for a, b in zip(start[1::3], end[1::3], strict=True))
    page.get_by_role("slider", name="step of the attack").press("End")
    assert drawn(page) == end
    # At most where the film rests is told, for the link.
    assert all(len(frame) < 4096 for frame in sent[before:])


def test_a_link_repeats_the_step(routed, chromium, page):
    page.goto(f"{routed}/Routing?model={NAME}&eps=0.2&order=index")
    ready(page)
    assert "at_step" not in address(page)
    scrub = page.get_by_role("slider", name="step of the attack")
    scrub.press("ArrowLeft")
    scrub.press("ArrowLeft")
    assert step(page) == 18
    until_address(page, "at_step=18")
    seen = drawn(page)
    other = chromium.new_context().new_page()
    other.goto(address(page))
    ready(other)
    assert step(other) == 18
    assert drawn(other) == seen
    other.context.close()
    # A filter is opened at the same step; at the end the link needs none.
    page.locator('canvas[data-conv="layer2.0.conv1"][data-map="difference"]').focus()
    page.keyboard.press("Enter")
    page.get_by_text("layer2.0.conv1, filter 0").wait_for()
    assert step(page) == 18
    page.get_by_role("button", name="to the end").click()
    until(lambda: "at_step" not in address(page))
    assert step(page) == 20


@pytest.mark.parametrize("where", ["Routing", "Perturb"])
def test_a_film_that_a_link_opened_is_told_at_its_end_at_once(routed, page, where):
    page.goto(f"{routed}/{where}?model={NAME}&at_step=18")
    holder = page.locator(".routes, .player").first
    until(lambda: holder.get_attribute("data-step") == "18")
    page.get_by_role("button", name="to the end").click()  # the first that is heard of this film
    until(lambda: "at_step" not in address(page))


def test_a_film_at_rest_runs_its_own_part_of_the_page_alone(routed, page):
    heard: list[object] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(frame)))
    page.goto(f"{routed}/Routing?model={NAME}")
    ready(page)
    settled(page, heard)
    whole = len(heard)
    page.get_by_role("slider", name="step of the attack").press("ArrowLeft")
    until_address(page, "at_step=19")
    settled(page, heard)
    assert 0 < len(heard) - whole < whole / 3


def test_a_cell_opens_its_filter_by_mouse_and_by_keyboard(routed, page):
    page.goto(f"{routed}/Routing?model={NAME}&order=index")
    ready(page)
    cells = page.locator('canvas[data-conv="layer2.0.conv1"][data-map="difference"]')
    box = cells.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 2.5 / 32, box["y"] + box["height"] / 2)
    page.get_by_text("layer2.0.conv1, filter 2").wait_for()
    until_address(page, "filter=layer2.0.conv1")
    cells.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text("layer2.0.conv1, filter 1").wait_for()


def test_a_click_on_a_ribbon_lists_its_images(routed, page):
    page.goto(f"{routed}/Routing?model={NAME}&ask=crowd&n=100&steps_pgd=3")
    ready(page)
    page.get_by_role("button", name="Follow them").click()
    ribbon = page.locator(".flows path.ribbon").first
    ribbon.wait_for()
    count = int(ribbon.get_attribute("aria-label").split(" ")[0])
    ribbon.focus()
    page.keyboard.press("Enter")
    page.locator(".rl-list img").first.wait_for()
    assert page.locator(".rl-list img").count() == min(count, 60)
    page.locator(".flows path.ribbon.chosen").wait_for()
    other = page.locator(".flows path.ribbon").nth(1)
    told = other.get_attribute("aria-label")
    other.evaluate("one => one.dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    page.locator("strong", has_text=told).wait_for()
    until(lambda: page.locator(".rl-list img").count() == min(int(told.split(" ")[0]), 60))
