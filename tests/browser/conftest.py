"""The app in headless Chromium, over the tiny zoo of tests/pages. Skips where there is no Chromium, and says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.browser.serving import serving
from tests.pages.conftest import make_zoo

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app's address: a server of its own on a free port of this machine."""
    zoo = make_zoo(tmp_path_factory.mktemp("zoo"))
    places = {"ROBUSTLENS_CHECKPOINTS": str(zoo), "ROBUSTLENS_RUNS": str(tmp_path_factory.mktemp("runs"))}
    with serving(tmp_path_factory.mktemp("log") / "server.txt", places) as (address, _):
        yield address


@pytest.fixture
def page(chromium: object) -> Iterator[object]:
    """A fresh visitor. Fails the test on any console error or uncaught exception, except Streamlit's own two probes."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.on("console", lambda message: _note(message, problems))
    yield page
    crashed = page.locator('[data-testid="stException"]').count()
    context.close()
    assert not crashed, "an exception stands on the page"
    assert not problems, problems


def _note(message: object, problems: list[str]) -> None:
    # On a deep link Streamlit first looks for its server below the page's own path, finds 404, and goes on.
    probe = "/_stcore/" in str(message.location.get("url", "")) and "404" in message.text
    if message.type == "error" and not probe:
        problems.append(f"{message.text} ({message.location.get('url', '')})")
