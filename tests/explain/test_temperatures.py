"""Histories into arrays, soft labels by hand, two networks class by class."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from robust_core.checkpoints import HISTORY
from robust_core.explain import Gain, by_difficulty, compare, confusion, read_story, soft_labels, story
from robust_core.explain.temperatures import BY_CLASS, nsd, worst_class
from robust_core.types import UserError


def epoch(number: int, **values: object) -> dict[str, object]:
    return {"event": "epoch", "epoch": number, "step": 10 * number, "n": 20, "clean": 0.5, "robust": 0.25} | values


def write(folder: Path, events: list[dict[str, object]], torn: str = "") -> Path:
    (folder / HISTORY).write_text("".join(json.dumps(e) + "\n" for e in events) + torn)
    return folder


def test_a_history_becomes_classes_by_epochs() -> None:
    told = story([
        {"event": "start", "parameters": 3},
        epoch(1, class_tau_adv=[1.0, 0.9], class_clean=[0.5, 0.4], class_robust=[0.2, None]),
        epoch(2, class_tau_adv=[1.1, 0.8], class_clean=[0.6, 0.4], class_robust=[0.3, None]),
    ])  # fmt: skip
    assert told.epochs.tolist() == [1, 2]
    assert (told.n, told.num_classes, told.tempered) == (20, 2, True)
    np.testing.assert_allclose(told.classes["tau_adv"], [[1.0, 1.1], [0.9, 0.8]])
    np.testing.assert_allclose(told.in_force("adv"), [[1.0, 1.0], [1.0, 0.9]])
    np.testing.assert_allclose(told.classes["robust"], [[0.2, 0.3], [math.nan, math.nan]])
    assert "risk_adv" not in told.classes
    assert not story([epoch(1, class_tau_adv=[1.0, 1.0])]).tempered
    assert story([epoch(1, class_tau_adv=[1.0, 1.0])]).soft_labelled


def test_a_torn_line_missing_epochs_and_junk_are_gaps(tmp_path: Path) -> None:
    events = [
        epoch(1, class_clean=[0.5, 0.25]),
        epoch(3, class_clean=[0.75], seconds=-5.0),  # a clock that jumped; a line that is too short
        epoch(4, class_clean=[0.5, "junk"]),
        epoch(4, class_clean=[0.625, "junk"]),  # told twice: the later counts
        {"event": "epoch", "epoch": "five"},
    ]
    told = read_story(write(tmp_path, events, torn='{"event": "epoch", "epoch": 5, "class_cl'))
    assert told.epochs.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(
        told.classes["clean"], [[0.5, math.nan, 0.75, 0.625], [0.25, math.nan, math.nan, math.nan]]
    )
    np.testing.assert_array_equal(told.clean, [0.5, math.nan, 0.5, 0.5])


def test_no_history_is_an_empty_story(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        told = read_story(folder)
        assert (len(told.epochs), told.num_classes, told.n, told.tempered) == (0, 0, None, False)
        assert by_difficulty(told) == []


def test_balances_are_read_step_by_step() -> None:
    told = story([
        {"event": "step", "step": 20, "w_nat": 0.4, "tau_nat": 1.01, "h_nat": 0.2},
        {"event": "step", "step": 10, "w_nat": 0.5, "tau_nat": 1.0, "h_nat": None},
        {"event": "step", "step": 30, "ce": 1.0},
    ])  # fmt: skip
    assert told.steps.tolist() == [10, 20]
    np.testing.assert_allclose(told.balances["w_nat"], [0.5, 0.4])
    np.testing.assert_array_equal(told.balances["h_nat"], [math.nan, 0.2])
    assert "tau_adv" not in told.balances


def test_300_epochs_of_100_classes_are_read_in_half_a_second(tmp_path: Path) -> None:
    row = np.random.default_rng(0).random((len(BY_CLASS), 100)).tolist()
    events: list[dict[str, object]] = []
    for number in range(1, 301):
        events += [
            {"event": "step", "step": number * 400 + s, "lr": 0.1, "kl_adv": 0.123456789} for s in range(0, 400, 20)
        ]
        events.append(epoch(number, **dict(zip(BY_CLASS, row, strict=True))))
    write(tmp_path, events)
    begun = time.process_time()  # not the wall's: others may be busy
    told = read_story(tmp_path)
    assert time.process_time() - begun <= 0.5
    assert told.classes["tau_adv"].shape == (100, 300)
    np.testing.assert_allclose(told.classes["tau_adv"][:, 299], row[BY_CLASS.index("class_tau_adv")])


def test_worst_class_and_nsd_by_hand() -> None:
    shares = [[0.2, 0.5, math.nan], [0.6, 0.5, math.nan], [math.nan, 0.2, math.nan]]
    low, which = worst_class(shares)
    np.testing.assert_array_equal(low, [0.2, 0.2, math.nan])
    assert which.tolist() == [0, 2, -1]
    # (0.2, 0.6): mean 0.4, population deviation 0.2. (0.5, 0.5, 0.2): mean 0.4, deviation √0.02.
    np.testing.assert_allclose(nsd(shares)[:2], [0.5, math.sqrt(0.02) / 0.4])
    assert math.isnan(nsd(shares)[2])
    assert math.isnan(nsd([[0.0], [0.0]])[0])


def test_the_hardest_class_comes_first_and_one_without_images_last() -> None:
    told = story([epoch(1, class_clean=[0.9, None, 0.3, 0.5], class_robust=[0.1, None, 0.4, 0.1])])
    assert by_difficulty(told) == [3, 0, 2, 1]


def test_a_soft_label_by_hand() -> None:
    # Logits ln 4 and 0: at τ = 1 the label is (4/5, 1/5), at τ = 2 (2/3, 1/3); a student of equal logits says (½, ½).
    told = soft_labels(torch.tensor([math.log(4), 0.0]), torch.zeros(2), [1.0, 2.0])
    assert told.p.flatten().tolist() == pytest.approx([0.8, 0.2, 2 / 3, 1 / 3], abs=1e-6)
    entropies = [-(0.8 * math.log(0.8) + 0.2 * math.log(0.2)), math.log(3) - 2 / 3 * math.log(2)]
    assert told.entropy.tolist() == pytest.approx(entropies, abs=1e-6)
    assert told.loss.tolist() == pytest.approx([math.log(2) - h for h in entropies], abs=1e-6)
    assert told.gradient.flatten().tolist() == pytest.approx([-0.3, 0.3, -1 / 6, 1 / 6], abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 5.0))
def test_the_loss_is_kl_and_the_gradient_is_its_derivative(seed: int, tau: float) -> None:
    rows = 3 * torch.randn(2, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    student = rows[1].clone().requires_grad_()
    loss = F.kl_div(student.log_softmax(0), (rows[0] / tau).softmax(0), reduction="sum")
    (gradient,) = torch.autograd.grad(loss, student)
    told = soft_labels(rows[0], rows[1], [tau])
    torch.testing.assert_close(told.loss[0], loss.detach())
    torch.testing.assert_close(told.gradient[0], gradient)
    hotter = soft_labels(rows[0], rows[1], [tau, tau + 0.5])
    assert hotter.entropy[1] > hotter.entropy[0]


@pytest.mark.parametrize("tau", [[0.0], [-1.0], [math.nan]])
def test_a_temperature_that_is_none_is_refused(tau: list[float]) -> None:
    with pytest.raises(UserError, match="temperatures must be"):
        soft_labels(torch.zeros(3), torch.zeros(3), tau)
    with pytest.raises(UserError, match="same K logits"):
        soft_labels(torch.zeros(3), torch.zeros(4), [1.0])


def pair(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Class 0: A 50 %, B 90 %; class 1: A 90 %, B 50 %; class 2: both 60 %, on the same images; class 3: nobody."""
    share = torch.arange(n) / n
    part = {0: (0.5, 0.9), 1: (0.9, 0.5), 2: (0.6, 0.6)}
    rows = [torch.cat([share < part[k][side] for k in part]) for side in (0, 1)]
    return rows[0], rows[1], torch.arange(3).repeat_interleave(n)


def test_who_gained_and_who_paid() -> None:
    told = compare(*pair(100), 4)
    gains = [round(g.value, 6) for g in told.classes[:3]]
    assert gains == [0.4, -0.4, 0.0]
    assert [g.sure for g in told.classes] == [True, True, False, False]
    assert told.class_n == (100, 100, 100, 0)
    assert math.isnan(told.classes[3].value)
    assert told.overall.value == pytest.approx(0)
    assert told.worst_class.value == pytest.approx(0.0)
    assert told.nsd.value == pytest.approx(0.0)
    # Three wins in 100 against none, by hand: (3/102) ± 1.96·√(3.5/102 + 0.5/102 − (3/102)²)/√102.
    wins = compare(torch.arange(100) > 2, torch.arange(100) >= 0, torch.zeros(100, dtype=torch.long), 1)
    assert (wins.overall.low, wins.overall.high) == pytest.approx((-0.008593, 0.067417), abs=1e-6)
    assert (wins.classes[0].low, wins.classes[0].high) == (wins.overall.low, wins.overall.high)
    assert compare(torch.arange(300) > 9, torch.arange(300) >= 0, torch.arange(300) % 10, 10).overall.sure
    # Both agree on all 100 images of this class. Agresti & Min's interval: ±1.96·√(½ + ½)/(100 + 2).
    assert [-told.classes[2].low, told.classes[2].high] == pytest.approx([1.96 / 102] * 2, rel=0.2)
    # A binomial's: √(0.4·0.6/100)·1.96 = 0.096 about a paired difference of 0.4.
    assert told.classes[0].high - told.classes[0].low == pytest.approx(2 * 0.096, rel=0.15)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0.1, -0.05, 0.2), "+10.0 points [-5.0, +20.0]"),
        ((0.0, 0.0, 0.0), "no difference on these images"),
        ((-0.0, -0.0001, 0.0001), "no difference on these images"),
        ((0.0, -0.1, 0.1), "+0.0 points [-10.0, +10.0]"),
        ((0.02, 0.02, 0.02), "+2.0 points"),
        ((0.0, 0.0, 0.118), "+0.0 points [+0.0, +11.8]"),
        ((math.nan, math.nan, math.nan), "not defined"),
    ],
)
def test_an_interval_without_a_width_is_not_told(ends: tuple[float, float, float], said: str) -> None:
    assert Gain(value=ends[0], low=ends[1], high=ends[2]).told() == said


def test_a_gain_that_is_no_share_is_told_as_it_is() -> None:
    assert Gain(value=-0.01, low=-0.014, high=-0.005).told(points=False) == "-0.010 [-0.014, -0.005]"
    assert Gain(value=0.0, low=0.0, high=0.0).told(points=False) == "no difference on these images"


def test_more_images_narrow_the_interval_and_a_seed_repeats_it() -> None:
    few, many, again = compare(*pair(20), 4), compare(*pair(200), 4), compare(*pair(20), 4)
    assert many.classes[0].high - many.classes[0].low < 0.5 * (few.classes[0].high - few.classes[0].low)
    assert (few.classes[0].low, few.nsd.high) == (again.classes[0].low, again.nsd.high)
    other = compare(*pair(20), 4, seed=1)
    assert other.overall.low != few.overall.low or other.nsd.high != few.nsd.high


def test_no_images_are_refused() -> None:
    with pytest.raises(UserError, match="same images"):
        compare(torch.ones(2) > 0, torch.ones(3) > 0, torch.zeros(3, dtype=torch.long), 2)
    with pytest.raises(UserError, match="same images"):
        compare(torch.ones(0) > 0, torch.ones(0) > 0, torch.zeros(0, dtype=torch.long), 2)


def test_confusion_counts_rows_by_truth() -> None:
    table = confusion(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 0, 2]), 3)
    assert table.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 1]]
