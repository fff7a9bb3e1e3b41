"""The Routing page's answers, server side: one image with its route at every step, an override, many images.

    python benchmarks/routing.py [--checkpoint fashion_mnist/aw_net] [--images 1000]

Timed from the widget's new value to the end of the script run that draws it, one visitor, the app's own thread
setting; many images and the first override include the attack on them, the next override does not. The last line is
one JSON object.
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

sys.path.insert(0, str(Path(__file__).parents[1]))

ROOT = Path(__file__).parents[1]
LIMITS = {"one_image_ms": 300, "first_override_256_ms": 1500, "next_override_256_ms": 1500, "many_images_ms": 6000}


def opened(**settings: str) -> object:
    """The page with these settings in its address."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    for key, value in settings.items():
        app.query_params[key] = value
    app.switch_page("pages/2_Routing.py").run()
    if app.exception:
        sys.exit(f"the page cannot be opened: {[e.message for e in app.exception]}")
    return app


def timed(app: object) -> float:
    before = time.perf_counter()
    app.run()
    return 1000 * (time.perf_counter() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="fashion_mnist/aw_net")
    parser.add_argument("--images", type=int, default=1000)
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)  # Streamlit remarks that there is no browser
    with contextlib.redirect_stderr(io.StringIO()):
        app = opened(model=chosen.checkpoint)
        one = []
        for k in range(1, 31):
            app.slider(key="w_eps").set_value(round(0.01 * k, 3))
            one.append(timed(app))
        app = opened(model=chosen.checkpoint, ask="override", held_n="256")
        overrides = []
        for path in ("clean", "adversarial"):
            app.query_params["path"] = path
            app.segmented_control(key="w_path").set_value(path)
            overrides.append(timed(app))
        app = opened(model=chosen.checkpoint, ask="crowd", n=str(chosen.images))
        app.button(key="follow_many").click()
        many, again = timed(app), timed(app)
    measured = {
        "one_image_ms": statistics.median(one),
        "first_override_256_ms": overrides[0],
        "next_override_256_ms": overrides[1],
        "many_images_ms": many,
    }
    figures = {"benchmark": "routing", "checkpoint": chosen.checkpoint, "images": chosen.images}
    figures |= {name: round(value, 1) for name, value in measured.items()} | {"many_again_ms": round(again, 1)}
    figures |= {f"{name}_limit": limit for name, limit in LIMITS.items()}
    print(f"Routing, {chosen.checkpoint}, PGD-20 (server side)")
    for name, value in measured.items():
        print(f"{name:26}{value:10.1f}{LIMITS[name]:8d}")
    print(f"{'many_again_ms':26}{again:10.1f}{'—':>8}")
    print(json.dumps(figures | {"load_1min": round(os.getloadavg()[0], 2)}))


if __name__ == "__main__":
    main()
