"""The Library's imports: what would be done is told first, and what is refused leaves nothing."""

from __future__ import annotations

import io
import os

import torch

from robust_core import checkpoints, data
from robust_core.library import bundle
from tests.data.conftest import animals, encode, noise, pack  # noqa: F401
from tests.library.test_weights import OPTIONS, saved, state
from tests.pages.test_library import NAME, button, library, press, words  # noqa: F401

TYPED = ", ".join(f"{key}={value}" for key, value in OPTIONS.items())


def weights(library, content: bytes, name: str = "net.pth"):  # noqa: F811
    app = library(shelf="import", arch="residual", trained_on="fashion_mnist_small")
    assert "What the import would do" in words(app)
    app.text_input(key="library_options").set_value(TYPED).run()
    app.file_uploader(key="library_weights_file").upload(name, content, "application/octet-stream").run()
    assert not app.exception, app.exception
    return app


def test_weights_that_fit_are_imported_under_their_title(zoo, library) -> None:  # noqa: F811
    app = weights(library, saved(state()))
    assert "every key, every shape" in words(app)
    app.text_input(key="library_weights_title").set_value("My net").run()
    app.text_input(key="library_weights_licence").set_value("MIT").run()
    press(app, "library_weights_go")
    assert "My net is here, as fashion_mnist_small/my_net" in words(app)
    assert checkpoints.find("fashion_mnist_small/my_net").card.licence == "MIT"
    app.segmented_control(key="w_shelf").set_value("nets").run()
    assert app.selectbox(key="w_model").value == "fashion_mnist_small/my_net"
    assert "imported from net.pth" in words(app)


def test_what_does_not_fit_is_listed_and_cannot_be_imported(zoo, library) -> None:  # noqa: F811
    held = state()
    del held["conv1.weight"]
    app = weights(library, saved(held | {"extra": torch.zeros(1)}))
    assert "2 of its keys differ" in words(app)
    assert "Missing: 1" in words(app)
    assert "<li>conv1.weight</li>" in words(app)
    assert "Unexpected: 1" in words(app)
    assert button(app, "library_weights_go").disabled
    assert len(checkpoints.find_all(zoo)) == 3


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_code_and_another_class_count_are_refused_with_the_reason(zoo, library) -> None:  # noqa: F811
    app = weights(library, saved({"a": Evil()}))
    assert "it would run code (posix.mkdir)" in words(app)
    app = weights(library, saved(state(classes=7)))
    assert "knows 7 classes" in words(app)
    assert "has 10 of 1" in words(app)
    assert button(app, "library_weights_go").disabled


def test_normalisation_is_asked_for_and_checked(zoo, library) -> None:  # noqa: F811
    app = weights(library, saved(state()))
    app.selectbox(key="w_normal").set_value("cifar10").run()
    assert "mean must be 1 numbers, one a channel" in words(app)
    app.selectbox(key="w_normal").set_value("own").run()
    assert "give mean and std" in words(app)
    app.text_input(key="library_mean").set_value("0.3").run()
    app.text_input(key="library_std").set_value("0.4").run()
    assert "mean = [0.3]" in words(app)
    app.text_input(key="library_options").set_value("nonsense").run()
    assert "takes key=value" in words(app)


def test_a_zipped_run_comes_back(zoo, library) -> None:  # noqa: F811
    packed = bundle.pack(checkpoints.find(NAME))
    app = library(shelf="import", **{"import": "run"})
    app.file_uploader(key="library_run_file").upload("pgd_at.zip", packed, "application/zip").run()
    app.text_input(key="library_run_name").set_value("Again").run()
    press(app, "library_run_go")
    assert "PGD-AT is here, as fashion_mnist_small/again" in words(app)
    press(app, "library_run_go")
    assert "there is a checkpoint fashion_mnist_small/again already" in words(app)
    app.file_uploader(key="library_run_file").set_value([("x.zip", b"no zip", "application/zip")]).run()
    press(app, "library_run_go")
    assert "x.zip is not a zip" in words(app)
    assert len(checkpoints.find_all(zoo)) == 4


def test_images_become_a_data_set_that_every_page_knows(zoo, library, pack, animals) -> None:  # noqa: F811
    app = library(shelf="import", **{"import": "images"})
    content = pack({**animals, "cat/notes.txt": b"x"}).read_bytes()
    app.file_uploader(key="library_images_file").upload("pets.zip", content, "application/zip").run()
    app.text_input(key="library_images_title").set_value("My pets").run()
    press(app, "library_images_go")
    assert "16 training and 4 test images of 2 classes; left out: 1 file," in words(app)
    assert data.available()["my_pets"]
    assert "notes.txt" in app.code[0].value
    press(app, "library_images_go")
    assert "there is a data set 'my_pets' already" in words(app)
    broken = io.BytesIO(content[:-30]).getvalue()
    app.file_uploader(key="library_images_file").set_value([("b.zip", broken, "application/zip")]).run()
    press(app, "library_images_go")
    assert not app.exception
    assert len([n for n in data.DATASETS.names() if data.DATASETS[n].own]) == 1
