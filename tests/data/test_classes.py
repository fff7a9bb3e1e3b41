import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_core.data.classes import Layout, find_layout
from robust_core.types import UserError


def by_class(layout: Layout, part: slice) -> list[tuple[str, str]]:
    return sorted(
        (path, layout.class_names[label]) for path, label in zip(layout.paths[part], layout.labels[part], strict=True)
    )


@pytest.mark.parametrize("top", ["", "animals/", "a/b/", "train/"])
def test_classes_are_the_folders_also_when_wrapped(top: str) -> None:
    paths = [f"{top}{kind}/{i}.png" for kind in ("zebra", "ant") for i in range(10)]
    layout = find_layout(paths, name="x")
    assert layout.class_names == ("ant", "zebra")
    assert by_class(layout, slice(None)) == sorted((path, path.split("/")[-2]) for path in paths)
    assert layout.n_train == 16
    assert layout.skipped == ()


@pytest.mark.parametrize("top", ["", "animals/"])
@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "VAL"), ("train", "validation")])
def test_halves_are_kept(top: str, train: str, test: str) -> None:
    paths = [f"{top}{half}/{kind}/{i}.png" for half in (train, test) for kind in "ab" for i in range(3)]
    layout = find_layout(paths, name="x")
    assert layout.class_names == ("a", "b")
    assert layout.n_train == 6
    assert {path.split("/")[-3] for path in layout.paths[:6]} == {train}
    assert {path.split("/")[-3] for path in layout.paths[6:]} == {test}


def test_beside_train_and_test_other_folders_are_listed() -> None:
    paths = [f"{half}/{kind}/{i}.png" for half in ("train", "test", "val") for kind in "ab" for i in range(2)]
    layout = find_layout([*paths, "train/loose.png", "cover.png"], name="x")
    assert len(layout.paths) == 8
    assert {reason.split(":")[0] for reason in layout.skipped} == {
        *(path for path in paths if path.startswith("val")),
        "train/loose.png",
        "cover.png",
    }


def test_two_classes_may_be_called_train_and_test() -> None:
    layout = find_layout([f"{kind}/{i}.png" for kind in ("train", "test") for i in range(5)], name="x")
    assert layout.class_names == ("test", "train")
    assert layout.n_train == 8


def test_deeper_folders_belong_to_their_class() -> None:
    layout = find_layout(["cat/home/1.png", "cat/wild/big/2.png", "dog/3.png", "dog/4.png"], name="x")
    assert layout.class_names == ("cat", "dog")


@given(sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5))
def test_a_fifth_of_each_class_is_for_testing(sizes: list[int]) -> None:
    paths = [f"{k}/{i:03d}.png" for k, n in enumerate(sizes) for i in range(n)]
    layout = find_layout(paths, name="x")
    tests = layout.labels[layout.n_train :]
    for k, n in enumerate(sizes):
        assert tests.count(k) == (0 if n == 1 else max(1, round(0.2 * n)))
    assert sorted(layout.paths) == sorted(paths)


def test_the_order_of_listing_does_not_matter_and_prefixes_are_mixed() -> None:
    paths = [f"{kind}/{i}.png" for kind in "abcd" for i in range(50)]
    layout = find_layout(paths, name="x")
    assert find_layout(paths[::-1], name="x") == layout
    assert set(layout.labels[:20]) == set(layout.labels[layout.n_train :][:20]) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ([], "x: no images found"),
        (["1.png", "2.png"], "x: no images found"),
        (["cat/1.png", "cat/2.png"], r"x: only one class found \(cat\)"),
        (["train/cat/1.png", "test/cat/2.png"], r"x: only one class found \(cat\)"),
    ],
)
def test_nothing_or_one_class_only_is_refused(paths: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        find_layout(paths, name="x")
