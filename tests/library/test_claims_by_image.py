"""Claims answered by cards that know which images they got right: image by image."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from robust_core.attacks import AttackSettings
from robust_core.cards import Measure
from robust_core.library.claims import Claim, verdict
from tests.evaluation.claims import DATA, PGD, PRINT, card
from tests.library.test_claims import answered, listed


def judged(right: np.ndarray, attack: AttackSettings | None) -> Measure:
    labels = np.arange(1000) % 4
    return Measure.counted(right, labels, 4, attack=attack, data_name=DATA, data_fingerprint=PRINT, seconds=1.0)


@pytest.mark.parametrize("what", ["w_robust", "worst_class", "nsd"])
def test_cards_that_know_their_images_are_compared_image_by_image(tmp_path: Path, what: str) -> None:
    hard = np.random.default_rng(0).random(1000) + 0.1 * (np.arange(1000) % 4 == 3)
    every = [
        listed(tmp_path / method, card(method=method, measures=(judged(hard < 0.8, None), judged(hard < share, PGD))))
        for method, share in (("b_mtard", 0.56), ("mtard", 0.54))
    ]
    claim = Claim(method="b_mtard", rival="mtard", what=what)  # type: ignore[arg-type]
    sharp = answered(verdict(claim, every)).by
    measures = tuple(m.model_copy(update={"right": ""}) for m in every[1].card.measures)
    every[1] = listed(tmp_path / "counts", card(method="mtard", measures=measures))
    blunt = answered(verdict(claim, every)).by
    assert (sharp.paired, blunt.paired) == (True, False)
    assert sharp.gain == pytest.approx(blunt.gain)
    assert sharp.high - sharp.low < (blunt.high - blunt.low) / 2
    assert sharp.low <= sharp.gain <= sharp.high
    if what == "w_robust":
        each = 0.5 * ((hard < 0.56) & (hard >= 0.54))
        assert (sharp.low, sharp.high) == pytest.approx(
            tuple(each.mean() + z * each.std(ddof=1) / math.sqrt(1000) for z in (-1.96, 1.96))
        )
