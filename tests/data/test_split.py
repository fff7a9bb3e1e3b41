import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robust_core.data.split import holdout
from robust_core.types import ImageSet, UserError


def images(labels: list[int], classes: int = 4) -> ImageSet:
    """Each image holds its own number in two pixels, so that it can be followed."""
    numbers = torch.arange(len(labels))
    pixels = torch.stack([numbers // 256, numbers % 256], 1).to(torch.uint8).view(-1, 1, 1, 2)
    names = tuple("abcd"[:classes])
    return ImageSet(images=pixels, labels=torch.tensor(labels, dtype=torch.int64), class_names=names, name="made")


def numbers(part: ImageSet) -> list[int]:
    return [256 * high + low for high, low in part.images.view(-1, 2).tolist()]


@given(labels=st.lists(st.integers(0, 3), min_size=2, max_size=60), share=st.floats(0, 0.99), seed=st.integers(0, 99))
def test_the_parts_make_the_whole_class_by_class(labels: list[int], share: float, seed: int) -> None:
    whole = images(labels)
    n = int(share * len(labels))
    rest, held = holdout(whole, n, seed)
    assert len(held) == n
    assert sorted(numbers(rest) + numbers(held)) == list(range(len(labels)))
    for part in (rest, held):
        assert numbers(part) == sorted(numbers(part))
        assert part.labels.tolist() == [labels[i] for i in numbers(part)]
    for k in range(4):
        assert abs(held.labels.tolist().count(k) - labels.count(k) * n / len(labels)) < 1


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    whole = images([0, 1] * 100)
    first, again, other = (numbers(holdout(whole, 20, seed)[1]) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_every_image_can_be_held_out() -> None:
    whole = images([0] * 5 + [1] * 5)
    drawn = {number for seed in range(60) for number in numbers(holdout(whole, 2, seed)[1])}
    assert drawn == set(range(10))


@pytest.mark.parametrize("n", [-1, 10, 11])
def test_what_cannot_be_held_out_is_refused(n: int) -> None:
    with pytest.raises(UserError, match=rf"\[0, 9\].*got {n}"):
        holdout(images([0, 1] * 5), n, 0)
