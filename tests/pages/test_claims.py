"""What an imported card claims is said to be a claim wherever its figures are read out, and decides no order."""

from __future__ import annotations

from types import SimpleNamespace

from pages.ui.perturb_watch import told
from pages.ui.train_teachers import _good, _said
from robust_core.checkpoints import Checkpoint
from tests.evaluation import claims


def one(tmp_path, name: str, *right: int, claimed: bool) -> Checkpoint:
    made = [claims.measure(*right), claims.measure(*right, attack=claims.PGD)]
    measures = tuple(measure.model_copy(update={"claimed": claimed}) for measure in made)
    return Checkpoint(name=name, folder=tmp_path / name, card=claims.card(name, measures=measures))


def test_on_perturb_and_among_teachers(tmp_path):
    grand, honest = (
        one(tmp_path, "grand", 25, 25, 25, 25, claimed=True),
        one(tmp_path, "honest", 9, 9, 9, 9, claimed=False),
    )
    assert "its card claims" in told(SimpleNamespace(card=grand.card))
    assert "its card claims clean 100.0\u00a0%" in _said(grand)
    assert "claims" not in told(SimpleNamespace(card=honest.card)) + _said(honest)
    assert "clean 36.0\u00a0%" in _said(honest)


def test_the_best_teacher_is_one_that_was_measured(tmp_path):
    found = [
        one(tmp_path, "grand", 25, 25, 25, 25, claimed=True),
        one(tmp_path, "honest", 9, 9, 9, 9, claimed=False),
        one(tmp_path, "better", 20, 20, 20, 20, claimed=False),
    ]
    for role in ("clean", "robust"):
        best_first = sorted(found, key=lambda each: _good(role, each), reverse=True)
        assert [each.name for each in best_first] == ["better", "honest", "grand"]
