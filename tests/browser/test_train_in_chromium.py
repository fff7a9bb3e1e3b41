"""A short training as a visitor lives it: started, watched, left alone, found finished, opened in Perturb."""

from __future__ import annotations

import pytest

from tests.browser.waiting import until, until_address

pytestmark = pytest.mark.browser
RECIPE = """title = "Watched"
data = { name = "fashion_mnist_small", holdout = 6000, pad = 1 }
model = { architecture = "residual", options = { width = 4, blocks = [1, 1], stem_stride = 2 } }
objective = { name = "adversarial" }
attack = { name = "pgd", eps = 0.1, steps = 1 }
schedule = { epochs = 3, batch_size = 100, lr = 0.1 }
validation = { attack = { name = "pgd", eps = 0.1, steps = 1 } }
"""


def step(page) -> int:
    words = page.locator(".rl-facts").inner_text().split("\n")
    hit = next((word for word in words if " of " in word and word[0].isdigit()), "0 of")
    return int(hit.split(" of")[0].replace(",", ""))


def drawn(page) -> str:
    """The figure's pixels."""
    return page.locator('[data-testid="stEChartsChart"] canvas').first.evaluate("c => c.toDataURL()")


def test_start_watch_leave_come_back_and_open_in_perturb(server, chromium, page):
    page.goto(f"{server}/Train?train=new")
    editor = page.get_by_role("textbox", name="As TOML")
    editor.wait_for()
    editor.fill(RECIPE)
    editor.press("Control+Enter")
    page.get_by_role("button", name="Start training").wait_for()
    until(lambda: page.get_by_role("textbox", name="Title").input_value() == "Watched")
    page.get_by_role("button", name="Start training").focus()
    page.keyboard.press("Enter")
    page.locator(".rl-facts .running").wait_for()
    until_address(page, "watch=watched")
    until(lambda: step(page) > 0)
    chart = page.locator('[data-testid="stEChartsChart"] canvas').first
    chart.wait_for()
    chart.evaluate("c => { c.dataset.mine = 'yes'; }")
    before, seen = step(page), drawn(page)
    until(lambda: step(page) > before and drawn(page) != seen)
    assert chart.get_attribute("data-mine") == "yes"  # it grew in its place: nothing was built anew, nothing blinked
    page.locator(".rl-probes img").first.wait_for()
    page.goto("about:blank")  # the tab is closed; the run goes on without it

    other = chromium.new_context(viewport={"width": 900, "height": 900}, color_scheme="dark").new_page()
    other.set_default_timeout(60_000)
    other.goto(f"{server}/Train")
    other.locator(".rl-facts .finished").wait_for(timeout=240_000)
    assert other.locator('[data-testid="stMain"]').evaluate("m => m.scrollWidth - m.clientWidth") <= 1
    head = other.locator(".st-key-train_head")
    offered = [head.get_by_text(word).first for word in ("Watched", "Discard", "Open in Perturb", "Class by class")]
    boxes = [one.bounding_box() for one in offered]
    middles = [box["y"] + box["height"] / 2 for box in boxes]
    assert max(middles) - min(middles) <= 2, middles  # in one line
    other.get_by_role("link", name="Open in Perturb").click()
    other.wait_for_selector(".player canvas")
    assert "Watched" in other.locator(".lane header").first.inner_text()
    other.context.close()
