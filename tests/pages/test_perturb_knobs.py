"""Perturb's knobs: each one moved, and found again in the settings and in the film."""

from __future__ import annotations

import pytest

from pages.ui.perturb_attack import offered
from tests.pages.reading import PERTURB, player

FAR = {"w_kappa": 0.0, "w_restarts": 10, "w_queries": 100}  # moved as far as it takes to matter; others by one step
KNOBS = {  # knob → the word that names it in the line below the pictures
    "w_eps": "ε = ",
    "w_queries": "quer",
    "w_index": "test image",
    "w_step_size": "step ",
    "w_restarts": "restart",
    "w_seed": "seed",
    "w_kappa": "κ = ",
    "w_momentum": "momentum",
}


def described(app):
    """The settings and the picture, as the page words them, part by part."""
    line = next(c.value for c in app.caption if "Picture:" in c.value)
    return line.replace(". ", ", ").split(", ")


def filmed(app):
    lane = player(app)["lanes"][0]
    return [lane[part] for part in ("clean", "delta", "adv", "probs", "loss", "margin", "index")]


def move(app, widget, value):
    """Moves a knob, which must show in the settings; says whether it shows in the film, too."""
    line, film = described(app), filmed(app)
    widget.set_value(value).run()
    assert not app.exception
    assert not app.error
    word = KNOBS.get(widget.key)
    assert [p for p in described(app) if not word or word in p] != [p for p in line if not word or word in p], (
        widget.key
    )
    return filmed(app) != film


@pytest.mark.parametrize("name", offered())
def test_every_attack_with_every_knob_moved(open_page, name):
    # κ matters once a picture fools, restarts while none does: a target out of reach keeps the attack trying.
    aim = {"eps": "0.3"} if name == "cw" else {"eps": "0.01", "target": "3"}
    app = open_page(PERTURB, attack=name, versus="none", queries="50", **{f"steps_{name}": "4"}, **aim)
    for toggle in app.toggle:
        start = toggle.value
        assert move(app, app.toggle(key=toggle.key), not start)
        assert ("no random start" in described(app)) == start
        assert app.number_input(key="w_seed").disabled == start
        assert start is False or move(app, app.toggle(key=toggle.key), True)
    keys = sorted((w.key for w in [*app.slider, *app.number_input]), key="w_kappa".__eq__)  # content at κ = 0 it rests
    assert {"w_eps", "w_index"} <= set(keys)
    assert ("w_queries" in keys) == (name == "square")
    for key in keys:
        widget = next(w for w in [*app.slider, *app.number_input] if w.key == key)
        assert not widget.disabled
        up = FAR.get(key, widget.value + widget.step)
        changed = move(app, widget, up if up <= widget.max else widget.value - widget.step)
        assert changed or (name, key) == ("cw", "w_restarts"), key  # CW fools at its first start
    if name != "cw":
        assert move(app, app.button_group(key="w_norm"), "l2")
        assert {"L2", "ε = 1.5"} < set(described(app))


def test_every_choice_of_every_select_box(open_page):
    app = open_page(PERTURB)
    for key in [box.key for box in app.selectbox if box.key != "w_attack"]:
        for value in list(app.selectbox(key=key).options)[:3]:
            app.selectbox(key=key).select(value).run()
            assert not app.exception
            assert not app.error
    assert player(app) is not None
