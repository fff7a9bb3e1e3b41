"""Train's recipe: fields and text say the same, mistakes are named with their cure, teachers fit or it is said why."""

from __future__ import annotations

import dataclasses
import shutil
import tomllib
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from pages.ui import train_estimate
from pages.ui.train_presets import presets, start
from robust_core import checkpoints, data
from robust_core.__main__ import app as command_line
from robust_core.data.own import keep
from robust_core.training import control
from robust_core.training.estimate import Estimate
from robust_core.training.memory import Memory
from robust_core.training.recipe import parse_recipe
from robust_core.types import Splits, UserError
from tests.pages.test_train import buttons, told
from tests.pages.trained import TEXT, TRAIN
from tests.training.pretended import Pretended, pretended
from tests.training.test_loop import made

__all__ = ["made", "pretended"]  # fixtures
SHIPPED = Path(checkpoints.__file__).parents[1] / "checkpoints"


def editor(app: AppTest) -> str:
    return app.text_area(key="train_editor").value


def field(app: AppTest, path: str):
    return next(w for kind in (app.selectbox, app.number_input, app.text_input, app.toggle) for w in kind
                if w.key == f"train_f_{path}")  # fmt: skip


def test_presets_promise_what_they_teach_and_need_nothing_that_is_not_here():
    every = presets()
    assert [p.recipe.title for p in every] == ["Robust in 3 minutes", "Two teachers", "A router", "Fair temperatures"]
    assert [p.recipe.objective.name for p in every] == ["adversarial", "b_mtard", "adversarial", "absld"]
    for preset in every:
        assert preset.teaches
        assert preset.watch
        assert preset.takes.split()[1] == "minutes"
        assert preset.recipe.data.name == "fashion_mnist_small"
        for teacher in filter(None, (preset.recipe.teachers.clean, preset.recipe.teachers.robust)):
            assert checkpoints.find(teacher, SHIPPED).card


def test_a_field_writes_into_the_text_and_the_text_into_the_fields(zoo, open_page):
    app = open_page(TRAIN, train="new")
    assert editor(app).startswith("# Teaches")
    field(app, "schedule.epochs").set_value(3).run()
    assert tomllib.loads(editor(app))["schedule"]["epochs"] == 3
    app.text_area(key="train_editor").set_value(TEXT.format(title="Pasted", objective="trades")).run()
    assert field(app, "title").value == "Pasted"
    assert field(app, "objective.name").value == "trades"
    assert field(app, "objective.options.beta").value == 6.0
    field(app, "objective.options.beta").set_value(3.0).run()
    assert parse_recipe(editor(app)).objective.options == {"beta": 3.0}
    field(app, "attack.eps").set_value(0.05).run()
    recipe = parse_recipe(editor(app))
    assert (recipe.attack.eps, recipe.validation.attack.eps) == (0.05, 0.05)
    field(app, "model.architecture").set_value("aw_net").run()
    assert parse_recipe(editor(app)).model.options["width"] == 4
    field(app, "model.architecture").set_value("wrn_34_10").run()
    assert "width" not in parse_recipe(editor(app)).model.options
    assert not app.exception


@pytest.mark.parametrize(
    ("was", "now", "path", "value", "said"),
    [
        ("width = 4", "width = 2000", "model.options.width", 2000, "2,000, as the recipe has it; usual are 4 to 1,024"),
        ("width = 4", "width = 2", "model.options.width", 2, "2, as the recipe has it"),
        ("steps = 2", "steps = 300", "attack.steps", 300, "300, as the recipe has it; usual are 1 to 100"),
        ("epochs = 4", "epochs = 4\nlr = 1e-6", "schedule.lr", 1e-6, "1e-06, as the recipe has it"),
    ],
)
def test_a_field_shows_what_the_recipe_has_beyond_its_usual_range(zoo, open_page, was, now, path, value, said):
    app = open_page(TRAIN, train="new")
    text = TEXT.format(title="Odd", objective="adversarial").replace(was, now)
    app.text_area(key="train_editor").set_value(text).run()
    assert not app.exception
    assert field(app, path).value == value
    assert said in " ".join(caption.value for caption in app.caption)
    field(app, "seed").set_value(9).run()
    assert field(app, path).value == value
    tree = tomllib.loads(editor(app))
    for part in path.split("."):
        tree = tree[part]
    assert tree == value


def test_a_network_too_large_for_the_machine_is_refused_at_the_start(zoo, open_page, pretended: Pretended, monkeypatch):
    monkeypatch.setattr("robust_core.training.memory.available", lambda _: 8e9)
    app = open_page(TRAIN, train="new")
    text = TEXT.format(title="Wide", objective="adversarial").replace("width = 4", "width = 2000")
    app.text_area(key="train_editor").set_value(text).run()
    app.button(key="train_start").click().run()
    assert "this recipe takes about" in told(app)
    assert "8,000 MB free" in told(app)
    assert pretended.launched == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('title = "x"\n[model]\noptions = { width = 100000 }', "option width = 100000 is beyond what is taken here"),
        ('title = "x"\n[schedule]\nepoch = 3', "unknown recipe key 'schedule.epoch'; did you mean 'schedule.epochs'?"),
        ('title = "x"\n[objective]\nname = "trade"', "did you mean 'trades'?"),
        ('title = "x"\n[schedule]\nlr = -1', "schedule.lr"),
        ("title = ", "the recipe is not valid TOML"),
        ("", "title"),
    ],
)
def test_a_mistake_is_named_in_a_sentence_and_undone(zoo, open_page, text, said):
    app = open_page(TRAIN, train="new")
    good = editor(app)
    app.text_area(key="train_editor").set_value(text).run()
    assert not app.exception
    assert said in told(app)
    assert "Start training" not in buttons(app)
    assert editor(app) == text
    app.button(key="train_undo").click().run()
    assert editor(app) == good
    assert "Start training" in buttons(app)


def test_teachers_that_fit_are_chosen_and_the_page_says_why_none_does(zoo, open_page):
    app = open_page(TRAIN, train="new")
    field(app, "objective.name").set_value("b_mtard").run()
    chosen = parse_recipe(editor(app)).teachers
    assert (chosen.clean, chosen.robust) == ("fashion_mnist/standard", "fashion_mnist/pgd_at")
    assert len(field(app, "teachers.clean").options) == 3
    assert len(field(app, "teachers.robust").options) == 2  # "Standard" falls to attacks
    field(app, "teachers.robust").set_value("fashion_mnist/aw_net").run()
    assert parse_recipe(editor(app)).teachers.robust == "fashion_mnist/aw_net"
    field(app, "data.name").set_value("cifar10").run()
    warned = [w.value for w in app.warning]
    assert len(warned) == 2
    assert "none of the 3 networks here knows 32×32 images of 3 channels in these 10 classes" in warned[0]
    assert "to download when it starts" in str(field(app, "data.name").options)
    assert not app.exception


@pytest.fixture
def own(made: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images on this machine; the same images were imported on Library as "stripes"."""
    monkeypatch.setenv("ROBUSTLENS_CACHE", str(tmp_path / "cache"))
    keep(made, name="stripes", title="Stripes", source="", licence="")
    for i, (image, label) in enumerate(zip(made.train.images, made.train.labels, strict=True)):
        folder = tmp_path / "secret" / ("above", "below")[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / f"{i:03}.png")
    return tmp_path / "secret"


def of_images(name: str, objective: str = "adversarial") -> str:
    text = TEXT.format(title="Stripes", objective=objective).replace("fashion_mnist_small", name)
    return text.replace("holdout = 100", "holdout = 10") + "batch_size = 20\n"


@pytest.mark.parametrize("objective", ["adversarial", "rslad"])
def test_a_recipe_on_the_page_names_sets_that_are_known_and_no_folder_of_the_server(
    own, zoo, open_page, pretended: Pretended, monkeypatch, objective
):
    read: list[object] = []
    whole = data.load
    monkeypatch.setattr(data, "load", lambda name, **also: read.append(str(name)) or whole(name, **also))
    app = open_page(TRAIN, train="new")
    for name in (str(own), "/etc/passwd", "my.zip"):
        app.text_area(key="train_editor").set_value(of_images(name, objective)).run()
        (said,) = (error.value for error in app.error)
        assert said.replace("\\", "") == (
            f"data.name: {name!r} is no image set of this app; known: cifar10, fashion_mnist, fashion_mnist_small, "
            "stripes; bring your own in on the Library page, then name it here"
        )
        assert not {"Start training", "Estimate first"} & buttons(app)
    assert not {str(own), "/etc/passwd", "my.zip"} & set(read)  # nobody looked whether it is there
    with pytest.raises(UserError, match="is no image set of this app"):
        start(parse_recipe(of_images(str(own))), "auto")
    assert pretended.launched == []


def test_an_imported_set_is_named_on_the_page_and_a_folder_on_the_command_line(
    own, zoo, open_page, tmp_path, pretended: Pretended
):
    app = open_page(TRAIN, train="new")
    assert "Stripes" in field(app, "data.name").options
    app.text_area(key="train_editor").set_value(of_images("stripes")).run()
    assert not app.error
    assert field(app, "data.name").value == "stripes"
    app.button(key="train_start").click().run()
    assert pretended.launched == ["stripes"]
    (tmp_path / "mine.toml").write_text(of_images(str(own)))
    said = CliRunner().invoke(command_line, ["start", str(tmp_path / "mine.toml")])
    assert said.exit_code == 0, said.output
    assert control.look(tmp_path / "runs" / "mine").recipe.data.name == str(own)


def test_a_teacher_is_a_network_of_the_app_and_no_folder_of_the_server(zoo, open_page, tmp_path, pretended: Pretended):
    shutil.move(zoo / "fashion_mnist", tmp_path / "elsewhere")  # there, it would fit
    text = TEXT.format(title="Led", objective="rslad").replace(
        "fashion_mnist/pgd_at", str(tmp_path / "elsewhere/pgd_at")
    )
    app = open_page(TRAIN, train="new")
    app.text_area(key="train_editor").set_value(text).run()
    for key in ("train_start", "train_estimate"):
        app.button(key=key).click().run()
        assert "is no network of this app; choose one of those offered" in told(app)
    assert pretended.launched == []


def test_start_from_the_editor_and_its_refusal(zoo, open_page, tmp_path, pretended: Pretended):
    app = open_page(TRAIN, train="new")
    app.text_area(key="train_editor").set_value(TEXT.format(title="My own", objective="rslad")).run()
    app.button(key="train_start").click().run()
    assert pretended.launched == ["my_own"]
    assert app.query_params["watch"] == "my_own"
    assert "train" not in app.query_params
    assert "My own" in told(app)
    app = open_page(TRAIN, train="new")
    app.text_area(key="train_editor").set_value(
        TEXT.format(title="No", objective="rslad").replace("100", "10000")
    ).run()
    app.button(key="train_start").click().run()
    assert "It was not started" in told(app)
    assert pretended.launched == ["my_own"]


def test_what_auto_means_is_said(zoo, open_page):
    app = open_page(TRAIN, train="new")
    assert "here" in app.selectbox(key="train_device").options[0]
    assert "computes in" in " ".join(c.value for c in app.caption)


def test_an_estimate_is_awaited_shown_and_remembered(zoo, open_page, monkeypatch):
    found = Estimate(
        memory=Memory(parameters=1, data=1e6, weights=1e6, activations=1e6), steps=100, step_seconds=0.5,
        validation_seconds=1.0, measure_seconds=2.0, seconds=60.0, error=0.5,
    )  # fmt: skip
    answers = [None, found, UserError("cpu has 4 MB free"), dataclasses.replace(found, steps=7)]
    made = []

    class Pretend:
        running, overdue = True, False

        def stop(self):
            made.append("stopped")

        def __init__(self, recipe, device):
            made.append((recipe.title, device))

        def result(self):
            answer = answers.pop(0)
            self.running = answer is None
            if isinstance(answer, UserError):
                raise answer
            return answer

    monkeypatch.setattr(train_estimate, "Ahead", Pretend)
    train_estimate._under_way.clear()
    app = open_page(TRAIN, train="new")
    app.text_area(key="train_editor").set_value(TEXT.format(title="Timed", objective="standard")).run()
    app.button(key="train_estimate").click().run()
    assert "Timing a few steps" in told(app)
    app.run()
    assert "**30 s to 90 s**: 100 steps of 0.5 s" in told(app)
    assert made == [("Timed", "auto")]

    app.button(key="train_estimate").click().run()  # anew: the machine may be another one by now
    assert "cpu has 4 MB free" in told(app)
    other = open_page(TRAIN, train="new")
    other.text_area(key="train_editor").set_value(TEXT.format(title="Timed", objective="standard")).run()
    assert "100 steps of 0.5 s" in told(other)
    assert "4 MB free" not in told(other)
    app.button(key="train_estimate").click().run()
    assert "7 steps of 0.5 s" in told(app)
    assert made == [("Timed", "auto")] * 3
    train_estimate._under_way.clear()
