"""Accuracy is counted right: by hand, per class, for any batch size, and what counts is the plain network's word."""

from __future__ import annotations

import pytest
import torch

from robust_core.attacks import AttackSettings
from robust_core.attacks.survival import survivors
from robust_core.evaluation.accuracy import measure
from robust_core.models import build
from robust_core.tallies import unpacked
from robust_core.types import ImageSet, Trace, UserError
from tests.conftest import TINY
from tests.evaluation.own import Brightness, greys


@pytest.fixture(name="greys")
def greys_() -> ImageSet:
    return greys()


def test_by_hand(greys: ImageSet) -> None:
    clean = measure(Brightness(), greys, None)
    assert (clean.correct, clean.n, clean.class_n, clean.class_correct) == (7, 8, (3, 5), (3, 4))
    assert clean.data_fingerprint == greys.fingerprint
    # 0.1 is 25.5 levels: 102 … 153 can be moved over one half (127.5), so 120, 135, 150 fall and 100, 175 stand.
    robust = measure(Brightness(), greys, AttackSettings(name="fgsm", eps=0.1))
    assert (robust.correct, robust.class_correct) == (4, (2, 2))
    assert robust.worst_class == pytest.approx(2 / 5)
    assert clean.marks
    assert robust.marks
    marks = [unpacked(measured.marks, 8) for measured in (clean, robust)]
    with torch.no_grad():
        right = Brightness()(greys.floats()).argmax(dim=1) == greys.labels
    assert marks[0].tolist() == [*right[greys.labels == 0].tolist(), *right[greys.labels == 1].tolist()]
    assert (marks[0] & ~marks[1]).sum() == 3
    assert measure(Brightness(), greys, None, n=2).class_n == (1, 1)


def test_n_out_of_range(greys: ImageSet) -> None:
    for n in (0, 9):
        with pytest.raises(UserError, match=r"n must be in \[1, 8\]"):
            measure(Brightness(), greys, None, n=n)


def test_batches_do_not_change_the_figure(small: ImageSet) -> None:
    net = build("residual", in_channels=1, num_classes=10, seed=0, **TINY).eval()
    some = small.subset(slice(0, 40))
    with torch.no_grad():
        net.linear.bias.sub_(net(some.floats()).mean(dim=0))  # type: ignore[union-attr]
        labels = net(some.floats()).argmax(dim=1)  # what it says is right, so that there is something to attack
    some = ImageSet(images=some.images, labels=labels, class_names=some.class_names, name="own answers")
    attack = AttackSettings(name="pgd", eps=0.02, steps=3)
    whole = survivors(net, some, attack, batch_size=40)
    assert 0 < int(whole.sum()) < 40
    assert torch.equal(whole, survivors(net, some, attack, batch_size=7))


def test_the_judge_has_the_last_word(greys: ImageSet) -> None:
    class Wrong(Brightness):
        def trace(self, x: torch.Tensor, *, routing: object = None) -> Trace:
            return Trace(logits=-super().trace(x).logits)

    assert int(survivors(Brightness(), greys, None).sum()) == 7
    assert int(survivors(Brightness(), greys, None, judge=Wrong()).sum()) == 1


def test_progress_is_told(greys: ImageSet) -> None:
    told: list[tuple[int, int]] = []
    survivors(Brightness(), greys, None, batch_size=3, progress=lambda done, n: told.append((done, n)))
    assert told == [(3, 8), (6, 8), (8, 8)]
