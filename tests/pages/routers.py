"""What the tests of Routing share: a zoo whose routers say something, and readers of what the page was given."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from robust_core.checkpoints import CARD, WEIGHTS
from robust_core.folders import write_tensors
from tests.pages import conftest

ROUTING = "pages/2_Routing.py"
AW, MOE = "fashion_mnist/aw_net", "fashion_mnist/moe"
QUICK = {"steps_pgd": "3"}


@pytest.fixture(autouse=True)
def routers(zoo, tmp_path, monkeypatch, request):
    """A mixture of experts in the zoo, and routers that say something: fresh ones answer every image alike."""
    monkeypatch.setattr(conftest, "NETS", {"moe": ("MoE", "standard", "moe", 70, 10)})
    conftest.make_zoo(tmp_path / "more")
    shutil.move(tmp_path / "more" / MOE, zoo / MOE)
    if "constant" not in request.node.name:
        for name in (AW, MOE):
            stir(zoo / name)


def with_one_norm(zoo, monkeypatch):
    """Puts an AW-Net in its place whose router tells the types and mixes nothing by them."""
    monkeypatch.setattr(conftest, "NETS", {"aw_net": ("AW-Net", "adversarial", "aw_net", 85, 70)})
    shutil.rmtree(zoo / AW)
    conftest.make_zoo(zoo, mix="none")
    stir(zoo / AW)


def stir(folder):
    """Noise on the router's heads, two batch norms that differ, and a card that fits."""
    tensors = load_file(folder / WEIGHTS)
    generator = torch.Generator().manual_seed(0)
    for name, tensor in tensors.items():
        if "head" in name and tensor.ndim > 1:
            loud = 0.5 if "type_head" in name else 2  # a type that is not beyond doubt
            tensor += loud * torch.randn(tensor.shape, generator=generator)
        elif name.endswith(".adversarial.weight"):
            tensor *= 1.5  # so that the two batch norms differ
    write_tensors(folder / WEIGHTS, tensors)
    card = json.loads((folder / CARD).read_text())
    card["weights_sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / CARD).write_text(json.dumps(card))


def component(app, part):
    """What a component was given: the one whose data has this part."""
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json) if element.proto.json else {}
        if part in data:
            return data
    return None


def maps(app):
    return component(app, "convs")


def html(app):
    return " ".join(h.proto.body for h in app.get("html"))


def captions(app):
    return " ".join(c.value for c in app.caption)


def charts(app):
    """The figures of the page's subject: what the papers claim stands below all of them, and is Home's test."""
    figures = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    return [each for each in figures if not each["layout"]["meta"]["alt"].startswith("Claims of the papers")]


def healthy(app):
    assert not app.exception, app.exception
    assert not app.error, [e.value for e in app.error]
    return app


def held(app):
    """The tables of the override section: the one picture, and many."""
    return [h.proto.body for h in app.get("html") if 'class="rl-held"' in h.proto.body]
