"""What watching a run on the Train page costs the run, and how fast Perturb answers while a run takes every core.

    python benchmarks/watching.py [--seconds 15] [--pairs 8]

A preset is trained in the background, as a visitor would start it; by turns the page that watches it is open and
closed, and the run's own history tells how many steps a second it made. The visitor asks as a browser does and draws
nothing (`benchmarks/visitor.py`): a browser draws on its own machine. `app_share` is what the app's process took of all
cores while it was watched. The last line is one JSON object.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.app import ROOT, start_server
from robust_core.checkpoints import read_history
from robust_core.training import control
from robust_core.training.recipe import read_recipe
from robust_core.training.status import look

OPENING = 8  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--preset", default="robust_in_3_minutes")
    chosen = parser.parse_args()
    os.environ["ROBUSTLENS_RUNS"] = tempfile.mkdtemp(prefix="watching")
    recipe = read_recipe(ROOT / f"recipes/presets/{chosen.preset}.toml", overrides={"schedule.epochs": 500})
    process, url = start_server()
    folder = control.start(recipe)
    watched, alone, share, updates = [], [], [], []
    try:
        while look(folder).progress.step < 40:
            time.sleep(0.5)
        for _ in range(chosen.pairs):
            with _visitor(url, folder.name, OPENING + chosen.seconds + 1) as told:
                time.sleep(OPENING)  # built, and probes computed once
                before = _used(process.pid)
                watched.append(_rate(folder, chosen.seconds))
                share.append((_used(process.pid) - before) / chosen.seconds / (os.cpu_count() or 1))
            updates.append(told["asked"] / (OPENING + chosen.seconds + 1))
            time.sleep(2)
            alone.append(_rate(folder, chosen.seconds))
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
        "seconds": chosen.seconds,
        "steps_per_second_watched": round(statistics.median(watched), 3),
        "steps_per_second_alone": round(statistics.median(alone), 3),
        "loss_percent": round(100 * (1 - ratio), 2),
        "app_share_percent": round(100 * statistics.median(share), 2),
        "loss_limit_percent": 3.0,
        "looks_per_second": round(statistics.median(updates), 2),
        "perturb_median_ms": answer,
        "perturb_limit_ms": 400,
    }
    print(f"{chosen.preset}: {chosen.pairs} turns of {chosen.seconds} s with the page open and closed, medians")
    print(f"{'steps a second, watched':42}{figures['steps_per_second_watched']:10.3f}")
    print(f"{'steps a second, alone':42}{figures['steps_per_second_alone']:10.3f}")
    print(f"{'loss by being watched, %':42}{figures['loss_percent']:10.2f}{'  (limit 3)'}")
    print(f"{'the app of all cores, %':42}{figures['app_share_percent']:10.2f}")
    print(f"{'looks at the run, a second':42}{figures['looks_per_second']:10.2f}")
    print(f"{'Perturb, answer while it trains, ms':42}{answer:10.1f}{'  (limit 400)'}")
    print(json.dumps(figures))


@contextmanager
def _visitor(url: str, run: str, seconds: float) -> Iterator[dict[str, int]]:
    """Watches the run for so long; what it tells stands in the dict when it has gone."""
    told: dict[str, int] = {}
    command = [sys.executable, str(ROOT / "benchmarks" / "visitor.py"), url, "Train", f"watch={run}", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        yield told
        told |= json.loads(client.communicate(timeout=120)[0].splitlines()[-1])
        if not told["asked"]:
            sys.exit("the visitor was never asked to look again: nothing was watched, so nothing was measured")


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
