"""A run as a zip, out and in again; and every way in which a zip may be none."""

import hashlib
import io
import json
import stat
import zipfile
from pathlib import Path

import pytest

from robust_core import checkpoints, data
from robust_core.checkpoints import CARD, HISTORY, RECIPE, WEIGHTS
from robust_core.library import bundle, shelf
from robust_core.training.recipe import DataPart, Recipe, parse_recipe
from robust_core.types import UserError
from tests.library.conftest import tree

NAME = "fashion_mnist/pgd_at"
TINY = {"width": 4, "blocks": [1, 1, 1], "stem_stride": 2}


@pytest.fixture
def packed(zoo: Path) -> bytes:
    (zoo / NAME / RECIPE).write_text(Recipe(title="R", data=DataPart(name="fashion_mnist_small")).to_toml())
    (zoo / NAME / HISTORY).write_text('{"event": "start"}\n')
    return bundle.pack(checkpoints.find(NAME))


def files_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as held:
        return {name: held.read(name) for name in held.namelist()}


def zipped(files: dict, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def test_a_run_goes_out_and_comes_back_and_says_from_where(zoo: Path, packed: bytes) -> None:
    assert set(files_of(packed)) == {f"pgd_at/{name}" for name in (CARD, WEIGHTS, RECIPE, HISTORY)}
    made = bundle.unpack(packed, file="pgd_at.zip", name="Again")
    assert made.name == "fashion_mnist_small/again"
    for name in (WEIGHTS, RECIPE, HISTORY):
        assert (made.folder / name).read_bytes() == (zoo / NAME / name).read_bytes()
    assert all(m.claimed for m in made.card.measures)
    own = [m.model_copy(update={"claimed": False}) for m in made.card.measures]
    assert tuple(own) == checkpoints.find(NAME).card.measures
    assert hashlib.sha256(packed).hexdigest() in made.card.notes
    assert shelf.source_of(made) == "imported from pgd_at.zip"
    checkpoints.load(checkpoints.find("fashion_mnist_small/again"))
    with pytest.raises(UserError, match="there is a checkpoint fashion_mnist_small/again already"):
        bundle.unpack(packed, file="pgd_at.zip", name="again")


@pytest.mark.parametrize("title", ["ε < 0.1", "<b>3 > 2</b> & more"])
def test_a_title_that_training_takes_comes_back_from_its_own_zip(zoo: Path, packed: bytes, title: str) -> None:
    made = bundle.unpack(zipped(with_card(files_of(packed), title=title)), file="a.zip")
    assert made.card is not None
    assert made.card.title == parse_recipe(f"title = {title!r}").title == title


def test_parameters_are_counted_whatever_the_card_says(zoo: Path, packed: bytes) -> None:
    made = bundle.unpack(zipped(with_card(files_of(packed), parameters=1)), file="run.zip", name="again")
    assert made.card.parameters == checkpoints.find(NAME).card.parameters > 1
    assert made.card.imported


def test_a_history_with_a_torn_last_line_is_taken(zoo: Path, packed: bytes) -> None:
    files = files_of(packed) | {f"pgd_at/{HISTORY}": b'{"event": "start"}\n{"event": "st'}
    assert bundle.unpack(zipped(files), file="run.zip", name="again").card is not None


def test_files_without_a_folder_and_what_systems_leave_behind_are_taken(zoo: Path, packed: bytes) -> None:
    files = {name.split("/")[1]: content for name, content in files_of(packed).items()}
    more = {"__MACOSX/._card.json": b"x", ".DS_Store": b"x", "timing.json": b"x"}
    made = bundle.unpack(zipped({**files, **more}), file="run.zip")
    assert made.folder.name == "run"
    assert tree(made.folder) == {CARD, WEIGHTS, RECIPE, HISTORY}


def with_card(files: dict, **changes: object) -> dict:
    card = json.loads(files[f"pgd_at/{CARD}"])
    return {**files, f"pgd_at/{CARD}": json.dumps(card | changes).encode()}


def many(n: int = 1_000_000, data_name: str = "fashion_mnist_small") -> dict:
    """A measure that gets so many images of the bundled test set right, all of them."""
    known = data.DATASETS["fashion_mnist_small"]
    counts = {"n": n, "correct": n, "class_n": [n // 10] * 10, "class_correct": [n // 10] * 10}
    return counts | {"data_name": data_name, "data_fingerprint": known.fingerprints[1], "seconds": 1}


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("pgd_at/recipe.toml")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def without(files: dict, name: str) -> dict:
    return {key: content for key, content in files.items() if not key.endswith(name)}


REFUSED = {
    "another file": (lambda f: {**f, "pgd_at/run.py": b"x"}, r"run\.py', which no finished run has"),
    "a state": (lambda f: {**f, "pgd_at/state/x": b"x"}, "which no finished run has"),
    "a way out": (lambda f: {**f, "../card.json": b"x"}, "leaves its folder"),
    "an absolute name": (lambda f: {**f, "/card.json": b"x"}, "leaves its folder"),
    "a drive": (lambda f: {**f, "C:card.json": b"x"}, "leaves its folder"),
    "a backslash": (lambda f: {**f, "..\\card.json": b"x"}, "leaves its folder"),
    "two runs": (lambda f: {**f, "two/card.json": b"x"}, "more than one run"),
    "a link": (lambda f: {**without(f, RECIPE), link(): b"/etc/passwd"}, "is a link"),
    "no weights": (lambda f: without(f, WEIGHTS), "lacks weights.safetensors"),
    "no card": (lambda f: without(f, CARD), "lacks card.json"),
    "a bomb": (lambda f: {**f, f"pgd_at/{HISTORY}": bytes(50 * 2**20)}, "as no run does"),
    "a torn card": (lambda f: {**f, f"pgd_at/{CARD}": b"{"}, "not a valid card"),
    "a broken recipe": (lambda f: {**f, f"pgd_at/{RECIPE}": b"= ="}, "recipe"),
    "other weights": (lambda f: with_card(f, weights_sha256="0" * 64), "not the file its card describes"),
    "another architecture": (lambda f: with_card(f, architecture="aw_net"), "do not fit the card's architecture"),
    "an unknown one": (lambda f: with_card(f, architecture="nothing"), "unknown architecture"),
    "a monstrous one": (lambda f: with_card(f, options={"width": 10**9}), "beyond what is taken"),
    "endless blocks": (lambda f: with_card(f, options={"blocks": [10**6] * 3}), "beyond what is taken"),
    "an entry called .": (lambda f: {**f, ".": b"x"}, "which no finished run has"),
    "an entry without a name": (lambda f: {**f, "NAMELESS": b"x"}, "which no finished run has|not a zip"),
    "the options of another card": (lambda f: with_card(f, options={"num_classes": 3}), "must not name num_classes"),
    "a name among them": (lambda f: with_card(f, options={"name": "moe"}), "must not name name"),
    "an option of another kind": (
        lambda f: with_card(f, options=TINY | {"stem_stride": "x"}),
        "stem_stride of residual: input should be a valid integer",
    ),
    "more images than there are": (lambda f: with_card(f, measures=[many()]), "claims 1,000,000 test images of fash"),
    "as many of another name": (lambda f: with_card(f, measures=[many(data_name="mine")]), "claims 1,000,000 test im"),
    "a device of markup": (lambda f: with_card(f, device="<img src=x>"), "holds <, >"),
    "notes that hide": (lambda f: with_card(f, notes="a\u202eb"), "characters that cannot be seen"),
    "a version of markup": (lambda f: with_card(f, versions={"<b>": "1"}), "holds <, >"),
    "a set of markup": (lambda f: with_card(f, measures=[many(n=10, data_name="<b>")]), "holds <, >"),
    "a history that is none": (lambda f: {**f, f"pgd_at/{HISTORY}": b"nothing\n{}\n"}, "line 1 of history.jsonl is no"),
    "a history made to break": (lambda f: {**f, f"pgd_at/{HISTORY}": b"[" * 200_000}, "line 1 of history.jsonl is no"),
    "a history of numbers": (lambda f: {**f, f"pgd_at/{HISTORY}": b"{}\n3\n"}, "line 2 of history.jsonl is no"),
    "a recipe made to break": (lambda f: {**f, f"pgd_at/{RECIPE}": b"a = " + b"[" * 100_000}, "recipe"),
    "a title that hides": (lambda f: with_card(f, title="a\u200bb"), "holds characters that cannot be seen"),
    "an endless title": (lambda f: with_card(f, title="x" * 500), "500 characters"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_run_is_refused_in_a_sentence_and_leaves_nothing(zoo: Path, packed: bytes, kind: str) -> None:
    change, told = REFUSED[kind]
    before = tree(zoo)
    content = zipped(change(files_of(packed))).replace(b"NAMELESS", b"\0AMELESS")  # no writer writes such a name
    with pytest.raises(UserError, match=told) as caught:
        bundle.unpack(content, file="run.zip", name="again")
    assert "\n" not in str(caught.value)
    assert tree(zoo) == before


def test_weights_with_another_header_are_refused(zoo: Path, packed: bytes) -> None:
    files = files_of(packed)
    for content in (b"no tensors", files[f"pgd_at/{WEIGHTS}"][:-4]):
        changed = with_card(files, weights_sha256=hashlib.sha256(content).hexdigest())
        with pytest.raises(UserError, match="not a .safetensors file"):
            bundle.unpack(zipped({**changed, f"pgd_at/{WEIGHTS}": content}), file="run.zip", name="again")


def test_shapes_are_compared_before_a_network_is_built(zoo: Path, packed: bytes, monkeypatch) -> None:
    monkeypatch.setattr(bundle, "_check_runs", None)  # whoever builds one fails
    for changes in ({"architecture": "aw_net"}, {"options": {"width": 8, "blocks": [1, 1, 1]}}):
        with pytest.raises(UserError, match="keys differ, first"):
            bundle.unpack(zipped(with_card(files_of(packed), **changes)), file="run.zip", name="again")


@pytest.mark.parametrize("cut", [0, 10, 0.5, 0.99])
def test_a_torn_zip_is_refused(zoo: Path, packed: bytes, cut: float) -> None:
    content = packed[: int(cut * len(packed)) if cut < 1 else int(cut)]
    with pytest.raises(UserError, match="not a zip"):
        bundle.unpack(content, file="run.zip")


def test_a_checkpoint_that_is_gone_is_a_sentence(zoo: Path) -> None:
    found = checkpoints.find(NAME)
    shelf.delete(found)
    with pytest.raises(UserError, match="not here any more"):
        bundle.pack(found)


def test_nobody_lists_what_has_not_arrived(zoo: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(bundle, "_check_runs", lambda *_: seen.append([c.name for c in checkpoints.find_all(zoo)]))
    bundle.unpack(packed, file="run.zip", name="again")
    assert len(seen[0]) == 3
    assert len(checkpoints.find_all(zoo)) == 4
