"""What a server does before it takes its first visitor, so that nobody waits for imports and first calls."""

from __future__ import annotations

import gc
import importlib
import logging
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pages.ui
from pages.ui import frame, home_live, pickers, served
from pages.ui.perturb_reach import curve_of
from robust_core.attacks import AttackSettings
from robust_core.types import UserError


@asynccontextmanager
async def warm(_app: object) -> AsyncIterator[None]:
    """A lifespan for `st.App`."""
    prepare()
    # Streamlit collects garbage after every script run, also of a fragment that looks again each second: through all
    # of torch that is a tenth of a second each time. What is here by now stays, and need not be looked through.
    gc.collect()
    gc.freeze()
    yield


def prepare() -> None:
    """Loads networks and images, and makes what a visitor with no link sees first on Home and on Perturb: other views
    are made when they are asked for. What is broken is left for the pages to name."""
    # Caches filled here are the visitors' own; that there is no visitor yet is no news.
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
    frame.settle_process()
    for module in pkgutil.walk_packages(pages.ui.__path__, "pages.ui."):
        importlib.import_module(module.name)  # all that any page draws with
    try:
        found = served.shelf()
        if not found.nets:
            return
        net = found.nets[pickers.default_model(found)]
        subject = pickers.first_picture(net)
        home_live.films(found, net, subject)
        film = served.film(net, subject, AttackSettings(name="pgd"), None)
        curve_of(net, subject, film)
    except UserError:
        return
