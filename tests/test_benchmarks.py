"""What the benchmarks compare computes the same: a speed against other mathematics would say nothing."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import evaluation, gaps, held_out, plain
from benchmarks.evaluation import growth, quick
from benchmarks.official import held
from benchmarks.training_step import CASES, EPS, Ours, operations
from robust_core.cards import Evaluation
from robust_core.checkpoints import WEIGHTS, Checkpoint
from robust_core.evaluation.ensemble import evaluate
from robust_core.evaluation.plan import plan_for
from robust_core.evaluation.scores import Listed
from robust_core.models import build
from robust_core.types import ImageSet, Routing, UserError
from tests.conftest import TINY
from tests.evaluation import claims


@pytest.mark.parametrize("case", CASES)
def test_a_plain_step_is_our_step(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inner attack left out: it begins at random on both sides."""
    method, architecture, loop = CASES[case]
    net = build(architecture, in_channels=1, num_classes=10, seed=0, **TINY)
    teachers = {
        role: build("residual", in_channels=1, num_classes=10, seed=n + 1, **TINY).eval()
        for n, role in enumerate(("clean", "robust"))
    }
    theirs = plain.Step(copy.deepcopy(net), teachers, method, eps=EPS, steps=0, loop=loop)
    ours = Ours(copy.deepcopy(net), copy.deepcopy(teachers), method)
    monkeypatch.setattr(ours.learner, "perturb", lambda batch, *args, **kwargs: batch.x)
    x, y = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(8)
    for _ in range(2):
        assert theirs(x, y) == pytest.approx(ours(x, y), rel=1e-4)
    for (name, a), b in zip(theirs.net.named_parameters(), ours.net.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5, msg=name)


def test_operations_are_counted_forward_and_backward() -> None:
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)

    def step(x: torch.Tensor, y: torch.Tensor) -> float:
        loss = conv(x.requires_grad_()).square().sum()
        torch.autograd.grad(loss, x)
        return loss.item()

    one_way = 2 * 4 * 8 * 16 * 16 * 3 * 9  # two a multiply-add: images, filters, pixels, channels, window
    assert operations(step, torch.zeros(4, 3, 16, 16), torch.zeros(4)) == 2 * one_way


@pytest.mark.parametrize("loop", [False, True])
def test_the_plain_network_is_the_network(loop: bool, images: torch.Tensor) -> None:
    net = build("aw_net", in_channels=1, num_classes=10, seed=0, **TINY).eval()
    logits, p_type = plain.forward(net, images, loop=loop)
    torch.testing.assert_close(logits, net(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(p_type, net.trace(images).route.p_type)


def test_the_growth_of_an_evaluation_is_of_that_many_images_and_a_quick_plan_is_ours_alone(
    small: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = build("residual", in_channels=1, num_classes=10, seed=0, **TINY).eval()
    whole = plan_for(net, small.shape, ["table", "autoattack"])
    short = quick(whole)
    assert "fab_t" not in short.attacks
    assert set(short.groups) == set(whole.groups)
    assert max(chosen.steps for chosen in short.attacks.values() if "steps" in chosen.used) <= 5
    assert short.attacks["square"].queries <= 100
    asked = []
    monkeypatch.setattr(evaluation, "evaluate", lambda *of, n, **how: asked.append(n) or evaluate(*of, n=n, **how))
    lines = growth(net, small, replace(short, groups={"table": ("fgsm",)}), [8, 24], torch.float32)
    assert asked == [8, 8, 24]
    assert [line["images"] for line in lines] == [8, 24]
    assert all(line["seconds"] > 0 for line in lines)


def test_only_an_evaluation_made_here_of_these_weights_and_images_is_laid_beside_the_official_one(
    tmp_path: Path,
) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    sha = hashlib.sha256(b"weights").hexdigest()
    good = claims.evaluation(claims.tally(9, 9, 9, 9), claims.tally(5, 5, 5, 5), sha=sha, plan=("table", "autoattack"))
    other = [
        good.model_copy(update={"claimed": True}),
        good.model_copy(update={"weights_sha256": "0" * 64}),
        claims.evaluation(good.clean, good.worst, sha=sha),  # without AutoAttack
    ]

    def found(*evaluations: Evaluation) -> Checkpoint:
        return Checkpoint(name="a/b", folder=tmp_path, card=claims.card(sha=sha, evaluations=evaluations))

    for one in other:
        assert held(found(one), good.clean.n) is None
    assert held(found(good), good.clean.n + 1) is None
    assert held(found(good, *other), good.clean.n) == good


def test_a_gap_is_the_first_less_the_second_and_of_itself_nothing(tmp_path: Path) -> None:
    ours, theirs = (gaps.listed(name) for name in ("fashion_mnist/aw_net", "fashion_mnist/pgd_at_mixed"))
    there, back, same = (list(gaps.rows(*pair)) for pair in ((ours, theirs), (theirs, ours), (ours, ours)))
    on_all = [next(row for row in rows if "| 10000 |" in row).split(" | ")[2] for rows in (there, back, same)]
    first, second = (float(cell.split(" [")[0].replace("−", "-")) for cell in on_all[:2])
    assert first == -second != 0
    assert on_all[2] == "+0.00"
    with pytest.raises(UserError, match="has no card"):
        gaps.listed(str(tmp_path))


def test_the_first_images_and_those_after_them_make_up_the_gap_on_all() -> None:
    pair = [gaps.listed(name) for name in ("fashion_mnist/absld", "fashion_mnist/rslad")]
    cells = {after: next(gaps.rows(*pair, after=after)).split(" | ") for after in (0, 1000)}
    assert [row[1] for row in cells.values()] == ["5000", "4000"]
    whole, rest = (float(row[2].split(" [")[0]) for row in cells.values())
    assert (1000 * on_first(pair) + 4000 * rest) / 5000 == pytest.approx(whole, abs=0.01)
    assert list(gaps.rows(*pair, after=999)) == []


@pytest.mark.parametrize("after", ["-1", "999", "10000"])
def test_a_number_of_images_that_leaves_nothing_is_a_sentence(after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["gaps.py", "fashion_mnist/absld", "fashion_mnist/rslad", "--after", after])
    with pytest.raises(SystemExit, match="no images are left after the first"):
        gaps.main()


def test_what_is_left_out_stands_above_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["gaps.py", "fashion_mnist/absld", "fashion_mnist/rslad", "--after", "1000"])
    gaps.main()
    told = capsys.readouterr().out
    assert told.startswith("fashion_mnist/absld less fashion_mnist/rslad, without the first 1,000 images\n")
    assert "| 9000 |" in told
    assert "| 10000 |" not in told


def test_images_are_counted_of_the_same_set_only() -> None:
    network = gaps.listed("fashion_mnist/absld")
    (board,) = [board for board in gaps.boards([network]) if board.data_name == "fashion_mnist"]
    assert sum(gaps.of_each_class(network, board, 1000) or ()) == 1000
    assert gaps.of_each_class(network, replace(board, fingerprint="another"), 1000) is None


def on_first(pair: list[Listed]) -> float:
    """W-Robust's gap in the first 1,000 images' evaluations, in points."""
    ours, theirs = (next(e for e in one.card.evaluations if e.clean.n == 1000) for one in pair)
    return 50 * (ours.clean.accuracy + ours.worst.accuracy - theirs.clean.accuracy - theirs.worst.accuracy)


def test_a_held_out_image_stands_only_where_it_was_right(images: torch.Tensor) -> None:
    net = build("aw_net", in_channels=1, num_classes=10, seed=0, **TINY).eval()
    with torch.no_grad():
        y = net(images).argmax(1)
    y[0] = (y[0] + 1) % 10
    for way in (None, Routing(p_type="clean")):
        assert not held_out.stands("pgd", net, images, y, 0.1, way)[0]
    assert held_out.stands("pgd", net, images, y, 1e-6)[1:].all()
    assert not held_out.stands("pgd", net, images, y, 0.5)[1:].all()  # it does attack
