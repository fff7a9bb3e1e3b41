"""What watching a run on the Train page costs the run, and how fast Perturb answers while a run takes every core.

    python benchmarks/watching.py [--seconds 30] [--pairs 3] [--browser beside|elsewhere]

A preset is trained in the background, as a visitor would start it; the page that watches it is opened and closed by
turns, and the run's own history tells how many steps a second it made. "beside": the browser draws on the machine that
trains, so the loss is an upper bound. "elsewhere": it gets only the time that run and app leave (the idle class of
Linux), as if on a visitor's own machine; `updates_per_second` tells how often it was sent a new state all the same.
`app_share` is what the app's process took of all cores while it was watched.
Needs playwright and a Chromium. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.app import ROOT, start_server
from robust_core.checkpoints import read_history
from robust_core.training import control
from robust_core.training.recipe import read_recipe
from robust_core.training.status import look


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--preset", default="robust_in_3_minutes")
    parser.add_argument("--browser", choices=("beside", "elsewhere"), default="beside")
    chosen = parser.parse_args()
    path = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    if path is None:
        sys.exit("no Chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    os.environ["ROBUSTLENS_RUNS"] = tempfile.mkdtemp(prefix="watching")
    recipe = read_recipe(ROOT / f"recipes/presets/{chosen.preset}.toml", overrides={"schedule.epochs": 500})
    process, url = start_server()
    folder = control.start(recipe)
    watched, alone, share, updates = [], [], [], []
    if chosen.browser == "elsewhere":
        path = _idle(path, Path(os.environ["ROBUSTLENS_RUNS"]))
    try:
        while look(folder).progress.step < 40:
            time.sleep(0.5)
        with sync_playwright() as p:
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = p.chromium.launch(executable_path=path, args=arguments)
            for _ in range(chosen.pairs):
                page = browser.new_page(viewport={"width": 1440, "height": 1000})
                told: list[float] = []
                page.on("websocket", lambda ws, told=told: ws.on("framereceived", lambda _: told.append(1.0)))
                page.goto(f"{url}/Train?watch={folder.name}")
                page.wait_for_selector(".rl-facts")
                page.wait_for_timeout(5000)  # drawn, and probes computed once
                before, frames = _used(process.pid), len(told)
                watched.append(_rate(folder, chosen.seconds))
                share.append((_used(process.pid) - before) / chosen.seconds / (os.cpu_count() or 1))
                page.wait_for_timeout(1)  # takes in what has come meanwhile
                updates.append((len(told) - frames) / chosen.seconds)
                page.close()
                time.sleep(2)
                alone.append(_rate(folder, chosen.seconds))
            browser.close()
        answer = _perturb()
    finally:
        control.stop(folder)
        control.wait(folder, seconds=60)
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(os.environ["ROBUSTLENS_RUNS"], ignore_errors=True)
    ratio = statistics.median(w / a for w, a in zip(watched, alone, strict=True))
    figures = {
        "benchmark": "watching",
        "pairs": chosen.pairs,
        "browser": chosen.browser,
        "seconds": chosen.seconds,
        "steps_per_second_watched": round(statistics.median(watched), 3),
        "steps_per_second_alone": round(statistics.median(alone), 3),
        "loss_percent": round(100 * (1 - ratio), 2),
        "app_share_percent": round(100 * statistics.median(share), 2),
        "loss_limit_percent": 3.0,
        "updates_per_second": round(statistics.median(updates), 2),
        "perturb_median_ms": answer,
        "perturb_limit_ms": 400,
    }
    print(f"{chosen.preset}: {chosen.pairs} turns of {chosen.seconds} s with the page open and closed, medians")
    print(f"{'steps a second, watched':42}{figures['steps_per_second_watched']:10.3f}")
    print(f"{'steps a second, alone':42}{figures['steps_per_second_alone']:10.3f}")
    print(f"{f'loss, browser {chosen.browser}, %':42}{figures['loss_percent']:10.2f}{'  (limit 3)'}")
    print(f"{'the app of all cores, %':42}{figures['app_share_percent']:10.2f}")
    print(f"{'messages to the page, a second':42}{figures['updates_per_second']:10.2f}")
    print(f"{'Perturb, answer while it trains, ms':42}{answer:10.1f}{'  (limit 400)'}")
    print(json.dumps(figures))


def _idle(browser: str, folder: Path) -> str:
    """A command that starts the browser in the idle class: it runs when nothing else wants the core."""
    command = folder / "browser"
    command.write_text(f'#!/bin/sh\nexec chrt --idle 0 "{browser}" "$@"\n')
    command.chmod(0o755)
    return str(command)


def _rate(folder: Path, seconds: float) -> float:
    """Steps a second over that time, from the clock in the run's own history."""
    first = _last(folder)
    time.sleep(seconds)
    last = _last(folder)
    return (last["step"] - first["step"]) / max(last["seconds"] - first["seconds"], 1e-9)


def _last(folder: Path) -> dict[str, float]:
    return next(event for event in reversed(read_history(folder)) if event["event"] == "step")


def _used(pid: int) -> float:
    """Processor seconds of this process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _perturb() -> float:
    """Perturb's median answer in a process of its own."""
    command = [sys.executable, str(ROOT / "benchmarks" / "perturb.py"), "--changes", "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["median_ms"])


if __name__ == "__main__":
    main()
