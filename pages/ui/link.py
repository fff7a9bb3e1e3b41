"""What a visitor has chosen: one set of values that follows them over all pages and lives in the URL.

Values are kept as the text that stands in the URL and are checked each time they are read: nonsense, from wherever,
falls back to the default and leaves the URL. A key that no page reads changes nothing: it stays in the URL and goes
along to the other pages, for it may be theirs. Values of more than 200 characters are not taken, lists of names of
more than 2,000.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

T = TypeVar("T")
_KEPT, _PAGE, _MENU = "link", "link_page", "link_menu"
MOST, LISTS = 200, {"models": 2000}  # characters of a value
AT = "at_step"  # where the film of an attack is stopped, on whichever page; left out at its end
LAST = 10**6  # no attack has so many steps or queries


def arrive(page: str) -> None:
    """Takes what the URL says, on a visitor's first run of a page; later on the URL may lag behind.

    Where they have gone back or forward, what it leaves out is the default again. A link of the menu leads to another
    page and says nothing else: what it was drawn with may be older than what a fragment has changed since.
    """
    if st.session_state.get(_PAGE) == page and not returned():
        return
    st.session_state[_PAGE] = page
    kept = _values()
    if returned():
        kept.clear()
    said = {key: st.query_params[key] for key in st.query_params}
    if returned() or said != st.session_state.get(_MENU):
        kept.update({key: text for key, text in said.items() if len(text) <= LISTS.get(key, MOST)})
    elif outdated := [key for key in said if key not in kept]:
        for key in outdated:
            del st.query_params[key]
    _tell()


def returned() -> bool:
    """Did the browser's Back or Forward lead to this run? What it writes into the URL makes no entry of its own."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def read(key: str, default: T, parse: Callable[[str], T | None]) -> T:
    """The value, as `parse` takes it; the default where there is none or parse gives None."""
    text = _values().get(key)
    if text is None:
        return default
    value = parse(text)
    if value is None:
        forget(key)
        return default
    return value


def write(key: str, text: str) -> None:
    """Sets a value, in the session and in the URL."""
    _values()[key] = text
    _tell()


def forget(key: str) -> None:
    """Back to the default."""
    _values().pop(key, None)
    if key in st.query_params:
        del st.query_params[key]
    _tell()


def params() -> dict[str, str]:
    """All values, for a link to another page."""
    return dict(_values())


def for_menu() -> dict[str, str]:
    """All values, as the menu's links are drawn with them."""
    st.session_state[_MENU] = params()
    return params()


def at_step() -> int | None:
    """Where the attack's film is stopped, None at its end."""
    return read(AT, None, within(int, 0, LAST))


def rest_at(step: object) -> None:
    """Keeps where a film's player says that it rests; whatever is no step is its end."""
    if isinstance(step, int) and 0 <= step <= LAST:
        write(AT, str(step))
    else:
        forget(AT)


def select(label: str, options: Mapping[str, str], key: str, default: str, **settings: object) -> str:
    """A select box over name → title."""
    return _widget(
        st.selectbox,
        label,
        key,
        default,
        one_of(options),
        list(options),
        format_func=lambda name: options.get(name, name),
        **settings,
    )


def segments(label: str, options: Mapping[str, str], key: str, default: str, **settings: object) -> str:
    """A row of buttons over name → title, one of them always on."""
    return _widget(
        st.segmented_control, label, key, default, one_of(options), list(options),
        format_func=lambda name: options.get(name, name), required=True, **settings,
    )  # fmt: skip


def maybe(label: str, options: Mapping[str, str], key: str, **settings: object) -> str | None:
    """A row of buttons over name → title, at most one of them on."""
    return _widget(
        st.segmented_control, label, key, None, one_of(options), list(options),
        format_func=lambda name: options.get(name, name), **settings,
    )  # fmt: skip


def several(
    label: str, options: Mapping[str, str], key: str, default: Sequence[str], most: int, **settings: object
) -> list[str]:
    """A multi-select over name → title, of at most `most`."""
    names = read(key, list(default), some_of(options, most))
    # A list that was changed elsewhere gets a field of its own: what a browser still says of the old one is outdated.
    shown = st.session_state.setdefault(f"shown_{key}", {"names": names, "turn": 0})
    if shown["names"] != names:
        shown |= {"names": names, "turn": shown["turn"] + 1}
    turn = shown["turn"]
    widget = f"w_{key}_{turn}"
    st.session_state[widget] = names

    def changed() -> None:
        if turn == shown["turn"]:  # Streamlit still calls this for a field that is no longer there
            shown["names"] = st.session_state[widget]
            write_several(key, shown["names"])

    return st.multiselect(
        label, list(options), key=widget, on_change=changed, max_selections=most,
        format_func=lambda name: options.get(name, name), **settings,
    )  # fmt: skip


def write_several(key: str, names: Sequence[str]) -> None:
    """Sets a list of names; none at all is the default again."""
    if names:
        write(key, listed(names))
    else:
        forget(key)


def slider(label: str, low: T, high: T, step: T, key: str, default: T, **settings: object) -> T:
    """A slider over whole numbers or over decimals, by the type of `low`."""
    parse = within(type(low), low, high)
    return _widget(st.slider, label, key, default, parse, low, high, step=step, **settings)


def number(label: str, low: T, high: T, step: T, key: str, default: T, **settings: object) -> T:
    """A number to type, whole or decimal by the type of `low`."""
    parse = within(type(low), low, high)
    return _widget(st.number_input, label, key, default, parse, low, high, step=step, **settings)


def toggle(label: str, key: str, default: bool, **settings: object) -> bool:
    return _widget(st.toggle, label, key, default, {"1": True, "0": False}.get, **settings)


def one_of(options: Mapping[str, str]) -> Callable[[str], str | None]:
    """Takes a name, or its title where a hand wrote that."""
    titles = {title: name for name, title in options.items()}
    return lambda text: text if text in options else titles.get(text)


def listed(names: Sequence[str]) -> str:
    """Names of checkpoints as one text, the folder told where it changes: "fashion_mnist/pgd_at,aw_net"."""
    said, folder = [], None
    for name in names:
        place, _, last = name.rpartition("/")
        said.append((last if place == folder and last else name).replace(",", "%2C"))
        folder = place
    return ",".join(said)


def some_of(options: Mapping[str, str], most: int) -> Callable[[str], list[str] | None]:
    """Takes such a text: the names known, each once, at most so many; None where it knows none of them."""

    def parse(text: str) -> list[str] | None:
        names, folder = [], ""
        for part in text.split(","):
            name = part.replace("%2C", ",")
            name = name if "/" in name or not folder else f"{folder}/{name}"
            folder = name.rpartition("/")[0]
            if name in options and name not in names:
                names.append(name)
        return names[:most] or None

    return parse


def within(kind: type[T], low: T, high: T) -> Callable[[str], T | None]:
    """Takes a number from low to high, the ends included."""

    def parse(text: str) -> T | None:
        try:
            value = kind(text)
        except (ValueError, OverflowError):
            return None
        return value if low <= value <= high else None  # NaN is in no range

    return parse


def _widget(make, label, key, default, parse, *args, **settings):
    widget = f"w_{key}"
    # The session's value rules: it may have come from the URL, from another page or from a click elsewhere.
    st.session_state[widget] = read(key, default, parse)
    return make(label, *args, key=widget, on_change=_changed, args=(key, widget, default), **settings)


def _changed(key: str, widget: str, default: object) -> None:
    value = st.session_state[widget]
    if value == default:
        forget(key)
    else:
        write(
            key,
            str(int(value)) if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value),
        )


def _tell() -> None:
    """All values, for a run that was interrupted may have left one out of the URL."""
    missing = {key: text for key, text in _values().items() if st.query_params.get(key) != text}
    if missing:
        st.query_params.update(missing)


def _values() -> dict[str, str]:
    return st.session_state.setdefault(_KEPT, {})
