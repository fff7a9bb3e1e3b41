"""The worst case over attacks: by hand, for any batches, from any interruption, and by the plain network's word."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from robust_core.attacks import AttackSettings
from robust_core.attacks.survival import survivors
from robust_core.evaluation import ensemble
from robust_core.evaluation.ensemble import (
    BROKEN,
    RIGHT,
    UNASKED,
    WRONG,
    Outcomes,
    crafted,
    evaluate,
    results,
    tally,
)
from robust_core.evaluation.fab import Fab
from robust_core.evaluation.plan import Plan
from robust_core.evaluation.steady import Steady
from robust_core.models import build
from robust_core.models.blocks import ScaleShift
from robust_core.tallies import unpacked
from robust_core.types import Classifier, ImageSet, Trace, UserError
from tests.attacks.test_router import open_router
from tests.conftest import TINY
from tests.evaluation.own import Brightness, greys, own_answers, quick


@pytest.fixture(scope="module")
def case(small: ImageSet) -> tuple[Classifier, ImageSet]:
    net = build("residual", in_channels=1, num_classes=10, seed=0, **TINY).eval().requires_grad_(False)
    return net, own_answers(net, small, 70)


def same(one: Outcomes, other: Outcomes) -> bool:
    return (
        torch.equal(one.clean, other.clean)
        and one.after.keys() == other.after.keys()
        and all(torch.equal(one.after[name], other.after[name]) for name in one.after)
    )


def test_by_hand() -> None:
    # 0.1 is 25.5 levels: 102 … 153 can be moved over one half (127.5), so 120, 135, 150 fall and 100, 175 stand.
    images, plan = greys(), quick()
    known = evaluate(Brightness(), images, plan)
    assert known.clean.tolist() == [WRONG, *[RIGHT] * 7]
    assert known.after["fgsm"].tolist() == [UNASKED, RIGHT, RIGHT, WRONG, WRONG, WRONG, RIGHT, RIGHT]
    # Square is asked only about what APGD left.
    assert known.after["square"].tolist() == [UNASKED, RIGHT, RIGHT, *[UNASKED] * 3, RIGHT, RIGHT]
    worst = tally(known.survived(plan.attacks), images)
    assert (worst.correct, worst.class_correct, worst.class_n) == (4, (2, 2), (3, 5))
    lines = {line.name: line for line in results(known, plan, images)}
    assert [(lines[k].attacked, lines[k].correct, lines[k].alone) for k in ("pgd", "apgd", "square")] == [
        (7, 4, True),
        (7, 4, True),
        (4, 4, False),
    ]


def test_alone_is_the_attack_s_own_figure_and_the_worst_case_that_of_all(case: tuple[Classifier, ImageSet]) -> None:
    net, images = case
    plan = quick(0.03)
    known = evaluate(net, images, plan)
    for line in results(known, plan, images):
        if line.alone:
            assert line.attack is not None
            alone = int(survivors(net, images, line.attack).sum())
            assert line.correct == pytest.approx(alone, abs=1 if line.name == "apgd" else 0)
    left = known.survived(plan.attacks)
    figures = {line.name: line.correct for line in results(known, plan, images)}
    assert 0 < int(left.sum()) <= figures["pgd"] < figures["fgsm"]
    assert int(left.sum()) <= figures["square"] <= figures["apgd"]
    assert torch.equal(left, known.survived(["fgsm"]) & known.survived(["pgd"]) & known.survived(["apgd", "square"]))
    marks = {line.name: line.marks for line in results(known, plan, images)}
    for name, before in (("fgsm", ()), ("pgd", ()), ("square", ("apgd",))):
        stands = known.survived(before) & known.survived([name])
        by_class = torch.cat([stands[images.labels == k] for k in range(len(images.class_names))])
        assert unpacked(marks[name] or "", len(images)).tolist() == by_class.tolist()


def test_batches_do_not_change_a_verdict(case: tuple[Classifier, ImageSet]) -> None:
    net, images = case
    attacks = quick(0.03).attacks | {"fab": Fab(eps=0.03, steps=3, targets=2)}
    plan = Plan(attacks=attacks, groups={"s": ("fgsm", "pgd", "apgd", "fab", "square")})
    whole = evaluate(net, images, plan)
    for batch_size in (17, 69):
        assert same(evaluate(net, images, plan, batch_size=batch_size), whole)
    few = evaluate(net, images, plan, n=3, batch_size=1)
    assert all(torch.equal(few.after[name], whole.after[name][:3]) for name in plan.attacks)


def test_it_goes_on_from_any_batch(case: tuple[Classifier, ImageSet]) -> None:
    net, images = case
    kept: list[Outcomes] = []
    plan = quick(0.03, table=("fgsm", "pgd"), sequence=("pgd", "square"))
    whole = evaluate(net, images, plan, batch_size=30, keep=lambda known: kept.append(copy.deepcopy(known)))
    assert len(kept) >= 7
    for begun in kept[::3]:
        spent = dict(begun.seconds)
        assert same(evaluate(net, images, plan, batch_size=30, begun=begun), whole)
        assert all(begun.seconds[name] >= seconds for name, seconds in spent.items())
    with pytest.raises(UserError, match="what was kept is of 70 images, not of 60"):
        evaluate(net, images, plan, n=60, begun=whole)


def test_what_is_known_is_not_asked_again(case: tuple[Classifier, ImageSet]) -> None:
    net, images = case
    plan = quick(0.03, one=("pgd",), two=("pgd", "square"))
    told: list[str] = []
    known = evaluate(net, images, plan, progress=lambda now: told.append(now.attack))
    assert told == ["pgd", "square"]
    assert int((known.after["square"] != UNASKED).sum()) == int(known.survived(["pgd"]).sum())


def test_in_bfloat16_the_float32_network_judges(case: tuple[Classifier, ImageSet]) -> None:
    net, images = case
    plan = quick(0.03)
    exact = evaluate(net, images, plan)
    known = evaluate(net, images, plan, precision=torch.bfloat16)
    assert torch.equal(known.clean, exact.clean)  # the view has no say in it
    for name in plan.attacks:
        # An attack made on rounded weights is another one: near the boundary one image in twenty may fall otherwise.
        asked = (known.after[name] != UNASKED) & (exact.after[name] != UNASKED)
        assert int((known.after[name] != exact.after[name])[asked].sum()) <= int(asked.sum()) / 20
        assert int((known.after[name] == WRONG).sum()) >= 0.9 * int((exact.after[name] == WRONG).sum())
    assert same(evaluate(net, images, plan, precision=torch.bfloat16, batch_size=17), known)
    assert not same(evaluate(net, images, quick(0.06), precision=torch.bfloat16), known)


class Unlike(Brightness):
    """A network whose fast view answers otherwise: the copy made of it is deaf to half of what it hears."""

    def __init__(self, deaf: bool = False) -> None:
        super().__init__()
        self.deaf = deaf

    def __deepcopy__(self, memo: dict[int, Any]) -> Unlike:
        return Unlike(deaf=True)

    def trace(self, x: torch.Tensor, *, routing: object = None) -> Trace:
        logits = super().trace(x).logits
        # The copy takes everything for fooled that was touched at all, and so leaves off early.
        touched = (x.flatten(1).std(dim=1) > 1e-4) if self.deaf else torch.zeros(len(x), dtype=torch.bool)
        return Trace(logits=torch.where(touched[:, None], -3 * logits, logits))


def test_the_plain_network_has_the_last_word() -> None:
    images, plan = greys(), quick(only=("square",))
    # The view takes Square's first stripes for a success; they fool the network for none of these images, so the
    # attack is made on the network itself, to the same end as if there were no view.
    honest = evaluate(Brightness(), images, plan)
    assert same(evaluate(Unlike(), images, plan), honest)
    assert WRONG in honest.after["square"]


class Breaks(Brightness):
    """Logits that are no numbers for images of some mean grey levels."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def trace(self, x: torch.Tensor, *, routing: object = None) -> Trace:
        level = 255 * x.mean(dim=(1, 2, 3))
        broken = (level > self.low) & (level < self.high)
        return Trace(logits=super().trace(x).logits.masked_fill(broken[:, None], torch.nan))


def test_logits_that_are_no_numbers_count_as_wrong_and_are_told() -> None:
    images, plan = greys(), quick(table=("pgd",))
    known = evaluate(Breaks(190, 256), images, plan)
    assert known.clean.tolist() == [WRONG, *[RIGHT] * 6, BROKEN]
    assert int(known.right.sum()) == 6
    # PGD goes 25.5 levels towards the other class: 100 comes to 125.5 and 150 to 124.5, 120 and 135 to the other side.
    known = evaluate(Breaks(124, 127), images, plan)
    assert known.after["pgd"].tolist() == [UNASKED, RIGHT, BROKEN, WRONG, WRONG, BROKEN, RIGHT, RIGHT]
    line = results(known, plan, images)[0]
    assert (line.attacked, line.broken, line.correct) == (7, 2, 3)


def test_an_image_outside_the_ball_or_none_at_all_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    images = greys()
    for made in (1.0, float("nan")):
        monkeypatch.setattr(Fab, "run", lambda self, net, x, y, made=made: torch.full_like(x, made))
        plan = Plan(attacks={"fab": Fab(eps=0.1)}, groups={"g": ("fab",)})
        assert int(evaluate(Brightness(), images, plan).survived(["fab"]).sum()) == 7


def test_fab_fools_what_can_be_fooled_and_leaves_the_world_as_it_was() -> None:
    images = greys()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    plan = Plan(attacks={"fab": Fab(eps=0.1, steps=20)}, groups={"g": ("fab",)})
    known = evaluate(Brightness(), images, plan)
    assert known.after["fab"].tolist() == [UNASKED, RIGHT, RIGHT, WRONG, WRONG, WRONG, RIGHT, RIGHT]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_class_absent_and_n_out_of_range() -> None:
    images = greys()
    known = evaluate(Brightness(), images, quick(), n=4)
    assert tally(known.right, images).class_accuracy == [1.0, 0.0]
    dark = images.subset(slice(1, 4))
    line = results(evaluate(Brightness(), dark, quick()), quick(), dark)[0]
    assert line.class_accuracy == [pytest.approx(2 / 3), None]
    assert line.worst_class == pytest.approx(2 / 3)
    for n in (0, 9):
        with pytest.raises(UserError, match=r"n must be in \[1, 8\], the images of 'greys'"):
            evaluate(Brightness(), images, quick(), n=n)
    with pytest.raises(UserError, match="batch_size must be 1 or more"):
        evaluate(Brightness(), images, quick(), batch_size=0)


def test_nothing_right_is_nothing_to_attack() -> None:
    images = greys().subset([0])
    plan = quick()
    known = evaluate(Brightness(), images, plan)
    assert [line.attacked for line in results(known, plan, images)] == [0] * 4


def test_routed_attacks_run_on_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    net = open_router().requires_grad_(False)
    x = torch.randint(0, 256, (8, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = net(x.float() / 255).argmax(dim=1)
    images = ImageSet(images=x, labels=labels, class_names=tuple("abcdefghij"), name="noise")
    names = ("router_to_clean", "router_signals", "path_adversarial")
    attacks = {name: AttackSettings(name=name, eps=0.02, steps=3) for name in names}
    plan = Plan(attacks=attacks, groups={"adaptive": names}, alone=frozenset({"adaptive"}))
    ran_on: dict[str, nn.Module] = {}

    def watched(attack: AttackSettings, model: Steady, *rest: Any) -> torch.Tensor:
        ran_on.setdefault(attack.name, model.net)  # where the view alone is fooled, the network follows
        return crafted(attack, model, *rest)

    monkeypatch.setattr(ensemble, "crafted", watched)
    known = evaluate(net, images, plan)
    assert known.right.all()
    for name in names:
        assert any(isinstance(module, ScaleShift) for module in ran_on[name].modules())
        fooled = known.after[name] == WRONG
        assert 0 < int(fooled.sum()) < 8
        # As on the network itself, but for rounding.
        assert int((fooled == survivors(net, images, attacks[name])).sum()) <= 1
