"""The app in headless Chromium, over the tiny zoo of tests/pages. Skips where there is no Chromium, and says so."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages.conftest import make_zoo

ROOT = Path(__file__).parents[2]
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    log = tmp_path_factory.mktemp("log") / "server.txt"
    places = {"ROBUSTLENS_CHECKPOINTS": str(zoo), "ROBUSTLENS_RUNS": str(tmp_path_factory.mktemp("runs"))}
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | places, stdout=out, stderr=out)
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert process.poll() is None, "the server ended before it answered"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the server did not answer within a minute")


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
