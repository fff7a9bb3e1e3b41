"""Recipes to begin with, named by what they teach: recipes/presets/*.toml; their first comments say what, how long."""

from __future__ import annotations

import html
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import streamlit as st

from pages.ui import link
from pages.ui.frame import ROOT, guarded
from pages.ui.train_known import known_images, known_teachers
from pages.ui.train_runs import go_watch
from robust_core.training import control
from robust_core.training.recipe import Recipe, parse_recipe

FOLDER = ROOT / "recipes" / "presets"
ORDER = ("robust_in_3_minutes", "two_teachers", "a_router", "fair_temperatures")
TWICE = 3.0  # seconds within which a second start of one recipe is a double click
TEXT = "train_toml"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """teaches, watch, takes: the comments "# Teaches: …" and so on at the head of the file."""

    name: str
    text: str
    teaches: str
    watch: str
    takes: str

    @property
    def recipe(self) -> Recipe:
        return parse_recipe(self.text)


def presets(folder: Path = FOLDER) -> list[Preset]:
    """In the order in which they teach; files that are not known by name come last."""
    paths = sorted(
        folder.glob("*.toml"), key=lambda p: (ORDER.index(p.stem) if p.stem in ORDER else len(ORDER), p.stem)
    )
    return [_read(path, path.stat().st_mtime_ns) for path in paths]


@lru_cache(maxsize=64)
def _read(path: Path, _mtime_ns: int) -> Preset:
    text = path.read_text(encoding="utf-8")
    said = dict(line[2:].split(": ", 1) for line in text.splitlines() if line.startswith("# ") and ": " in line)
    told = {key: said.get(key.capitalize(), "") for key in ("teaches", "watch", "takes")}
    return Preset(name=path.stem, text=text, **told)


def cards() -> None:
    """The presets side by side, each a click away from running."""
    every = presets()
    with st.container(key="wrap_presets"):
        columns = st.columns(max(len(every), 1))
    for column, preset in zip(columns, every, strict=False):
        with column, st.container(border=True, height="stretch"), guarded(preset.name):
            recipe = preset.recipe
            st.markdown(f"#### {recipe.title}")
            teaches, told = html.escape(preset.teaches), html.escape(preset.watch)
            st.html(f'<p class="rl-teach">{teaches}<small>Watch: {told}</small></p>')
            with st.container(horizontal=True, vertical_alignment="center"):
                pressed = st.button(
                    "Start", key=f"train_start_{preset.name}", type="primary", icon=":material/play_arrow:",
                    help=f"Takes {preset.takes} on two cores.",
                )  # fmt: skip
                st.button(
                    "Its recipe",
                    key=f"train_open_{preset.name}",
                    type="tertiary",
                    on_click=open_text,
                    args=(preset.text,),
                )
            st.caption(f"{preset.takes} on two cores · {recipe.schedule.epochs} epochs")
            if pressed:
                start(recipe, "auto")


def open_text(text: str) -> None:
    """Takes this text into the editor, and the visitor to it."""
    st.session_state[TEXT] = text
    link.write("train", "new")


def start(recipe: Recipe, device: str) -> None:
    """Starts the run, or queues it, and goes to watch it. Raises UserError with the reason where it may not."""
    known_images(recipe)
    known_teachers(recipe)
    key, now = (recipe.to_toml(), device), time.monotonic()
    last = st.session_state.get("train_started")
    if last and last[0] == key and now - last[1] < TWICE:
        return
    with st.spinner("Starting…"):
        folder = control.start(recipe, device=device)
    st.session_state["train_started"] = (key, time.monotonic())
    go_watch(folder.name)
    st.rerun()
