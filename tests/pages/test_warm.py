"""The server prepares the first view before its first visitor comes, and starts whatever state the zoo is in."""

from __future__ import annotations

import shutil

import pytest

from pages.ui import home_live, memory, warm


@pytest.mark.parametrize("page", ["app.py", "pages/1_Perturb.py"])
def test_the_first_view_is_ready(zoo, open_page, monkeypatch, page):
    fresh = memory.Memory(64)
    monkeypatch.setattr(memory, "shared", lambda: fresh)
    warm.prepare()
    prepared = set(fresh._kept)
    assert {key[0] for key in prepared} == {"film", "curve"}
    open_page(page)
    new = {key[0] for key in set(fresh._kept) - prepared}
    assert "film" not in new
    assert "curve" not in new


def test_the_start_makes_as_much_ready_however_many_networks_there_are(zoo, monkeypatch):
    made = []
    for extra in range(0, 3, 2):
        for number in range(extra):
            shutil.copytree(zoo / "fashion_mnist/pgd_at", zoo / f"fashion_mnist/more_{number}")
        fresh = memory.Memory(64)
        monkeypatch.setattr(memory, "shared", lambda fresh=fresh: fresh)
        warm.prepare()
        made.append(len(fresh._kept))
    assert made[1] <= made[0] + home_live.SHOWN - 3  # Home's picture has a row more


@pytest.mark.parametrize("harm", ["no zoo", "broken"])
def test_a_bad_zoo_does_not_keep_the_server_from_starting(zoo, harm):
    if harm == "no zoo":
        shutil.rmtree(zoo)
    else:
        (zoo / "fashion_mnist" / "pgd_at" / "weights.safetensors").write_bytes(b"")
    warm.prepare()
