"""What a visitor takes home: exact, inside the ball, and repeated byte for byte by the command on the page."""

from __future__ import annotations

import base64
import dataclasses
import io
import shlex
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from pages.ui import exports, served
from pages.ui.film import shoot
from pages.ui.slide import slide
from robust_core import checkpoints, data
from robust_core.attacks import AttackSettings
from robust_core.frozen import frozen

SETTINGS = [
    {"name": "pgd", "eps": 0.1},
    {"name": "pgd", "norm": "l2", "eps": 1.5, "steps": 7, "step_size": 0.3, "restarts": 2, "seed": 11},
    {"name": "cw", "eps": 8 / 255, "kappa": 3.0, "random_start": False},
    {"name": "square", "eps": 0.05, "queries": 50},
]


SHIPPED = [
    {"name": "mi_fgsm", "eps": 0.08, "momentum": 0.5},
    {"name": "mi_fgsm", "eps": 0.08, "random_start": True, "seed": 5},
    {"name": "pgd", "eps": 0.1, "steps": 7, "random_start": False, "seed": 5},
]


def scene(zoo, settings, target=None, index=4, net="fashion_mnist/aw_net"):
    found = checkpoints.find(net, zoo)
    net = served.Served(
        name=found.name,
        card=found.card,
        net=frozen(checkpoints.load(found)),
        sha=checkpoints.weights_sha(found),
    )
    images = data.load("fashion_mnist_small").test
    subject = served.Subject(pixels=images.images[index], label=int(images.labels[index]), index=index, origin="")
    return net, subject, shoot(net.net, subject.floats(), subject.label, AttackSettings(**settings), target=target)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: f"{s['name']}-{s.get('norm', 'linf')}")
def test_files_read_back_within_the_ball(zoo, settings):
    net, subject, film = scene(zoo, settings)
    for file in exports.files(net, subject, film):
        measured = file.length if film.settings.norm == "l2" else file.reach
        assert measured <= film.settings.eps
        # Square leaves a picture alone that is misread to begin with.
        assert measured > 0.5 * film.settings.eps or film.clean_answer != film.y
    exact = exports.read_npz(exports.npz(film))
    assert np.array_equal(exact[0].numpy(), film.x_adv)


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS[:2], ids=lambda s: s.get("norm", "linf"))
def test_the_command_on_the_page_writes_the_same_bytes(zoo, tmp_path, settings):
    net, _, film = scene(zoo, settings, target=2)
    _repeats(net, film, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("settings", SHIPPED, ids=lambda s: "-".join(str(v) for v in s.values()))
def test_the_command_writes_the_same_bytes_on_the_shipped_network(tmp_path, settings):
    net, _, film = scene(None, settings, index=0, net="fashion_mnist/pgd_at")
    assert film.settings.seed == (settings.get("seed", 0) if film.settings.random else 0)
    _repeats(net, film, tmp_path, index=0)


def _repeats(net, film, folder, index=4):
    """The command on the page, in a process of its own, prints the film's answer and writes the page's bytes."""
    words = shlex.split(exports.command(net, "fashion_mnist_small", index, film))
    done = subprocess.run([sys.executable, *words[1:]], cwd=folder, capture_output=True, text=True, check=False,
                          env=_environment())  # fmt: skip
    assert done.returncode == 0, done.stderr
    (written,) = folder.glob("*.npz")
    assert written.name == f"{exports.stem(net, index, film)}.npz"
    assert written.read_bytes() == exports.npz(film)
    assert f"adversarial: {net.card.class_names[film.answer]} ({film.probabilities[-1].max():.4f})" in done.stdout


def test_the_script_on_the_page_makes_the_same_picture(zoo):
    net, _, film = scene(zoo, SETTINGS[0])
    names: dict[str, object] = {}
    exec(exports.script(net, "fashion_mnist_small", 4, film), names)
    assert np.array_equal(names["x_adv"][0].numpy(), film.x_adv)


def test_the_script_for_an_own_picture_reads_the_file_on_the_page(zoo, tmp_path, monkeypatch):
    net, subject, film = scene(zoo, SETTINGS[1])
    own = dataclasses.replace(subject, index=None)
    file = exports.files(net, own, film)[0]
    (tmp_path / file.name).write_bytes(file.content)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(exports.script(net, "", None, film), names)
    assert np.array_equal(names["x_adv"][0].numpy(), film.x_adv)


def _environment() -> dict[str, str]:
    import os
    from pathlib import Path

    # As a user's shell is, whatever the machine that runs the tests is told about threads.
    kept = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_the_slide_shows_the_pictures_and_says_what_they_are(zoo):
    _, subject, film = scene(zoo, SETTINGS[1])
    names = [f"<i>{k}" for k in range(10)]
    origin = "fashion_mnist_small, test image 4"
    text = slide(film, title="<b>One", class_names=names, truth=subject.label, origin=origin).decode()
    drawing = ElementTree.fromstring(text)
    words = [word.text for word in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert words[0].startswith("<b>One: ")
    assert words[1].startswith(f"<i>{film.clean_answer} ")
    assert words[-2:] == [f"{film.settings.describe()}.", f"Picture: {origin}. True class: <i>{subject.label}."]
    clean, _, adversarial = (
        np.array(Image.open(io.BytesIO(base64.b64decode(image.get("href").split(",")[1]))))[::17, ::17, 0]
        for image in drawing.iter("{http://www.w3.org/2000/svg}image")
    )
    aimed = dataclasses.replace(film, target=7)
    assert "Aimed at Bag." not in text
    assert "Aimed at &lt;i&gt;7." in slide(aimed, title="x" * 80, class_names=names, truth=None, origin=origin).decode()
    assert np.array_equal(clean, subject.pixels[0].numpy())
    assert np.array_equal(adversarial, np.rint(255 * film.x_adv[0]).astype(np.uint8))
