"""Compare as a visitor uses it: sort, choose, click a mark; and the report opened with the network off."""

from __future__ import annotations

from pathlib import Path

import pytest

from robust_core.charts import DARK, LIGHT
from tests.browser.waiting import address, until, until_address

pytestmark = pytest.mark.browser


def ready(page):
    page.wait_for_selector(".board tbody tr")
    page.wait_for_selector('[data-testid="stPlotlyChart"] .main-svg')
    page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached")


def titles(page):
    return page.locator(".board tbody tr td:nth-child(3) > b").all_inner_texts()


def test_a_heading_sorts_and_a_box_chooses(server, page):
    page.goto(f"{server}/Compare?models=fashion_mnist/pgd_at,aw_net")
    ready(page)
    assert titles(page) == ["AW-Net", "PGD-AT", "Standard"]
    page.get_by_role("button", name="clean").click()
    until(lambda: titles(page) == ["Standard", "AW-Net", "PGD-AT"])
    until_address(page, "sort=clean")
    assert page.locator('.board th[aria-sort="descending"]').inner_text().startswith("clean")
    page.get_by_role("button", name="clean").click()
    until(lambda: titles(page) == ["PGD-AT", "AW-Net", "Standard"])
    until_address(page, "sort=-clean")
    assert page.locator('.board th[aria-sort="ascending"]').inner_text() == "clean▲"
    page.get_by_role("button", name="clean").click()
    until(lambda: titles(page) == ["Standard", "AW-Net", "PGD-AT"])
    until_address(page, "sort=clean")
    box = page.get_by_role("checkbox", name="compare Standard")
    box.focus()
    page.keyboard.press("Space")
    until_address(page, "standard")
    until(lambda: page.locator(".board input:checked").count() == 3)
    page.get_by_role("checkbox", name="compare PGD-AT").click()
    until(lambda: page.locator(".board tr.chosen").count() == 2)
    until(lambda: "pgd_at" not in address(page))  # the board shows it before the server has heard of it
    page.reload()
    ready(page)
    assert titles(page) == ["Standard", "AW-Net", "PGD-AT"]
    assert page.locator(".board input:checked").count() == 2


def test_no_click_is_lost_while_the_table_is_drawn_anew(server, page):
    page.goto(f"{server}/Compare?models=fashion_mnist/pgd_at,aw_net")
    ready(page)
    box, other = (page.get_by_role("checkbox", name=f"compare {title}") for title in ("Standard", "PGD-AT"))
    other.evaluate("(box) => box.setAttribute('data-same', 'yes')")
    spot = other.bounding_box()
    page.mouse.move(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
    box.focus()
    page.keyboard.press("Space")
    page.mouse.down()  # one box set, and the button goes down on another before the server has answered
    until(lambda: page.locator(".board tr.chosen").count() == 3)
    page.mouse.up()
    until(lambda: "pgd_at" not in address(page))
    assert other.get_attribute("data-same") == "yes"
    # A box and, at once, a heading: the field below the board still has the old list, and does not bring it back.
    other.click()
    page.wait_for_timeout(60)
    page.get_by_role("button", name="clean").click()
    until_address(page, "sort=clean", "pgd_at", "aw_net", "standard")
    until(lambda: page.locator(".board tr.chosen").count() == 3)
    # Two at once: the second does not put the first aside.
    page.goto(f"{server}/Compare?models=fashion_mnist/standard")
    ready(page)
    page.locator(".board").evaluate("b => b.querySelectorAll('input').forEach((box) => box.checked || box.click())")
    until_address(page, "pgd_at", "aw_net", "standard")
    until(lambda: page.locator(".board tr.chosen").count() == 3)
    page.locator(".board").evaluate("b => b.querySelectorAll('input').forEach((box) => box.click())")
    # All taken away: the server keeps to what was chosen last, and the boxes say so again.
    until(lambda: page.locator(".board tr.chosen").count() == page.locator(".board input:checked").count() > 0)


def test_where_columns_do_not_fit_the_board_says_so_and_scrolls_by_keys(server, page):
    page.set_viewport_size({"width": 900, "height": 1000})
    page.goto(f"{server}/Compare")
    ready(page)
    frame, board = page.locator(".frame"), page.locator(".board")
    until(lambda: "more" in (frame.get_attribute("class") or ""))
    first = page.locator(".board tbody tr").first
    place = first.locator("td:nth-child(3)").bounding_box()
    board.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    until(lambda: board.evaluate("b => b.scrollLeft") > 100)
    # Rank and name stay, side by side, and their rules are those of the others.
    rank, name = (first.locator(f"td:nth-child({k})").bounding_box() for k in (2, 3))
    assert name["x"] <= place["x"]
    assert abs(rank["x"] + rank["width"] - name["x"]) < 1
    rule = "cells => cells.map((c) => getComputedStyle(c).opacity + getComputedStyle(c).borderTop)"
    (drawn,) = set(page.locator(".board tbody tr").nth(1).locator("td").evaluate_all(rule))
    assert drawn.startswith("11px solid")
    board.evaluate("b => b.scrollLeft = b.scrollWidth")
    until(lambda: "more" not in frame.get_attribute("class"))
    page.set_viewport_size({"width": 1900, "height": 1000})
    until(lambda: board.evaluate("b => b.scrollWidth <= b.clientWidth + 2"))
    assert "more" not in frame.get_attribute("class")


def test_a_board_opens_at_what_the_address_is_about(server, page):
    page.set_viewport_size({"width": 900, "height": 1000})
    page.goto(f"{server}/Compare?sort=nsd&models=fashion_mnist/standard")
    ready(page)
    board = page.locator(".board").bounding_box()
    until(lambda: page.locator(".board").evaluate("b => b.scrollLeft") > 0)
    heading = page.locator(".board th[aria-sort]").bounding_box()
    assert board["x"] < heading["x"] < heading["x"] + heading["width"] < board["x"] + board["width"]
    # Later it stays where the visitor has scrolled to.
    page.locator(".board").evaluate("b => b.scrollLeft = 0")
    page.get_by_role("button", name="clean").click()
    page.wait_for_url("**sort=clean**")
    assert page.locator(".board").evaluate("b => b.scrollLeft") == 0


def test_a_click_on_a_mark_chooses_its_network(server, page):
    page.goto(f"{server}/Compare?models=fashion_mnist/pgd_at")
    ready(page)
    marks = page.locator('[data-testid="stPlotlyChart"]').first.locator(".scatterlayer .points path")
    shown = {i: marks.nth(i).bounding_box() for i in range(marks.count())}
    right = max(shown, key=lambda i: shown[i]["x"])  # the highest clean accuracy is Standard's
    box = shown[right]
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**model=fashion_mnist%2Fstandard**")
    until(lambda: page.locator(".board input:checked").count() == 2)


def test_the_report_opens_with_the_network_off(server, page, chromium, tmp_path: Path):
    page.goto(f"{server}/Compare?models=fashion_mnist/pgd_at,aw_net&compare=steps&n_compare=50&most_steps=5")
    ready(page)
    page.get_by_text("First 50 test images").wait_for()
    ready(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report, one HTML file").click()
    path = tmp_path / "report.html"
    waiting.value.save_as(path)
    context = chromium.new_context(offline=True)
    alone = context.new_page()
    asked: list[str] = []
    problems: list[str] = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.on("pageerror", lambda error: problems.append(str(error)))
    alone.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    alone.goto(path.as_uri())
    alone.wait_for_selector(".main-svg")
    until(lambda: alone.locator(".js-plotly-plot .main-svg").count() >= 4)
    alone.wait_for_timeout(500)
    assert alone.locator("tbody tr").count() == 3
    assert alone.locator("td.missing").count() > 0
    assert alone.get_by_role("heading", name="Accuracy against attack strength").count() == 1
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    # Its figures are drawn anew where the reader's machine turns dark.
    papers = "[...document.querySelectorAll('.js-plotly-plot')].map((one) => one._fullLayout.paper_bgcolor)"
    assert set(alone.evaluate(papers)) == {LIGHT.page}
    alone.emulate_media(color_scheme="dark")
    until(lambda: set(alone.evaluate(papers)) == {DARK.page})
    assert alone.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 23)"
    assert not problems, problems
    context.close()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    waiting.value.save_as(tmp_path / "board.csv")
    text = (tmp_path / "board.csv").read_text(encoding="utf-8")
    assert text.count("\n") == 4
    assert "not measured" in text
