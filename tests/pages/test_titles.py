"""What somebody called a network is shown as text on every page: nothing in it is fetched."""

from __future__ import annotations

import re

import pytest

from tests.pages.comparing import AW, PGD, STANDARD, change

NASTY = "# ![x](https://example.invalid/x.png) **b**"
MARKDOWN = ("markdown", "caption", "info", "warning", "error", "success", "button")


def live_markdown(app) -> list[str]:
    """Texts that Streamlit reads as Markdown and in which the title's picture would be fetched."""
    texts = [one.label if kind == "button" else one.value for kind in MARKDOWN for one in app.get(kind)]
    texts += [one.proto.label for kind in ("page_link", "download_button") for one in app.get(kind)]
    return [text for text in texts if re.search(r"(?<!\\)!\[x|\*\*b", text)]


@pytest.mark.parametrize(
    ("page", "chosen"),
    [
        ("app.py", {}),
        *(
            ("pages/1_Perturb.py", {"versus": STANDARD, "closer": closer, "steps": "2"})
            for closer in ("smallest", "transfer", "attributions", "surface", "export")
        ),
        *(("pages/2_Routing.py", {"model": AW, "ask": asked, "steps": "2"}) for asked in ("override", "weights")),
        ("pages/2_Routing.py", {"model": PGD}),
        *(("pages/3_Temperatures.py", {"model": PGD, "versus": AW, "ask": asked}) for asked in ("pair", "bench")),
        ("pages/4_Train.py", {}),
        *(
            ("pages/5_Compare.py", {"compare": opened})
            for opened in ("eps", "classes", "transfer", "doubts", "missing")
        ),
        ("pages/6_Library.py", {"model": PGD}),
    ],
)
def test_a_title_is_text(open_page, zoo, page, chosen):
    for name in (AW, PGD, STANDARD):
        change(zoo / name, title=f"{NASTY} {name[-3:]}")  # of one title for all, pages show the folders' names
    app = open_page(page, **chosen)
    assert not app.exception
    assert live_markdown(app) == []
    assert not any('<img src="http' in one.proto.body for one in app.get("html"))
