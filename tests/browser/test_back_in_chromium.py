"""The browser's Back and Forward: what is on the page goes along with the address."""

from __future__ import annotations

import pytest

from tests.browser.waiting import until, until_address

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
