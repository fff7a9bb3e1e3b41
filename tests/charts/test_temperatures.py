"""Temperature charts: the numbers that were put in come out again, gaps stay gaps, many classes stay readable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from robust_core import charts
from robust_core.charts.theme import DARK, LIGHT, halo, mixed
from robust_core.explain import Story, by_difficulty, compare, soft_labels, story
from robust_core.types import UserError
from tests.charts.reading import sent, values, words

NAMES = ("cat", "dog", "<b>cow</b>")


def told(epochs: int = 4, k: int = 3, *, tempered: bool = True, soft: bool = True) -> Story:
    events: list[dict[str, Any]] = []
    for e in range(1, epochs + 1):
        row: dict[str, Any] = {"event": "epoch", "epoch": e, "step": e, "n": 30, "clean": 0.5, "robust": 0.3}
        row |= {"class_clean": [(c + 1) / (k + 1) for c in range(k)], "class_robust": [0.1 * (c % 9) for c in range(k)]}
        if soft:
            row |= {
                f"class_tau_{t}": [1 + (0.1 * e * (c - 1) if tempered else 0) for c in range(k)] for t in ("adv", "nat")
            }
            row |= {f"class_risk_{t}": [1.0 + c for c in range(k)] for t in ("adv", "nat")}
        events.append(row)
    return story(events)


def heat(chart: Any) -> list[Any]:
    return [trace for trace in chart.data if trace.type == "heatmap"]


def test_four_maps_share_their_axes_and_hold_the_numbers() -> None:
    chart = charts.class_maps(told(), NAMES, order=[2, 0, 1], current=2)
    assert len(heat(chart)) == 4
    tau, robust, _, clean = (np.asarray(trace.z) for trace in heat(chart))
    np.testing.assert_allclose(tau[0], np.log([1.1, 1.2, 1.3, 1.4]), rtol=1e-5)  # class 2 on top
    assert heat(chart)[0].customdata[0] == pytest.approx([1.1, 1.2, 1.3, 1.4])
    assert "%{customdata:.3f}" in heat(chart)[0].hovertemplate
    np.testing.assert_allclose(robust[1], [0.0] * 4)
    np.testing.assert_allclose(clean[2], [0.5] * 4)
    assert heat(chart)[0].y[0] == "&lt;b&gt;cow&lt;/b&gt;"
    assert {getattr(chart.layout, f"xaxis{n}").matches for n in (2, 3, 4)} == {"x"}
    assert {getattr(chart.layout, f"yaxis{n}").matches for n in (2, 3, 4)} == {"y"}
    frames = [s for s in chart.layout.shapes if s.type == "rect"]
    assert [(s.x0, s.x1) for s in frames] == [(1.5, 2.5)] * 4
    assert "4 epochs" in charts.alt(chart)
    sent(chart)


def taught(*tau: float) -> Any:
    """The map of one epoch with these temperatures."""
    events = [{"event": "epoch", "epoch": 1, "class_tau_adv": list(tau)}]
    chart = charts.class_maps(story(events), [f"c{k}" for k in range(len(tau))], order=range(len(tau)))
    return heat(chart)[0]


def painted(trace: Any, tau: float) -> str:
    """The colour a temperature gets; it must stand at a stop of the scale."""
    share = (math.log(tau) - trace.zmin) / (trace.zmax - trace.zmin)
    return next(colour for at, colour in trace.colorscale if at == pytest.approx(share))


def test_temperatures_are_coloured_as_factors_about_one() -> None:
    trace = taught(0.5, 1.0, 4.0)
    assert painted(trace, 1.0) == LIGHT.grid
    assert painted(trace, 4.0) == LIGHT.categories[0]
    # The root of the farthest factor is half as far, on either side: the floor of ½ is no near neutral.
    assert painted(trace, 0.5) == mixed(LIGHT.categories[1], LIGHT.page, 0.45)
    assert painted(trace, 2.0) == mixed(LIGHT.categories[0], LIGHT.page, 0.45)
    assert painted(taught(0.25, 1.0, 2.0), 0.25) == LIGHT.categories[1]


def test_the_bar_of_temperatures_ends_where_they_do_and_tells_them() -> None:
    trace = taught(0.5, 1.2, 3.76)
    assert (trace.zmin, trace.zmax) == pytest.approx((math.log(0.5), math.log(3.76)))
    assert list(trace.colorbar.ticktext) == ["0.5", "1", "3.76"]
    assert list(trace.colorbar.tickvals) == pytest.approx([math.log(0.5), 0, math.log(3.76)])
    assert list(taught(0.98, 1.0, 3.0).colorbar.ticktext) == ["1", "3"]  # the lowest would lie on the middle one
    alike = taught(1.0, 1.01)
    assert (alike.zmin, alike.zmax) == pytest.approx((-math.log(1.05), math.log(1.05)))
    assert np.isnan(np.asarray(taught(0.0, -1.0, 2.0).z)[:2]).all()  # no temperatures


def levers(**of_class: list[float]) -> Story:
    """One epoch that left these factors behind."""
    return story(
        [
            {"event": "epoch", "epoch": 1, "class_robust": [0.1, 0.5, 0.9]}
            | {f"class_{n}": v for n, v in of_class.items()}
        ]
    )


def test_weights_and_margins_are_drawn_where_they_moved() -> None:
    names, order = ("a", "b", "c"), [0, 1, 2]
    robust, weight, margin = heat(
        charts.class_maps(levers(weight=[2.5, 1.0, 0.8], margin=[1.1, 1.0, 0.9]), names, order=order)
    )
    assert [weight.customdata[k][0] for k in range(3)] == pytest.approx([2.5, 1.0, 0.8])
    assert painted(weight, 2.5) == LIGHT.categories[1]  # what favours a class, as a sharp label does
    assert painted(margin, 1.0) == LIGHT.grid
    assert "weight in the loss from 0.80 (c) to 2.50 (a)" in charts.alt(
        charts.class_maps(levers(weight=[2.5, 1.0, 0.8]), names, order=order)
    )
    (alone,) = heat(charts.class_maps(levers(weight=[1.0] * 3, margin=[1.0, math.nan, 1.0]), names, order=order))
    assert alone.zmax == robust.zmax == 1


@pytest.mark.parametrize(("tempered", "soft", "maps"), [(True, True, 4), (False, False, 2)])
def test_every_map_says_that_it_goes_over_epochs(tempered: bool, soft: bool, maps: int) -> None:
    layout = charts.class_maps(told(tempered=tempered, soft=soft), NAMES, order=[0, 1, 2]).layout
    titles = [getattr(layout, f"xaxis{n or ''}").title.text for n in (0, *range(2, maps + 1))]
    assert titles == ["epoch"] * maps


def test_the_epoch_whose_weights_are_kept_is_marked_where_it_is_known() -> None:
    chart = charts.class_maps(told(), NAMES, order=[0, 1, 2], kept=3)
    assert [(s.x0, s.x1) for s in chart.layout.shapes if s.type == "line"] == [(3, 3)] * 4
    assert words(chart).count("kept: epoch 3") == 4
    assert "weights kept are those of epoch 3" in charts.alt(chart)
    plain = charts.class_maps(told(), NAMES, order=[0, 1, 2], current=2)
    assert "kept" not in words(plain) + charts.alt(plain)
    fair = charts.fairness([("one", told())], NAMES, current=4, kept=3)
    assert [s.x0 for s in fair.layout.shapes if s.line.dash == "solid"] == [3, 3]
    assert words(fair).count("kept") == 2
    assert "kept" not in words(charts.fairness([("one", told())], NAMES, current=4))


@pytest.mark.parametrize(
    ("tempered", "soft", "titles"),
    [
        (True, True, ["τ<sub>adv", "robust accuracy", "τ<sub>nat", "clean accuracy"]),
        (False, True, ["error risk, attacked", "robust accuracy", "error risk, clean", "clean accuracy"]),
        (False, False, ["robust accuracy", "clean accuracy"]),
    ],
)
def test_only_what_the_run_has_is_drawn(tempered: bool, soft: bool, titles: list[str]) -> None:
    chart = charts.class_maps(told(tempered=tempered, soft=soft), NAMES, order=[0, 1, 2])
    heads = [a.text for a in chart.layout.annotations]
    assert len(heads) == len(titles)
    assert all(head.startswith(title) for head, title in zip(heads, titles, strict=True))
    bars = charts.class_bars(told(tempered=tempered, soft=soft), NAMES, epoch=1, order=[0, 1, 2])
    assert len(bars.data) == (6 if tempered else 4 if soft else 2)


@pytest.mark.parametrize("look", [LIGHT, DARK])
@pytest.mark.parametrize(("epochs", "k"), [(0, 0), (1, 3), (1, 1), (300, 100)])
def test_none_one_and_many(epochs: int, k: int, look: charts.Theme) -> None:
    run, names = told(epochs, k), tuple(f"class {c}" for c in range(k))
    chart = charts.class_maps(run, names, order=by_difficulty(run), current=epochs or None, look=look)
    assert len(chart.to_json()) < 2_500_000
    sent(chart)
    sent(charts.fairness([("a", run), ("b", run)], names, look=look))
    if epochs:
        assert chart.layout.height < 1500
        sent(charts.class_bars(run, names, epoch=epochs, order=by_difficulty(run), look=look))
    else:
        assert "no finished epoch" in words(chart)


def test_a_class_without_images_is_a_gap() -> None:
    run = story([{"event": "epoch", "epoch": 1, "class_clean": [0.5, None], "class_robust": [0.25, None]}])
    chart = charts.class_maps(run, ("a", "b"), order=[0, 1])
    assert np.isnan(np.asarray(heat(chart)[0].z)[1, 0])
    bars = charts.class_bars(run, ("a", "b"), epoch=1, order=[0, 1])
    assert values(bars.data[0].x) == [0.5, None]


def test_bars_start_from_one_and_keep_their_scale_while_scrubbed() -> None:
    first, last = (charts.class_bars(told(), NAMES, epoch=e, order=[0, 1, 2]) for e in (1, 4))
    assert values(first.data[0].x) == pytest.approx([-0.1, 0, 0.1])
    assert values(last.data[0].x) == pytest.approx([-0.4, 0, 0.4])
    assert first.data[0].base == 1
    assert first.layout.xaxis.range == last.layout.xaxis.range
    assert first.layout.xaxis.range[0] < 0.6
    means = [s.x0 for s in first.layout.shapes if s.xref == "x2" and s.line.dash == "dot"]
    assert means == pytest.approx([2.0, 2.0])
    assert all(bar.textfont.shadow == halo(LIGHT) for bar in first.data)  # figures stand clear of those rules
    with pytest.raises(UserError, match=r"epoch must be in \[1, 4\]"):
        charts.class_bars(told(), NAMES, epoch=5, order=[0, 1, 2])


def test_names_and_order_must_fit() -> None:
    for names, order in ((NAMES[:2], [0, 1]), (NAMES, [0, 1, 1]), (NAMES, [0, 1])):
        with pytest.raises(UserError, match="3 classes"):
            charts.class_maps(told(), names, order=order)


def test_fairness_names_the_worst_class_and_dots_the_second_run() -> None:
    chart = charts.fairness([("one", told()), ("two", told(2))], NAMES, current=3)
    robust = [t for t in chart.data if t.name == "attacked, one" and t.showlegend]
    assert values(robust[0].y) == [0.0] * 4
    assert "cat" in robust[0].customdata[0]
    assert {t.line.dash for t in chart.data if t.name.endswith("two")} == {"dot"}
    spread = next(t for t in chart.data if t.name == "attacked, one" and t.xaxis == "x2")
    assert values(spread.y)[0] == pytest.approx(np.std([0, 0.1, 0.2]) / 0.1)
    with pytest.raises(UserError, match="one or two runs"):
        charts.fairness([("a", told())] * 3, NAMES)


def test_balances_have_a_panel_each() -> None:
    events = [
        {"event": "step", "step": s, "tau_nat": 1 + s / 10, "tau_adv": 1.0, "h_nat": 0.1, "h_adv": 0.4, "w_nat": 0.4,
         "w_adv": 0.6, "normalised_nat": 0.5, "normalised_adv": math.nan}
        for s in (1, 2, 3)
    ]  # fmt: skip
    run = story(events)
    chart = charts.balances([("B-MTARD", run)])
    lines = {(t.name, t.xaxis): values(t.y) for t in chart.data}
    assert lines["accurate teacher", "x"] == pytest.approx([1.1, 1.2, 1.3])
    assert lines["robust teacher", "x3"] == pytest.approx([0.6] * 3)
    assert ("robust teacher", "x4") not in lines
    assert "tau_nat 1.3" in charts.alt(chart)
    sent(chart)
    assert len(charts.balances([("a", run), ("b", run)]).data) == 2 * len(chart.data)


def test_a_soft_label_at_two_temperatures() -> None:
    two = soft_labels(torch.tensor([2.0, 0.0, 1.0]), torch.zeros(3), [1.0, 3.0])
    chart = charts.soft_label_bars(two, NAMES, true=0, titles=["at 1", "at 3"])
    shown = {(t.name, t.xaxis): values(t.x) for t in chart.data if t.type == "bar"}
    assert shown["at 1", "x"] == pytest.approx(two.p[0].tolist())
    assert shown["at 3", "x2"] == pytest.approx(two.gradient[1].tolist())
    assert "◆ cat" in chart.layout.yaxis.ticktext[0]
    sent(chart)
    many = soft_labels(torch.arange(100.0), torch.zeros(100), [1.0, 2.0])
    few = charts.soft_label_bars(many, [str(i) for i in range(100)], true=3, titles=["a", "b"])
    assert len(few.data[0].x) <= 13
    assert any("◆ 3" in tick for tick in few.layout.yaxis.ticktext)
    with pytest.raises(UserError, match="two temperatures"):
        charts.soft_label_bars(soft_labels(torch.zeros(3), torch.zeros(3), [1.0]), NAMES, true=0, titles=["a"])


def test_curves_over_tau_mark_where_one_is() -> None:
    grid = soft_labels(torch.tensor([2.0, 0.0]), torch.zeros(2), torch.linspace(0.5, 5, 10))
    chart = charts.soft_label_curves(grid, true=0, current=2.0, learned=1.5)
    assert values(chart.data[1].y) == pytest.approx(grid.entropy.tolist())
    assert {s.x0 for s in chart.layout.shapes} == {1.0, 2.0, 1.5}
    sent(chart)


def test_curves_of_no_numbers_are_gaps_on_the_usual_axis() -> None:
    grid = soft_labels(torch.full((2,), torch.nan), torch.zeros(2), [0.5, 1.0, 2.0])
    chart = charts.soft_label_curves(grid, true=0, current=1.0)
    assert values(chart.data[0].y) == [None] * 3
    assert list(chart.layout.yaxis.range) == [0, 1]
    sent(chart)


def test_gains_colour_only_what_is_sure() -> None:
    labels = torch.arange(2).repeat_interleave(50)
    a, b = torch.zeros(100) > 0, (torch.arange(100) < 40) | (torch.arange(100) == 99)
    part = compare(a, b, labels, 3, resamples=200)
    chart = charts.gains([("robust", part), ("clean", part)], NAMES, order=[1, 0, 2])
    dots = chart.data[0]
    assert values(dots.x)[2:] == [pytest.approx(2), pytest.approx(80), None]
    assert dots.marker.color[3] == LIGHT.categories[0]
    assert dots.marker.color[4] == LIGHT.muted
    assert "no image" in charts.alt(chart)
    sent(chart)
    with pytest.raises(UserError, match="must fit"):
        charts.gains([("robust", part)], NAMES[:2], order=[0, 1])


def test_confusion_cells_can_be_clicked_and_the_chosen_is_framed() -> None:
    chart = charts.confusion([[3, 1, 0], [0, 2, 2], [0, 0, 0]], NAMES, chosen=(1, 2))
    points = chart.data[-1]
    assert [list(place) for place in points.customdata] == [[0, 0], [0, 1], [1, 1], [1, 2]]
    assert list(points.text) == ["3", "1", "2", "2"]
    (frame,) = chart.layout.shapes
    assert (frame.x0, frame.y0) == (1.5, 0.5)
    assert "5 of 8 images right; most often dog is taken for <b>cow</b>, 2 times" in charts.alt(chart)
    sent(chart)
    big = charts.confusion(np.eye(100), [str(i) for i in range(100)])
    assert big.layout.height < 900
    sent(big)
    with pytest.raises(UserError, match=r"shape \(3, 3\)"):
        charts.confusion(np.eye(2), NAMES)
