"""Claims answered by cards that know which images they got right: image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robust_core.attacks import AttackSettings
from robust_core.cards import Measure
from robust_core.evaluation.paired import gap_between_classes, gap_of_means
from robust_core.library.claims import Claim, verdict
from tests.evaluation.claims import DATA, PGD, PRINT, card
from tests.library.test_claims import answered, listed


def judged(right: np.ndarray, attack: AttackSettings | None) -> Measure:
    labels = np.arange(2000) % 4
    return Measure.counted(right, labels, 4, attack=attack, data_name=DATA, data_fingerprint=PRINT, seconds=1.0)


@pytest.mark.parametrize("what", ["w_robust", "worst_class", "nsd"])
def test_cards_that_know_their_images_are_compared_image_by_image(tmp_path: Path, what: str) -> None:
    # The last class is the hardest; B-MTARD is right on more of its images.
    hard = np.random.default_rng(0).random(2000) + 0.3 * (np.arange(2000) % 4 == 3)
    easier = hard - 0.05 * (np.arange(2000) % 4 == 3)
    rights = {"b_mtard": easier < 0.6, "mtard": hard < 0.6}
    every = [
        listed(tmp_path / method, card(method=method, measures=(judged(hard < 0.9, None), judged(right, PGD))))
        for method, right in rights.items()
    ]
    claim = Claim(method="b_mtard", rival="mtard", what=what)  # type: ignore[arg-type]
    sharp = answered(verdict(claim, every))
    measures = tuple(m.model_copy(update={"marks": None}) for m in every[1].card.measures)
    every[1] = listed(tmp_path / "counts", card(method="mtard", measures=measures))
    blunt = answered(verdict(claim, every))
    assert (sharp.by.paired, blunt.by.paired) == (True, False)
    assert (sharp.answer, blunt.answer) == ("holds", "undecided")
    assert sharp.by.gain == pytest.approx(blunt.by.gain)
    clean, ours, theirs = (judged(right, PGD) for right in (hard < 0.9, *rights.values()))
    expected = {
        "w_robust": gap_of_means((clean, ours), (clean, theirs)),
        "worst_class": gap_between_classes("worst_class", ours, theirs),
        "nsd": gap_between_classes("nsd", theirs, ours),
    }[what]
    assert (sharp.by.low, sharp.by.high) == pytest.approx(expected)
    assert sharp.by.low < sharp.by.gain < sharp.by.high
