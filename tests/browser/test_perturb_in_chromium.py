"""The pages as a visitor uses them: deep link, ε, scrubbing, gallery, Home's scatter, upload, drawing, download."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.browser.waiting import address, settled, until, until_address

pytestmark = pytest.mark.browser


def ready(page):
    page.wait_for_selector(".player canvas")
    page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached")


def step(page):
    return int(page.locator(".player").get_attribute("data-step"))


def told(page):
    return page.locator(".player figcaption").all_inner_texts()


def test_deep_link_and_a_change_of_eps(server, page):
    page.goto(f"{server}/Perturb?model=fashion_mnist/standard&index=5&eps=0.05")
    ready(page)
    assert "Standard" in page.locator(".lane header").inner_text()
    assert "0.0500" in told(page)[1]
    page.get_by_role("slider", name="ε").press("ArrowRight")
    page.get_by_text("max|δ| = 0.0550").wait_for()
    until_address(page, "eps=0.055")
    until_address(page, "index=5")


def test_scrubbing_moves_everything_and_asks_the_server_for_no_picture(server, page):
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(f"{server}/Perturb?versus=fashion_mnist/aw_net")
    ready(page)
    assert step(page) == 20
    assert sent, "the page reached its server without a frame: the test looks at the wrong place"
    settled(page, sent)
    before = len(sent)
    end = told(page)
    page.get_by_role("button", name="back to the start").click()
    assert step(page) == 0
    start = told(page)
    assert len(start) == 6
    assert start[2] != end[2]
    page.get_by_role("button", name="one step", exact=True).click()
    assert step(page) == 1
    page.get_by_role("slider", name="step of the attack").press("End")
    assert step(page) == 20
    assert told(page) == end
    plot = page.locator(".plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert step(page) == 10
    page.get_by_role("button", name="play the attack").click()
    until(lambda: step(page) > 10)
    page.get_by_role("button", name="back to the start").click()
    until_address(page, "at_step=0")
    # Where the film rests is told, for the link; of all the moves before no more than that goes over the wire.
    assert all(len(frame) < 4096 for frame in sent[before:])
    before = len(sent)
    page.get_by_role("slider", name="step of the attack").press("ArrowRight")
    assert step(page) == 1
    assert len(sent) == before
    # The same ears hear a knob that does ask.
    page.get_by_role("slider", name="ε").press("ArrowRight")
    # Playwright reports frames only while it is asked something.
    until(lambda: step(page) >= 0 and len(sent) > before)


def test_a_link_repeats_the_step(server, chromium, page):
    page.goto(f"{server}/Perturb?model=fashion_mnist/aw_net&index=17")
    ready(page)
    page.get_by_role("slider", name="step of the attack").press("ArrowLeft")
    page.get_by_role("slider", name="step of the attack").press("ArrowLeft")
    assert step(page) == 18
    until_address(page, "at_step=18")
    seen = told(page)
    other = chromium.new_context().new_page()
    other.goto(address(page))
    ready(other)
    assert step(other) == 18
    assert told(other) == seen
    # Another picture is shown at the same step; at the end the link needs none.
    page.get_by_role("spinbutton", name="Test image").fill("18")
    page.get_by_role("spinbutton", name="Test image").press("Enter")
    until(lambda: told(page) != seen)
    assert step(page) == 18
    page.get_by_role("button", name="to the end").click()
    until_address(page, "index=18")
    until(lambda: "at_step" not in address(page))
    other.context.close()


def test_squares_curves_are_drawn_over_queries(server, page):
    page.goto(f"{server}/Perturb?attack=square&queries=1000&eps=0.005&target=3&versus=none")
    ready(page)
    scrubber = page.locator(".transport output")
    assert scrubber.inner_text() == "query 1000 of 1000"
    page.get_by_role("button", name="one step back").click()
    assert scrubber.inner_text() == "query 981 of 1000"
    left = page.locator(".plot .cursor").first.evaluate("c => parseFloat(c.style.left)")
    assert left == pytest.approx(100 * 980 / 999, abs=0.01)
    page.get_by_role("button", name="back to the start").click()
    assert scrubber.inner_text() == "query 1 of 1000"


def test_a_long_search_is_ended_by_stop(server, page):
    page.goto(f"{server}/Perturb?attack=square&queries=2500&eps=0.005&target=3&versus=none&closer=smallest")
    page.wait_for_selector(".player canvas")
    bar = page.get_by_text("looking for the smallest ε")
    bar.wait_for()
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached", timeout=20_000)
    until(lambda: not bar.is_visible(), seconds=20)
    page.wait_for_timeout(3000)  # what a search that went on to its end would draw comes after its bar is gone
    assert page.locator(".js-plotly-plot").count() == 0


def test_lower_case_addresses_lead_to_the_page(server, page):
    page.goto(f"{server}/perturb?index=5")
    ready(page)
    assert page.url.startswith(f"{server}/Perturb?")
    page.get_by_text("test image 5,").wait_for()


def test_the_strip_says_that_it_scrolls(server, page):
    page.goto(f"{server}/Perturb?index=0")
    ready(page)
    strip, on, back = page.locator(".strip"), page.locator(".arrow.on"), page.locator(".arrow.back")
    assert on.is_visible()
    assert not back.is_visible()
    on.click()
    until(lambda: strip.evaluate("s => s.scrollLeft") > 200)
    assert back.is_visible()
    strip.evaluate("s => { s.scrollLeft = s.scrollWidth; }")
    until(lambda: not on.is_visible())


@pytest.mark.parametrize(("versus", "rows"), [("none", {3}), ("fashion_mnist/aw_net", {2})])
def test_no_curve_stands_alone(server, page, versus, rows):
    page.set_viewport_size({"width": 900, "height": 1000})
    page.goto(f"{server}/Perturb?versus={versus}")
    ready(page)
    tops = page.locator(".panel .plot").evaluate_all(
        "all => all.map((p) => Math.round(p.getBoundingClientRect().bottom))"
    )
    assert {tops.count(top) for top in tops} == rows


def test_a_thumbnail_is_a_click_away(server, page):
    page.goto(f"{server}/Perturb")
    ready(page)
    before = page.locator(".player canvas").first.evaluate("c => c.toDataURL()")
    page.locator(".strip button").nth(3).click()
    page.get_by_text("test image 3,").wait_for()
    ready(page)
    assert page.locator(".player canvas").first.evaluate("c => c.toDataURL()") != before
    until_address(page, "index=3")


def test_a_click_on_homes_scatter_opens_that_network(server, page):
    page.goto(f"{server}/?index=4")
    page.wait_for_selector(".js-plotly-plot .point")
    page.wait_for_selector(".rl-bars")
    # The marks are drawn architecture by architecture: aw_net first, then the residual ones in the shelf's order.
    names = page.evaluate(
        "document.querySelector('.js-plotly-plot').data.flatMap(t => (t.customdata ?? []).map(row => row[0]))"
    )
    at = page.locator(".js-plotly-plot .point").nth(names.index("fashion_mnist/standard")).bounding_box()
    page.mouse.click(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    ready(page)
    until_address(page, "/Perturb")
    until_address(page, "index=4")
    assert "Standard" in page.locator(".lane header").inner_text()


def test_upload_and_take_it_home(server, page, tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (120, 80), (180, 90, 30)).save(picture, "PNG")
    page.goto(f"{server}/Perturb?source=upload")
    page.wait_for_selector('input[type="file"]', state="attached")
    page.set_input_files(
        'input[type="file"]', {"name": "mine.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    ready(page)
    page.get_by_role("radio", name="Take it home").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download .npz").first.click()
    download.value.save_as(tmp_path / "mine.npz")
    with np.load(tmp_path / "mine.npz", allow_pickle=False) as arrays:
        assert arrays["x"].shape == (1, 1, 28, 28)
        assert 0.09 < np.abs(arrays["x_adv"] - arrays["x"]).max() <= np.float32(0.1)


def test_a_file_too_large_is_told_and_what_was_said_before_goes(server, page):
    page.goto(f"{server}/Perturb?source=upload")
    page.wait_for_selector('input[type="file"]', state="attached")
    page.get_by_text("A picture of yours, at most 20 MB and 50 megapixels").wait_for()
    refused = page.locator(".rl-refused")
    refused.wait_for(state="attached")
    assert not refused.is_visible()
    bad = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.set_input_files('input[type="file"]', bad)
    before = page.get_by_text("notes.png: not a picture")
    before.wait_for()
    page.set_input_files('input[type="file"]', bad | {"name": "big.png", "buffer": b"0" * (21 * 2**20)})
    refused.wait_for()
    assert not before.is_visible()
    page.get_by_role("button", name="Remove big.png").click()
    refused.wait_for(state="hidden")


def test_a_drawing_is_attacked_stroke_by_stroke(server, page):
    page.goto(f"{server}/Perturb?source=draw")
    page.wait_for_selector(".paper")
    box = page.locator(".paper").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 220, box["y"] + 200, steps=8)
    page.mouse.up()
    ready(page)
    first = page.locator(".player canvas").first
    drawn = first.evaluate("c => c.toDataURL()")
    page.get_by_role("button", name="Start from the gallery picture").click()
    until(lambda: first.evaluate("c => c.toDataURL()") != drawn)
    # And it comes along: the other page's paper has it, and its route is followed without a further stroke.
    paper = page.locator(".paper")
    drawn = paper.evaluate("c => c.toDataURL()")
    page.get_by_test_id("stSidebar").get_by_role("link", name="Routing").click()
    page.wait_for_selector(".routes canvas")
    until(lambda: paper.evaluate("c => c.toDataURL()") == drawn)


def test_own_pictures_are_not_another_visitors(server, chromium, page):
    page.goto(f"{server}/Perturb?source=draw")
    page.wait_for_selector(".paper")
    page.locator(".paper").click()
    ready(page)
    other = chromium.new_context().new_page()
    other.goto(f"{server}/Perturb?source=draw")
    other.wait_for_selector(".paper", timeout=60_000)
    other.get_by_text("Draw something").wait_for(timeout=60_000)
    assert other.locator(".player canvas").count() == 0
    other.context.close()


@pytest.mark.parametrize("width", [1440, 900])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out(server, chromium, width, scheme):
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(60_000)
    for path, landmark in (("/", ".rl-bars"), ("/Perturb?versus=fashion_mnist/aw_net", ".player canvas")):
        page.goto(server + path)
        page.wait_for_selector(landmark)
        page.wait_for_timeout(300)
        main = page.locator('[data-testid="stMain"]')
        assert main.evaluate("m => m.scrollWidth - m.clientWidth") <= 1
    context.close()
