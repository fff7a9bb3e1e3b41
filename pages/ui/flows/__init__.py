"""A Sankey diagram of routes as a Streamlit component: every ribbon is a button that names its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from robust_core.charts.crowd import group_colours
from robust_core.charts.theme import Theme
from robust_core.explain.paths import Flow, Paths

HERE = Path(__file__).parent
HEIGHT = 380  # px of 1000 across

_mount = st.components.v2.component(
    "robustlens_flows",
    html='<div class="holder"><div class="flows"></div></div>',
    css=(HERE / "flows.css").read_text(),
    js=(HERE / "flows.js").read_text(),
)


def ribbon_id(flow: Flow) -> str:
    """A flow's name in URLs: block, from, to, group."""
    return f"{flow.block}-{flow.source}-{flow.target}-{flow.group}"


def show_flows(
    found: Paths, made: Sequence[Flow], chosen: str | None, on_pick: Callable[[str], None], *, look: Theme, key: str
) -> None:
    """Mounts the diagram; on_pick gets the id of a clicked ribbon."""

    def picked() -> None:
        wanted = st.session_state[key].ribbon
        if isinstance(wanted, str):
            on_pick(wanted)

    counts = [np.bincount(row, minlength=len(n)) for row, n in zip(found.state.numpy(), found.names, strict=True)]
    blocks = [
        {"name": block, "states": [{"name": n, "count": int(c)} for n, c in zip(names, many, strict=True)]}
        for block, names, many in zip(found.blocks, found.names, counts, strict=True)
    ]
    links = [
        {
            "id": ribbon_id(flow),
            "block": flow.block,
            "source": flow.source,
            "target": flow.target,
            "group": flow.group,
            "count": len(flow.rows),
            "told": told(found, flow),
        }
        for flow in made
    ]
    data = {
        "blocks": blocks,
        "links": links,
        "groups": list(found.group_names),
        "colours": group_colours(found.group_names, look),
        "total": found.state.shape[1],
        "chosen": chosen,
        "height": HEIGHT,
        "dark": look.name == "dark",
        "alt": f"Paths of {found.state.shape[1]} images; each ribbon lists its images",
    }
    _mount(key=key, data=data, on_ribbon_change=picked)


def told(found: Paths, flow: Flow) -> str:
    """One ribbon in words."""
    here, there = found.names[flow.block][flow.source], found.names[flow.block + 1][flow.target]
    way = f"{found.blocks[flow.block]} {here} → {found.blocks[flow.block + 1]} {there}"
    return f"{len(flow.rows)} × {found.group_names[flow.group]}: {way}"
