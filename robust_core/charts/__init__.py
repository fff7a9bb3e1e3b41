"""Figures as pure functions: arrays in, Plotly figure (or uint8 pixels) out. `alt(figure)` says it in a sentence."""

from robust_core.charts.claims import Claimed, claims
from robust_core.charts.class_bars import class_bars
from robust_core.charts.compare import Counted, accuracy_curves, transfer_matrix
from robust_core.charts.compare_classes import ByClass, class_bars_of
from robust_core.charts.crowd import class_signals, code_map, expert_load, sankey, variance_shares
from robust_core.charts.curves import Told
from robust_core.charts.filters import distributions
from robust_core.charts.growing import Growing, training
from robust_core.charts.marks import Checkpoint
from robust_core.charts.over_training import balances, fairness
from robust_core.charts.pictures import attribution_image, delta_picture, magnification, picture, reach
from robust_core.charts.prediction import probabilities
from robust_core.charts.progress import progress
from robust_core.charts.route_maps import FAINT, change_order, route_over_steps, signal_maps
from robust_core.charts.routes import route_change, type_bars
from robust_core.charts.soft_labels import confusion, gains, soft_label_bars, soft_label_curves
from robust_core.charts.surface import surface
from robust_core.charts.sweeps import epsilon_curve, put_points, transfer
from robust_core.charts.temperatures import class_maps
from robust_core.charts.theme import DARK, LIGHT, Theme, alt, signed, taken_along, theme
from robust_core.charts.tradeoff import tradeoff
from robust_core.charts.worst_class import worst_against_average

__all__ = [
    "DARK",
    "FAINT",
    "LIGHT",
    "ByClass",
    "Checkpoint",
    "Claimed",
    "Counted",
    "Growing",
    "Theme",
    "Told",
    "accuracy_curves",
    "alt",
    "attribution_image",
    "balances",
    "change_order",
    "claims",
    "class_bars",
    "class_bars_of",
    "class_maps",
    "class_signals",
    "code_map",
    "confusion",
    "delta_picture",
    "distributions",
    "epsilon_curve",
    "expert_load",
    "fairness",
    "gains",
    "magnification",
    "picture",
    "probabilities",
    "progress",
    "put_points",
    "reach",
    "route_change",
    "route_over_steps",
    "sankey",
    "signal_maps",
    "signed",
    "soft_label_bars",
    "soft_label_curves",
    "surface",
    "taken_along",
    "theme",
    "tradeoff",
    "training",
    "transfer",
    "transfer_matrix",
    "type_bars",
    "variance_shares",
    "worst_against_average",
]
