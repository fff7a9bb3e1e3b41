"""Perturb: every control moved once, nonsense in, broken checkpoints, own pictures; what is drawn follows."""

from __future__ import annotations

import io
import json
import shutil

import pytest
from PIL import Image

from robust_core.attacks import ATTACKS
from robust_core.checkpoints import CARD, WEIGHTS

PERTURB = "pages/1_Perturb.py"


def player(app):
    """What the film player was given, or None where it is not on the page."""
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json) if element.proto.json else {}
        if "lanes" in data:
            return data
    return None


def captions(app):
    return " ".join(c.value for c in app.caption)


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


@pytest.mark.parametrize("name", ATTACKS.names())
def test_every_attack_with_every_knob_moved(open_page, name):
    app = open_page(PERTURB, attack=name, **{f"steps_{name}": "4", "versus": "none"})
    first = player(app)["lanes"][0]
    assert first["fooled"] is not None
    for widget in [*app.slider, *app.number_input]:
        if widget.key not in ("w_index", "w_queries") and not widget.disabled:
            step = getattr(widget, "step", None) or 1
            up = widget.value + step
            widget.set_value(up if up <= widget.max else widget.value - step)
    app.run()
    assert not app.exception
    assert not app.error
    for toggle in app.toggle:
        toggle.set_value(not toggle.value)
    for control in app.get("button_group"):
        if control.key == "w_norm":
            control.set_value(control.options[-1] if hasattr(control, "options") else "l2")
    app.run()
    assert not app.exception
    assert not app.error
    assert player(app) is not None


def test_every_choice_of_every_select_box(open_page):
    app = open_page(PERTURB)
    for key in [box.key for box in app.selectbox if box.key != "w_attack"]:
        for value in list(app.selectbox(key=key).options)[:3]:
            app.selectbox(key=key).select(value).run()
            assert not app.exception
            assert not app.error
    assert player(app) is not None


def test_a_target_is_aimed_at(open_page):
    lane = player(open_page(PERTURB, target="3"))["lanes"][0]
    assert lane["target"] == 3
    assert lane["probs"][-1][3] > lane["cleanProbs"][3]


def test_two_networks_side_by_side_and_the_route_of_the_second(open_page):
    lanes = player(open_page(PERTURB, versus="fashion_mnist/aw_net"))["lanes"]
    assert [lane["title"] for lane in lanes] == ["PGD-AT", "AW-Net"]
    assert lanes[0]["pType"] is None
    assert len(lanes[1]["pType"]) == 21
    assert [conv["filters"] for conv in lanes[1]["signals"]["convs"]] == [4, 4, 8, 8, 16, 16]


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
    assert name in app.error[0].value
    assert "\n" not in app.error[0].value
    assert player(app) is None


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


SHOWN = {
    "smallest": lambda app: len(app.get("plotly_chart")) == 2,
    "transfer": lambda app: len(app.get("plotly_chart")) == 2,
    "attributions": lambda app: sum(h.proto.body.count("<figure>") for h in app.get("html")) == 20,
    "surface": lambda app: len(app.get("plotly_chart")) == 2,
    "export": lambda app: len(app.code) == 2,
}


@pytest.mark.parametrize("closer", SHOWN)
def test_every_question_is_answered_by_link_and_by_click(open_page, closer):
    app = open_page(PERTURB, versus="fashion_mnist/aw_net", closer=closer)
    assert not app.exception
    assert not app.error
    assert SHOWN[closer](app)
    other = "export" if closer != "export" else "transfer"
    app.button_group(key="w_closer").set_value(other).run()
    assert not app.exception
    assert SHOWN[other](app)
    assert app.query_params["closer"] == other
