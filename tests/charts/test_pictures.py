"""Pixels: every value where it belongs, enlarged by whole factors, zero in the middle of the scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_core.charts import attribution_image, delta_picture, magnification, picture, reach
from robust_core.types import UserError


def lightness(pixel: np.ndarray) -> float:
    return float(pixel.astype(float) @ [0.2126, 0.7152, 0.0722])


def test_a_picture_shows_the_very_bytes() -> None:
    bytes_ = np.arange(12, dtype=np.uint8).reshape(3, 2, 2) * 20
    shown = picture(bytes_.astype(np.float32) / 255, 3)
    assert shown.shape == (6, 6, 3)
    assert shown.dtype == np.uint8
    for i in range(6):
        for j in range(6):
            assert shown[i, j].tolist() == bytes_[:, i // 3, j // 3].tolist()
    grey = picture(bytes_[:1].astype(np.float32) / 255, 1)
    assert (grey == bytes_[0][..., None]).all()


def test_values_that_are_no_colour_stay_on_the_scale() -> None:
    shown = picture(np.array([[[-0.5, 1.5, np.nan, np.inf]]]), 1)
    assert shown[0, :, 0].tolist() == [0, 255, 0, 255]


@given(st.floats(1e-4, 0.5))
def test_the_magnified_bound_just_stays_in_range(eps: float) -> None:
    factor = magnification(eps)
    assert factor * eps <= 0.5 + 1e-6
    assert (factor + 1) * eps > 0.5 - 1e-6


def test_magnification_of_nothing_and_of_much_is_one() -> None:
    assert [magnification(v) for v in (0.0, 0.7, float("nan"), float("inf"))] == [1, 1, 1, 1]
    assert magnification(0.1) == 5
    assert magnification(8 / 255) == 15


def test_delta_is_grey_at_zero_darker_below_lighter_above() -> None:
    shown = delta_picture(np.array([[[-0.1, -0.05, 0.0, 0.05, 0.1]]]), 5, 1)
    assert shown[0, 2].tolist() == [128, 128, 128]
    tones = [lightness(p) for p in shown[0]]
    assert tones == sorted(tones)
    assert len(set(tones)) == 5
    assert shown[0, 0, 2] > shown[0, 0, 0]  # blue
    assert shown[0, 4, 0] > shown[0, 4, 2]  # vermilion
    half = delta_picture(np.array([[[-0.1, -0.05, 0.0, 0.05, 0.1]]]), 2.5, 1)
    assert half[0, 4].tolist() == shown[0, 3].tolist()


def test_delta_of_a_colour_image_is_each_channel_around_grey() -> None:
    delta = np.array([0.1, 0.0, -0.1]).reshape(3, 1, 1)
    assert delta_picture(delta, 5, 2)[0, 0].tolist() == [255, 128, 0]


def test_attribution_is_white_at_zero_and_strongest_at_vmax() -> None:
    shown = attribution_image(np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]]), 1, vmax=2.0)[0]
    assert shown[2].min() > 240
    assert lightness(shown[0]) < lightness(shown[1]) < lightness(shown[2]) > lightness(shown[3]) > lightness(shown[4])
    assert shown[1, 2] > shown[1, 0]
    assert shown[3, 0] > shown[3, 2]
    # On a scale twice as long, the same value is half as strong; channels are summed.
    assert attribution_image(np.array([[2.0]]), 1, vmax=4.0)[0, 0].tolist() == shown[3].tolist()
    assert attribution_image(np.array([[[0.4]], [[0.6]]]), 1, vmax=2.0)[0, 0].tolist() == shown[3].tolist()


def test_attribution_of_nothing_is_white_and_of_nan_is_marked() -> None:
    shown = attribution_image(np.array([[0.0, np.nan]]), 2)
    assert shown[0, 0].min() > 240
    assert shown[0, 2].tolist() not in (shown[0, 0].tolist(), [0, 0, 0])
    assert attribution_image(np.zeros((3, 3)), 1).min() > 240


def test_the_image_underneath_darkens_where_it_is_bright() -> None:
    plain = attribution_image(np.zeros((1, 2)), 1)
    laid = attribution_image(np.zeros((1, 2)), 1, over=np.array([[[0.0, 1.0]]]))
    assert laid[0, 0].tolist() == plain[0, 0].tolist()
    assert laid[0, 1].max() < plain[0, 1].min()


def test_reach_is_shared_and_blind_to_what_is_not_finite() -> None:
    assert reach(np.array([1.0, -3.0]), np.array([2.0]), quantile=1.0) == 3.0
    assert reach(np.array([np.nan, np.inf, 0.5]), quantile=1.0) == 0.5
    assert reach(np.zeros(4)) == 0.0
    assert reach() == 0.0
    lone = np.zeros(10_000)
    lone[0] = 7.0
    assert reach(lone) == 7.0  # one lone pixel is not outshone by its zeros


@pytest.mark.parametrize("image", [np.zeros((2, 4, 4)), np.zeros((4, 4))])
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(UserError, match="1 or 3"):
        picture(image)
    with pytest.raises(UserError, match="scale"):
        picture(np.zeros((1, 2, 2)), 0)
