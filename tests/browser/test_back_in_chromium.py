"""The browser's Back and Forward: what is on the page goes along with the address."""

from __future__ import annotations

import pytest

from tests.browser.waiting import address, until, until_address

pytestmark = pytest.mark.browser


def field(page):
    return page.get_by_label("Test image", exact=True).first


def picture(page):
    return field(page).input_value()


def take(page, number):
    field(page).fill(number)
    field(page).press("Enter")
    until_address(page, f"index={number}")


def test_the_page_goes_along_with_the_address(server, page):
    page.goto(f"{server}/Perturb?index=5")
    until(lambda: page.get_by_label("Test image", exact=True).count() > 0)
    until(lambda: picture(page) == "5")
    take(page, "6")
    take(page, "7")
    page.go_back()
    until_address(page, "index=6")
    until(lambda: picture(page) == "6")
    page.go_back()
    until(lambda: picture(page) == "5")
    page.go_forward()
    until(lambda: picture(page) == "6")
    # On to another page and back: that is Streamlit's own doing, and still is.
    page.get_by_test_id("stSidebar").get_by_role("link", name="Compare").click()
    page.wait_for_selector(".board tbody tr")
    page.go_back()
    until(lambda: page.get_by_label("Test image", exact=True).count() > 0)
    until(lambda: picture(page) == "6")
    until_address(page, "index=6", "/Perturb")


def test_back_from_an_address_that_was_mended_leaves(server, page):
    page.goto(f"{server}/Compare")
    page.wait_for_selector(".board tbody tr")
    page.goto(f"{server}/Perturb?model=gone")
    until(lambda: "model=gone" not in address(page))
    page.go_back()
    page.go_back()
    until(lambda: "/Compare" in address(page))


def test_back_on_routing_does_not_end_at_a_network_that_does_not_route(server, page):
    page.goto(f"{server}/Compare")
    page.wait_for_selector(".board tbody tr")
    page.goto(f"{server}/Routing")
    page.wait_for_selector(".routes canvas")
    until_address(page, "model=")
    page.go_back()
    until(lambda: page.locator(".routes canvas").count() > 0 or "/Compare" in address(page))
    page.wait_for_timeout(1500)
    assert page.get_by_text("is a static network").count() == 0
