"""The server prepares the first view before its first visitor comes, and starts whatever state the zoo is in."""

from __future__ import annotations

import shutil

import pytest

from pages.ui import memory, warm


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


def test_the_start_does_not_take_longer_with_every_network(zoo, monkeypatch):
    fresh = memory.Memory(64)
    monkeypatch.setattr(memory, "shared", lambda: fresh)
    warm.prepare()
    curves = [key for key in fresh._kept if key[0] == "curve"]
    assert len(curves) == 1


@pytest.mark.parametrize("harm", ["no zoo", "broken"])
def test_a_bad_zoo_does_not_keep_the_server_from_starting(zoo, harm):
    if harm == "no zoo":
        shutil.rmtree(zoo)
    else:
        (zoo / "fashion_mnist" / "pgd_at" / "weights.safetensors").write_bytes(b"")
    warm.prepare()
