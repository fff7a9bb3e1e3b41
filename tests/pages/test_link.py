"""The values that follow a visitor: only what fits is taken, whatever the URL says."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import link


def _page_with_a_list():
    """A field over a list of names, and something elsewhere that sets another list."""
    import streamlit as st

    from pages.ui import link

    link.arrive("page")
    if st.session_state.pop("elsewhere", False):
        link.write_several("names", ["c"])
    link.several("Names", {"a": "A", "b": "B", "c": "C"}, "names", ["a"], 3)


def _page_that_loses_a_value():
    """A value that the session holds and the URL does not, as after an interrupted run; then another is set."""
    import streamlit as st

    from pages.ui import link

    link.arrive("page")
    st.session_state["link"]["eps"] = "0.05"
    link.write("model", "a/b")


@pytest.mark.parametrize("text", ["", "nan", "inf", "-inf", "1e400", "0x10", "3,5", "-0.001", "0.3001", "ε"])
def test_numbers_out_of_range_are_not_taken(text):
    assert link.within(float, 0.0, 0.3)(text) is None


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("0.3", 0.3), ("1e-2", 0.01)])
def test_numbers_in_range_are(text, value):
    assert link.within(float, 0.0, 0.3)(text) == value


def test_whole_numbers_are_whole():
    assert link.within(int, 0, 9)("9") == 9
    assert link.within(int, 0, 9)("9.5") is None
    assert link.within(int, 0, 9)("10") is None


def test_names_and_titles_but_nothing_else():
    parse = link.one_of({"a/b": "PGD-AT"})
    assert parse("a/b") == "a/b"
    assert parse("PGD-AT") == "a/b"
    assert parse("pgd-at") is None


def _two_pages():
    """A page with its menu. What a fragment changes since the menu was drawn stands in the session."""
    import streamlit as st

    from pages.ui import link

    link.arrive(st.session_state.get("on", "first"))
    link.for_menu()


def said(app):
    """The address; what a test wrote is text there, what a page wrote may be a list of one."""
    return {key: text if isinstance(text, str) else text[0] for key, text in app.query_params.items()}


def test_a_link_of_the_menu_takes_nothing_back_that_a_fragment_has_changed():
    app = AppTest.from_function(_two_pages)
    app.query_params |= {"filter": "a:1", "at_step": "5"}
    app.run()
    app.session_state["link"]["filter"] = "b:2"  # another cell, and the film at its end
    del app.session_state["link"]["at_step"]
    app.session_state["on"] = "second"
    app.run()  # the address is the one the menu was drawn with
    assert said(app) == {"filter": "b:2"}


def test_any_other_link_says_what_it_says():
    app = AppTest.from_function(_two_pages)
    app.query_params["filter"] = "a:1"
    app.run()
    app.session_state["link"]["filter"] = "b:2"
    app.session_state["on"] = "second"
    app.query_params |= {"filter": "a:1", "index": "3"}
    app.run()
    assert said(app) == {"filter": "a:1", "index": "3"}


def test_what_is_done_to_an_outdated_list_is_not_taken():
    app = AppTest.from_function(_page_with_a_list).run()
    app.multiselect[0].set_value(["a", "b"]).run()
    assert app.query_params["names"] == "a,b"
    outdated = app.multiselect[0]
    app.session_state["elsewhere"] = True
    app.run()
    assert app.multiselect[0].value == ["c"]

    outdated.set_value(["a"]).run()  # in the field as it was before

    assert app.query_params["names"] == "c"
    assert app.multiselect[0].value == ["c"]


def test_a_value_that_the_url_lost_comes_back_with_the_next_one():
    app = AppTest.from_function(_page_that_loses_a_value).run()
    assert app.query_params == {"eps": "0.05", "model": "a/b"}
