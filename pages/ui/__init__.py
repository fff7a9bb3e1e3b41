"""Everything that knows Streamlit: the frame of a page, served networks, pickers, and the sections of the pages."""
