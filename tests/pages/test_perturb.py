"""Perturb: what is on the stage, nonsense in, broken checkpoints, own pictures; what is drawn follows."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from pages.ui.film import Film
from robust_core.attacks import AttackSettings
from robust_core.checkpoints import CARD, WEIGHTS
from tests.pages.reading import PERTURB, captions, player


def test_an_attack_is_on_screen_with_no_button_pressed(open_page):
    app = open_page(PERTURB)
    lane = player(app)["lanes"][0]
    assert lane["title"] == "PGD-AT"
    assert len(lane["probs"]) == 21
    assert sum(lane["cleanProbs"]) == pytest.approx(1, abs=1e-3)
    assert lane["reach"][-1].startswith("0.1000")
    assert "PGD-20, L∞, ε = 0.1 (25.5/255)" in captions(app)


def test_eps_changes_the_picture_and_zero_leaves_it(open_page):
    app = open_page(PERTURB)
    before = player(app)["lanes"][0]
    app.slider(key="w_eps").set_value(0.2).run()
    wide = player(app)["lanes"][0]
    assert wide["reach"][-1].startswith("0.2000")
    assert wide["adv"] != before["adv"]
    app.slider(key="w_eps").set_value(0.0).run()
    assert not app.exception
    still = player(app)["lanes"][0]
    assert still["reach"][-1].startswith("0.0000")
    assert still["probs"][-1] == pytest.approx(still["cleanProbs"], abs=2e-4)


def test_a_target_is_aimed_at(open_page):
    lane = player(open_page(PERTURB, target="3"))["lanes"][0]
    assert lane["target"] == 3
    assert lane["probs"][-1][3] > lane["cleanProbs"][3]


@pytest.mark.parametrize(
    ("clean", "target", "said"),
    [
        (2, None, ["holds", "fooled", "fooled"]),
        (2, 1, ["holds, target not reached", "fooled, target not reached", "reaches the target"]),
        (0, 1, ["wrong before any attack"] * 3),
    ],
)
def test_a_frame_says_whether_the_true_class_and_whether_the_target_is_its_answer(clean, target, said):
    """Answers 2 (true), 0, 1, one a frame."""
    eye, none = np.eye(3, dtype=np.float32), np.zeros(3, dtype=np.float32)
    film = Film(
        settings=AttackSettings(name="pgd"), y=2, target=target, x=none, index=(0, 1, 2), images=none,
        logits=eye[[2, 0, 1]], loss=none, margin=none, p_adversarial=None, clean_logits=eye[clean],
        clean_p_adversarial=None,
    )  # fmt: skip
    assert film.verdicts == said


def test_a_link_says_at_which_step_the_film_begins(open_page):
    assert player(open_page(PERTURB))["step"] is None
    assert player(open_page(PERTURB, at_step="8"))["step"] == 8
    assert player(open_page(PERTURB, at_step="-1"))["step"] is None


def test_two_networks_side_by_side_and_the_route_of_the_second(open_page):
    lanes = player(open_page(PERTURB, versus="fashion_mnist/aw_net"))["lanes"]
    assert [lane["title"] for lane in lanes] == ["PGD-AT", "AW-Net"]
    assert lanes[0]["pType"] is None
    assert len(lanes[1]["pType"]) == 21
    assert [conv["filters"] for conv in lanes[1]["signals"]["convs"]] == [4, 4, 8, 8, 16, 16]


def test_square_counts_the_queries_it_made(open_page):
    data = player(open_page(PERTURB, attack="square", queries="50", eps="0.005", target="3"))
    lane = data["lanes"][0]
    assert data["unit"] == "query"
    assert data["ticks"] == lane["index"] == list(range(1, 51))


def test_a_lane_that_ends_sooner_is_drawn_over_the_same_queries(open_page):
    beside = {"attack": "square", "eps": "0.005", "queries": "150", "versus": "fashion_mnist/aw_net"}
    before = player(open_page(PERTURB, **beside))["lanes"][0]["cleanProbs"]
    # The first network sees the target to begin with, the other has a way to go.
    data = player(open_page(PERTURB, target=str(before.index(max(before))), **beside))
    ends = [lane["index"][-1] for lane in data["lanes"]]
    assert ends == [1, 150]
    assert data["lanes"][1]["index"][:3] == [1, 4, 7]
    assert data["ticks"] == sorted({at for lane in data["lanes"] for at in lane["index"]})
    for panel in data["panels"]:
        for line in panel["lines"]:
            assert len(line["at"]) == len(line["values"])
            assert line["at"][-1] in ends


NONSENSE = {
    "model": "../../etc/passwd", "versus": "<script>", "index": "99999999999999999999", "seed": "-1", "eps": "nan",
    "attack": "pdg", "norm": "l7", "target": "77", "source": "telepathy", "steps_pgd": "1e9", "data": "imagenet",
    "label": "x", "show": "-3", "step_size": "inf", "closer": "nothing", "unheard_of": "y" * 150,
}  # fmt: skip


def test_nonsense_in_the_url_falls_back_to_the_defaults(open_page):
    plain, odd = player(open_page(PERTURB)), player(open_page(PERTURB, **NONSENSE))
    assert odd["lanes"][0]["adv"] == plain["lanes"][0]["adv"]
    assert odd["lanes"][0]["title"] == plain["lanes"][0]["title"]


def test_a_deep_link_is_taken(open_page):
    app = open_page(PERTURB, model="fashion_mnist/standard", index="5", eps="0.05", attack="fgsm", seed="3")
    assert player(app)["lanes"][0]["title"] == "Standard"
    assert "FGSM" in captions(app)
    assert "test image 5" in captions(app)
    assert player(app)["lanes"][0]["reach"][-1].startswith("0.0500")


def test_the_selection_follows_the_visitor_home(open_page):
    app = open_page(PERTURB, model="fashion_mnist/standard", index="5")
    app.switch_page("app.py").run()
    assert not app.exception
    assert app.selectbox(key="w_model").value == "fashion_mnist/standard"
    assert "test image 5" in captions(app)


@pytest.mark.parametrize("harm", ["missing", "truncated", "flipped", "card", "misfit"])
def test_a_broken_checkpoint_is_named_and_the_others_go_on(open_page, zoo, harm):
    folder = zoo / "fashion_mnist" / "pgd_at"
    weights = (folder / WEIGHTS).read_bytes()
    if harm == "missing":
        (folder / WEIGHTS).unlink()
    elif harm == "truncated":
        (folder / WEIGHTS).write_bytes(weights[: len(weights) // 2])
    elif harm == "flipped":
        (folder / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    elif harm == "card":
        (folder / CARD).write_text('{"format": 1, "title": 7}')
    else:
        text = (folder / CARD).read_text().replace('"width":4', '"width":8').replace('"width": 4', '"width": 8')
        (folder / CARD).write_text(text)
    app = open_page(PERTURB)
    assert len(app.warning) == 1
    assert "fashion_mnist/pgd_at" in app.warning[0].value
    assert player(app)["lanes"][0]["title"] == "AW-Net"


def test_no_network_at_all_is_said(open_page, zoo):
    shutil.rmtree(zoo / "fashion_mnist")
    app = open_page(PERTURB)
    assert "no network" in app.info[0].value
    assert player(app) is None


def picture(mode="RGB", size=(90, 40), kind="PNG", **save):
    buffer = io.BytesIO()
    Image.new(mode, size, {"RGB": (200, 30, 60), "CMYK": (10, 200, 60, 5), "I;16": 40000, "L": 180}[mode]).save(
        buffer, kind, **save
    )
    return buffer.getvalue()


def exif_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("RGB", (40, 20), "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.png", picture()),
        ("print.jpg", picture("CMYK", kind="JPEG")),
        ("deep.png", picture("I;16")),
        ("turned.jpg", exif_turned()),
        ("dot.png", picture("L", (1, 1))),
    ],
)
def test_an_uploaded_picture_is_attacked(open_page, name, content):
    app = open_page(PERTURB, source="upload")
    assert player(app) is None
    app.file_uploader[0].upload(name, content, "image/png").run()
    assert not app.exception
    assert not app.error
    lane = player(app)["lanes"][0]
    assert lane["truth"] is None
    assert lane["reach"][-1].startswith("0.1000")


@pytest.mark.parametrize(
    ("name", "content"),
    [("not.png", b"hello, I am no picture"), ("cut.png", picture(size=(300, 300))[:400]), ("empty.png", b"")],
)
def test_an_unreadable_upload_is_refused_in_one_sentence(open_page, name, content):
    app = open_page(PERTURB, source="upload")
    app.file_uploader[0].upload(name, content, "image/png").run()
    assert not app.exception
    assert len(app.error) == 1
    assert name in app.error[0].value.replace("\\", "")
    assert "\n" not in app.error[0].value
    assert player(app) is None


def test_a_refusal_goes_with_its_file(open_page):
    app = open_page(PERTURB, source="upload")
    app.file_uploader[0].upload("not.png", b"no picture", "image/png").run()
    assert len(app.error) == 1
    app.file_uploader[0].set_value([("mine.png", picture(), "image/png")]).run()
    assert not app.error
    assert player(app) is not None
    app.file_uploader[0].set_value([("not.png", b"no picture", "image/png")]).run()
    assert len(app.error) == 1
    app.file_uploader[0].set_value([]).run()
    assert not app.error
    assert player(app) is None


def test_what_an_upload_may_be_is_said_before_it_and_after(open_page):
    app = open_page(PERTURB, source="upload")
    limits = f"at most {st.get_option('server.maxUploadSize')} MB and 50 megapixels"
    assert limits in app.file_uploader[0].label
    app.file_uploader[0].upload("not.png", b"no picture", "image/png").run()
    assert limits in app.file_uploader[0].label


def test_own_pictures_stay_out_of_the_shared_cache(open_page, monkeypatch):
    from pages.ui import memory

    class Sealed(memory.Memory):
        def put(self, key: object, value: object) -> None:
            raise AssertionError("a visitor's own picture reached the memory of all visitors")

    app = open_page(PERTURB, source="upload")
    monkeypatch.setattr(memory, "shared", lambda: Sealed(1))
    app.file_uploader[0].upload("mine.png", picture(), "image/png").run()
    assert not app.exception
    assert player(app) is not None


def test_the_canvas_is_there_and_waits_for_a_stroke(open_page):
    app = open_page(PERTURB, source="draw")
    assert player(app) is None
    assert "Draw something" in captions(app)
