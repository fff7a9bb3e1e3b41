"""Multiply-adds by hand, and times of a clock that is ours."""

from __future__ import annotations

import json
from datetime import date

import pytest
import torch
from torch import nn

from robust_core.evaluation.cost import cost, counted, multiply_adds, processor
from robust_core.frozen import frozen
from robust_core.models import build
from robust_core.types import UserError


def test_multiply_adds_worked_out_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=4), nn.Flatten(),
                        nn.Linear(8 * 2 * 2, 5)).eval()  # fmt: skip
    # 8×4×4 outputs of 3·9 products; 8×2×2 outputs of 2·9 (groups); 5 outputs of 32
    assert multiply_adds(net, (3, 8, 8)) == 8 * 4 * 4 * 27 + 8 * 2 * 2 * 18 + 5 * 32


def test_every_architecture_is_counted_and_its_frozen_view_asks_as_much(any_net: nn.Module) -> None:
    whole = multiply_adds(any_net, (1, 28, 28))
    assert whole > 10_000
    # Under a router the view mixes scales by a small matrix product.
    assert whole <= multiply_adds(frozen(any_net), (1, 28, 28)) <= 1.01 * whole  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", ["residual", "aw_net", "moe"])
def test_a_description_is_counted_as_the_network_is(architecture: str) -> None:
    options = {"width": 4, "blocks": [1, 1]}
    net = build(architecture, in_channels=1, num_classes=3, seed=0, **options).eval()
    assert counted(architecture, json.dumps(options), (1, 12, 12), 3) == multiply_adds(net, (1, 12, 12))


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("nobodys", {}),
        ("residual", {"colour": 3}),
        ("residual", {"stem_stride": 10**30}),
        ("moe", {"width": 4096}),
        ("aw_net", {"router_depth": 5, "router_width": 4}),  # its group norm takes two images or more
    ],
)
def test_what_cannot_be_built_asked_or_held_is_not_counted(architecture: str, options: dict[str, object]) -> None:
    assert counted(architecture, json.dumps(options), (1, 28, 28), 10) is None


@pytest.mark.parametrize("side", [10**30, 100_000])
def test_images_beyond_all_measure_are_not_counted(side: int) -> None:
    assert counted("residual", "{}", (1, side, side), 10) is None


def test_times_are_medians_of_the_clock_and_the_first_calls_do_not_count() -> None:
    spans = iter([50.0, 50.0, 1.0, 2.0, 3.0, 9.0, *[20.0] * 5])
    now = [0.0, False]

    def clock() -> float:
        if now[1]:
            now[0] += next(spans)
        now[1] = not now[1]
        return now[0]

    ticks: list[int] = []
    found = cost(nn.Flatten(), (1, 2, 2), batch=10, repeats=4, tick=lambda: ticks.append(1), clock=clock)
    assert found.one_ms == 2500.0
    assert (found.one_low, found.one_high) == (2000.0, 9000.0)
    assert found.batch_ms == 2000.0
    assert (found.multiply_adds, found.repeats, found.batch) == (0, 4, 10)
    assert found.threads == torch.get_num_threads()
    assert len(ticks) == 4 + 2 + 3 + 2
    assert found.images == 4 + 3 * 10
    assert found.here
    assert found.processor == processor()
    for told in ("median of 4 on ", "(cpu)", "34 images in all", date.today().isoformat()):
        assert told in found.describe()


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"repeats": 0}])
def test_nothing_cannot_be_timed(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match="1 or more"):
        cost(nn.Flatten(), (1, 2, 2), **wrong)  # type: ignore[arg-type]
