"""Figures as pure functions: arrays in, Plotly figure (or uint8 pixels) out. `alt(figure)` says it in a sentence."""

from robust_core.charts.pictures import attribution_image, delta_picture, magnification, picture, reach
from robust_core.charts.prediction import probabilities
from robust_core.charts.progress import progress
from robust_core.charts.routes import route_change, type_bars
from robust_core.charts.surface import surface
from robust_core.charts.sweeps import epsilon_curve, transfer
from robust_core.charts.theme import DARK, LIGHT, Theme, alt, theme
from robust_core.charts.tradeoff import Checkpoint, tradeoff

__all__ = [
    "DARK",
    "LIGHT",
    "Checkpoint",
    "Theme",
    "alt",
    "attribution_image",
    "delta_picture",
    "epsilon_curve",
    "magnification",
    "picture",
    "probabilities",
    "progress",
    "reach",
    "route_change",
    "surface",
    "theme",
    "tradeoff",
    "transfer",
    "type_bars",
]
