import pytest
import torch

from robust_core.data.augment import Augmentation, flip, mirror, pad_crop, shift_crop
from robust_core.types import UserError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_hand(image: torch.Tensor, dy: int, dx: int, pad: int) -> torch.Tensor:
    """Pixel (i, j) of the result is pixel (i + dy - pad, j + dx - pad) of the image, or 0 outside."""
    h, w = image.shape[1:]
    out = torch.zeros_like(image)
    for i in range(h):
        for j in range(w):
            y, x = i + dy - pad, j + dx - pad
            if 0 <= y < h and 0 <= x < w:
                out[:, i, j] = image[:, y, x]
    return out


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_forced_offsets_give_exact_pictures(channels: int, dtype: torch.dtype) -> None:
    pad = 2
    offsets = [(dy, dx) for dy in range(2 * pad + 1) for dx in range(2 * pad + 1)]
    x = torch.randint(1, 256, (len(offsets), channels, 5, 7), generator=generator()).to(dtype)
    dy, dx = torch.tensor(offsets).T
    got = shift_crop(x, dy, dx, pad)
    assert got.dtype == dtype
    for i, (down, right) in enumerate(offsets):
        assert torch.equal(got[i], by_hand(x[i], down, right, pad)), (down, right)


def test_all_offsets_occur_about_equally_often_and_no_others() -> None:
    """A single lit pixel in the middle tells the offset from where it lands."""
    pad, n = 1, 9000
    x = torch.zeros(n, 1, 5, 5)
    x[:, :, 2, 2] = 1
    moved = pad_crop(x, generator(), pad)
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(n))
    places = moved.flatten(1).argmax(1).bincount(minlength=25).view(5, 5)
    assert places[1:4, 1:4].sum() == n
    assert places[1:4, 1:4].min() > 850
    assert places[1:4, 1:4].max() < 1150


def test_pixels_are_moved_never_changed() -> None:
    x = torch.rand(64, 3, 8, 8, generator=generator())
    for y in (pad_crop(x, generator(1), 3), flip(x, generator(1)), Augmentation(pad=3)(x, generator(1))):
        assert y.shape == x.shape
        for before, after in zip(x, y, strict=True):
            assert set(after.flatten().tolist()) <= {0.0, *before.flatten().tolist()}


def test_mirror_turns_the_chosen_ones_only() -> None:
    x = torch.arange(12.0).view(2, 1, 2, 3)
    got = mirror(x, torch.tensor([False, True]))
    assert torch.equal(got[0], x[0])
    assert got[1, 0].tolist() == [[8, 7, 6], [11, 10, 9]]


def test_flip_turns_half_of_the_images() -> None:
    x = torch.tensor([0.0, 1.0]).expand(4000, 1, 1, 2)
    turned = int(flip(x, generator())[:, 0, 0, 0].sum())
    assert 1850 < turned < 2150


def test_the_generator_alone_decides() -> None:
    x = torch.rand(32, 1, 6, 6, generator=generator())
    change = Augmentation(pad=2)
    torch.manual_seed(1)
    first = change(x, generator(3))
    torch.manual_seed(2)
    assert torch.equal(first, change(x, generator(3)))
    assert not torch.equal(first, change(x, generator(4)))


def test_switched_off_it_changes_nothing_and_the_input_is_never_touched() -> None:
    x = torch.rand(8, 1, 6, 6, generator=generator())
    before = x.clone()
    assert torch.equal(Augmentation(pad=0, flip=False)(x, generator()), x)
    assert not torch.equal(Augmentation(pad=2, flip=False)(x, generator()), x)
    assert not torch.equal(Augmentation(pad=0, flip=True)(x, generator()), x)
    assert torch.equal(x, before)


def test_a_negative_pad_is_refused() -> None:
    with pytest.raises(UserError, match="got -1"):
        Augmentation(pad=-1)
