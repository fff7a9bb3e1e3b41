"""Compare: the leaderboard from the cards, what speaks against its figures, and chosen networks side by side."""

import streamlit as st

from pages.ui import compare_classes, link
from pages.ui.compare_below import below, pick_chosen
from pages.ui.compare_cards import MOST, default_choice, open_cards, pick_board
from pages.ui.compare_scatter import names_on, pictures, points_of
from pages.ui.compare_table import table
from pages.ui.compare_take import take
from pages.ui.frame import frame, guarded

frame("Compare")
st.markdown("# Which network holds, and what does it cost?")
board = pick_board(open_cards())
first = default_choice(board.every)
shown = pick_chosen(board, first)
with guarded("Leaderboard"):
    table(shown)
with guarded("Pictures"):
    pictures(shown)
st.markdown("### Side by side")
with guarded():
    link.several("Networks compared", shown.titles(), "models", first, MOST, placeholder="Choose networks")
    below(shown)
st.markdown("### Take it home")
with guarded("Report"):
    take(shown, lambda: compare_classes.section(shown), points_of(shown), names_on(shown))
