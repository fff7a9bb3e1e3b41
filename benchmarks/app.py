"""The app from outside: from a started server to Perturb fully drawn in Chromium, and memory after every page.

    python benchmarks/app.py [--runs 3]

Each run starts a server of its own, so the first figure includes what a server does for its first visitor (importing
torch, reading checkpoints and images). Needs playwright and a Chromium. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
DRAWN = {  # by page, what is there once it says something
    "": ".rl-bars", "Perturb": ".player canvas", "Routing": ".routes canvas", "Temperatures": ".js-plotly-plot",
    "Train": ".rl-facts", "Compare": "table", "Library": '[data-testid="stDataFrame"]',
}  # fmt: skip
CLOSER = ("Smallest ε", "Transfer", "Attributions", "Loss surface", "Take it home")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    path = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    if path is None:
        sys.exit("no Chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    first, second, third, resident, pages = [], [], [], [], []
    with sync_playwright() as p:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = p.chromium.launch(executable_path=path, args=arguments)
        for _ in range(runs):
            process, url = start_server()
            try:
                first.append(_seconds(browser, url + "/Perturb"))
                second.append(_seconds(browser, url + "/Perturb"))
                third.append(_seconds(browser, url + "/Perturb?closer=smallest", chart=True))
                pages.append(_visit(browser, url))
                resident.append(_resident(process.pid))
            finally:
                process.terminate()
                process.wait(timeout=30)
        browser.close()
    figures = {
        "benchmark": "app",
        "runs": runs,
        "first_visitor_s": round(statistics.median(first), 2),
        "next_visitor_s": round(statistics.median(second), 2),
        "next_visitor_with_chart_s": round(statistics.median(third), 2),
        "pages_s": {name: round(statistics.median(taken[name] for taken in pages), 2) for name in pages[0]},
        "resident_mb": round(max(resident)),
        "load_1min": round(os.getloadavg()[0], 2),
        "drawn_limit_s": 4.0,
        "resident_limit_mb": 900,
    }
    print(f"A server of its own, {runs} runs: median seconds to Perturb fully drawn, greatest memory")
    print(f"{'':34}{'measured':>10}{'limit':>8}")
    print(f"{'first visitor, s':34}{figures['first_visitor_s']:10.2f}{4.0:8.1f}")
    print(f"{'next visitor, s':34}{figures['next_visitor_s']:10.2f}{4.0:8.1f}")
    print(f"{'  with Smallest ε open':34}{figures['next_visitor_with_chart_s']:10.2f}{'—':>8}")
    for name, seconds in figures["pages_s"].items():
        print(f"{f'  {name}, first figures, s':34}{seconds:10.2f}{'—':>8}")
    print(f"{'resident after every page, MB':34}{figures['resident_mb']:10d}{900:8d}")
    print(json.dumps(figures))


def start_server() -> tuple[subprocess.Popen[bytes], str]:
    """A server of its own on a free port, ready to answer, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return process, url
        except OSError:
            if process.poll() is not None:
                sys.exit("the server ended before it answered")
            time.sleep(0.05)


def _seconds(browser: object, url: str, *, chart: bool = False) -> float:
    """From the request to all pictures and curves drawn and the script at rest, in a fresh browser context.

    chart: the link also opens a Plotly chart, to be waited for.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(120_000)
    before = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(".player canvas")
    if chart:
        page.wait_for_selector(".js-plotly-plot .plot-container")
    page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached")
    taken = time.perf_counter() - before
    context.close()
    return taken


def _visit(browser: object, url: str) -> dict[str, float]:
    """Every page, and everything that opens on Perturb, as the curious would; seconds until each says something."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    taken = {}
    for name, drawn in DRAWN.items():
        before = time.perf_counter()
        page.goto(f"{url}/{name}")
        page.wait_for_selector(drawn)
        taken[name or "Home"] = time.perf_counter() - before
        page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached")
    page.goto(f"{url}/Perturb")
    for title in CLOSER:
        page.get_by_role("radio", name=title).click()
        page.wait_for_timeout(500)
        page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached")
    page.close()
    return taken


def _resident(pid: int) -> float:
    """Resident memory of the process, in MB (10⁶ bytes)."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
