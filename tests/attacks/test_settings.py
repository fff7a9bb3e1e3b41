from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from robust_core.attacks import ATTACKS, L2, AttackSettings, Linf
from robust_core.types import UserError


@pytest.mark.parametrize(
    ("given_settings", "line"),
    [
        (dict(name="pgd", eps=0.1), "PGD-20, L∞, ε = 0.1 (25.5/255), step 0.0125, 1 restart, seed 0"),
        (
            dict(name="pgd", eps="8/255", steps=50, step_size="2/255", restarts=5, seed=3),
            "PGD-50, L∞, ε = 0.03137 (8/255), step 0.007843, 5 restarts, seed 3",
        ),
        (dict(name="pgd", eps=0.1, random_start=False), "PGD-20, L∞, ε = 0.1 (25.5/255), step 0.0125, no random start"),
        (dict(name="fgsm", eps="8/255", steps=7), "FGSM, L∞, ε = 0.03137 (8/255)"),
        (dict(name="fgsm", norm="l2", eps=1.5), "FGSM, L2, ε = 1.5"),
        (
            dict(name="mi_fgsm", eps=0.1),
            "MI-FGSM-10, L∞, ε = 0.1 (25.5/255), step 0.025, momentum 1, no random start",
        ),
        (dict(name="cw", eps=0.1), "CW-30, L∞, ε = 0.1 (25.5/255), step 0.008333, κ = 50, 1 restart, seed 0"),
        (dict(name="apgd_ce", eps=0.1), "APGD-CE-100, L∞, ε = 0.1 (25.5/255), 1 restart, seed 0"),
        (dict(name="apgd_dlr_t", norm="l2", eps=0.5), "APGD-DLR-T-100, L2, ε = 0.5, 1 restart, seed 0"),
        (dict(name="square", eps=0.1, queries=5000), "Square, L∞, ε = 0.1 (25.5/255), 5000 queries, seed 0"),
    ],
)
def test_one_line_says_what_counts(given_settings: dict[str, Any], line: str) -> None:
    assert AttackSettings(**given_settings).describe() == line


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(name="pgd", eps=8), "eps must be in (0, 1]; got 8; did you mean 8/255?"),
        (dict(name="pgd", eps=-0.1), "eps must be in (0, 1]; got -0.1"),
        (dict(name="pgd", eps=300), "eps must be in (0, 1]; got 300"),
        (dict(name="pgd", eps=float("nan")), "eps must be in (0, 1]; got nan"),
        (dict(name="pgd", norm="l2", eps=float("inf")), "eps must be a number ≥ 0"),
        (dict(name="pgd", eps="8/0"), "eps must be a number or a fraction such as '8/255'; got '8/0'"),
        (dict(name="pgd", eps="much"), "eps must be a number or a fraction such as '8/255'; got 'much'"),
        (dict(name="pgd", eps=None), "eps must be a number; got None"),
        (dict(name="pgd", norm="l1"), "norm must be 'linf' or 'l2'; got 'l1'"),
        (dict(name="pgd", steps=0), "steps must be 1 or more; got 0"),
        (dict(name="pgd", steps="20"), "steps must be a whole number; got '20'"),
        (dict(name="pgd", steps=2.5), "steps must be a whole number; got 2.5"),
        (dict(name="pgd", steps=True), "steps must be a whole number; got True"),
        (dict(name="pgd", step_size=0.0), "step_size must be > 0"),
        (dict(name="pgd", step_size=2), "step_size must be in (0, 1]; got 2; did you mean 2/255?"),
        (dict(name="pgd", restarts=0), "restarts must be 1 or more; got 0"),
        (dict(name="pgd", restarts=2, random_start=False), "restarts=2 without a random start"),
        (dict(name="pgd", random_start="no"), "random_start must be true or false; got 'no'"),
        (dict(name="pgd", seed=-1), "seed must be in [0, 2^63); got -1"),
        (dict(name="cw", kappa=-1.0), "kappa must be a number ≥ 0; got -1"),
        (dict(name="mi_fgsm", momentum=float("inf")), "momentum must be a number ≥ 0; got inf"),
        (dict(name="square", queries=0), "queries must be 1 or more; got 0"),
        (dict(name="pdg"), "unknown attack 'pdg'; did you mean 'pgd'"),
        (dict(name=3), "name must be text; got 3"),
        (dict(eps=0.1), "name is missing; known: apgd_ce"),
        (dict(name="pgd", epz=0.1), "unknown setting of an attack 'epz'; did you mean 'eps'"),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        AttackSettings(**wrong)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_message_survives_inside_another_model() -> None:
    class Recipe(BaseModel):
        attack: AttackSettings

    with pytest.raises(ValidationError, match=r"eps must be in \(0, 1\]; got 8; did you mean 8/255\?"):
        Recipe.model_validate({"attack": {"name": "pgd", "eps": 8}})
    read = Recipe.model_validate({"attack": {"name": "pgd", "eps": "8/255"}})
    assert read.attack == AttackSettings(name="pgd", eps=8 / 255)
    assert Recipe.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize("name", ATTACKS.names())
def test_what_the_attack_does_not_use_does_not_count(name: str) -> None:
    plain = AttackSettings(name=name)
    odd = dict(steps=7, step_size=0.01, restarts=3, kappa=1.0, momentum=0.5, queries=9, random_start=True, seed=4)
    uses = ATTACKS[name].uses
    unused = {key: value for key, value in odd.items() if key not in uses}
    used = {key: value for key, value in odd.items() if key in uses and key != "random_start"}
    assert AttackSettings(name=name, **unused) == plain
    assert hash(AttackSettings(name=name, **unused)) == hash(plain)
    assert unused
    for key, value in used.items():
        extra = {"random_start": True} if key in ("restarts", "seed") and "random_start" in uses else {}
        assert AttackSettings(name=name, **{key: value}, **extra) != plain
    assert set(plain.to_dict()) <= {"name", "norm", "eps", *uses}


@given(
    name=st.sampled_from(ATTACKS.names()),
    norm=st.sampled_from(["linf", "l2"]),
    eps=st.floats(0, 1),
    steps=st.integers(1, 1000),
    step_size=st.one_of(st.none(), st.floats(1e-6, 1)),
    seed=st.integers(0, 2**63 - 1),
)
def test_json_and_dictionaries_give_the_same_settings_back(**values: Any) -> None:
    settings = AttackSettings(**values)
    assert AttackSettings.model_validate_json(settings.model_dump_json()) == settings
    assert AttackSettings(**settings.to_dict()) == settings
    assert None not in settings.to_dict().values()  # TOML has no null


def test_settings_are_frozen_and_replaced() -> None:
    settings = AttackSettings(name="pgd", eps=0.2, steps=7)
    with pytest.raises(ValidationError, match="frozen"):
        settings.eps = 0.3  # type: ignore[misc]
    changed = settings.replace(eps="4/255")
    assert (changed.eps, changed.steps, settings.eps) == (4 / 255, 7, 0.2)
    with pytest.raises(UserError, match="eps must be in"):
        settings.replace(eps=4)
    # Only what was asked for is carried over: the new attack keeps its own habits.
    assert settings.replace(name="mi_fgsm") == AttackSettings(name="mi_fgsm", eps=0.2, steps=7)
    assert not settings.replace(name="mi_fgsm").random_start


def test_the_ball_is_the_norm_s() -> None:
    assert AttackSettings(name="pgd", eps=0.2).ball == Linf(0.2)
    assert AttackSettings(name="pgd", eps=2.0, norm="l2").ball == L2(2.0)


def test_every_attack_declares_settings_that_exist() -> None:
    for name in ATTACKS.names():
        entry = ATTACKS[name]
        assert set(entry.uses) <= set(AttackSettings.model_fields)
        assert set(entry.norms) <= {"linf", "l2"}
        assert entry.label
    assert [name for name in ATTACKS.names() if not ATTACKS[name].white_box] == ["square"]
