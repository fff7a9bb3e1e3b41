"""Attacks: pure functions of (model, images, labels, ball, generator), and the registry that names them."""

from robust_core.attacks.apgd import apgd
from robust_core.attacks.balls import BALLS, L2, Ball, Linf, quantise
from robust_core.attacks.gradient import cw_pgd, fgsm, mi_fgsm, pgd
from robust_core.attacks.losses import margin
from robust_core.attacks.minimal import Smallest, smallest_eps
from robust_core.attacks.noise import Noise
from robust_core.attacks.run import run
from robust_core.attacks.settings import ATTACKS, Attack, AttackSettings
from robust_core.attacks.square import square
from robust_core.attacks.steps import OnStep, Step

__all__ = [
    "ATTACKS",
    "BALLS",
    "L2",
    "Attack",
    "AttackSettings",
    "Ball",
    "Linf",
    "Noise",
    "OnStep",
    "Smallest",
    "Step",
    "apgd",
    "cw_pgd",
    "fgsm",
    "margin",
    "mi_fgsm",
    "pgd",
    "quantise",
    "run",
    "smallest_eps",
    "square",
]
