"""Perturb's answer to a change of ε, server side: PGD-20 on a checkpoint, one visitor, the app's own thread setting.

    python benchmarks/perturb.py [--checkpoint fashion_mnist/pgd_at] [--changes 60]

A change is timed from the widget's new value to the end of the script run that draws it, over values of ε never asked
before, so that nothing comes from a cache that a visitor would not have. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="fashion_mnist/pgd_at")
    parser.add_argument("--versus", default="none", help="a second network beside it")
    parser.add_argument("--changes", type=int, default=60)
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)  # Streamlit remarks that there is no browser
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.query_params["model"] = chosen.checkpoint
    app.query_params["versus"] = chosen.versus
    with contextlib.redirect_stderr(io.StringIO()):
        app.switch_page("pages/1_Perturb.py").run()
        if app.exception or app.selectbox(key="w_model").value != chosen.checkpoint:
            sys.exit(f"{chosen.checkpoint} cannot be opened: {[e.message for e in app.exception] or 'unknown'}")
        wall, processor = [], []
        values = [0.005 * k for k in range(1, 61)]
        order = [values[(17 * k) % len(values)] for k in range(min(chosen.changes, len(values)))]
        for eps in order:
            slider = app.slider(key="w_eps").set_value(round(eps, 3))
            before, used = time.perf_counter(), time.process_time()
            slider.run()
            wall.append(1000 * (time.perf_counter() - before))
            processor.append(1000 * (time.process_time() - used))
    wall.sort()
    figures = {
        "benchmark": "perturb",
        "checkpoint": chosen.checkpoint,
        "versus": chosen.versus,
        "changes": len(wall),
        "median_ms": round(statistics.median(wall), 1),
        "p95_ms": round(wall[int(0.95 * (len(wall) - 1))], 1),
        "cpu_median_ms": round(statistics.median(processor), 1),
        "load_1min": round(os.getloadavg()[0], 2),
        "median_limit_ms": 150,
        "p95_limit_ms": 300,
    }
    print("Perturb, a change of ε, PGD-20, one image, one visitor (server side)")
    print(f"{'':12}{'ms':>8}{'limit':>8}")
    print(f"{'median':12}{figures['median_ms']:8.1f}{150:8d}")
    print(f"{'95 %':12}{figures['p95_ms']:8.1f}{300:8d}")
    print(f"{'CPU, median':12}{figures['cpu_median_ms']:8.1f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
