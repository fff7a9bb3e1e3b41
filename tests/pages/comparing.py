"""What stands on Compare, as a test reads it, and cards changed under it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from robust_core.checkpoints import CARD, Card, write_card

COMPARE = "pages/5_Compare.py"
AW, PGD, STANDARD = (f"fashion_mnist/{name}" for name in ("aw_net", "pgd_at", "standard"))


def board(app):
    """What the table was given."""
    for element in app.get("bidi_component"):
        found = json.loads(element.proto.json) if element.proto.json else {}
        if "columns" in found:
            return found
    return None


def rows(app):
    """Title → words of its cells by column."""
    found = board(app)
    keys = [column["key"] for column in found["columns"]]
    return {row["title"]: dict(zip(keys, row["cells"], strict=True)) for row in found["rows"]}


def plain(text):
    """Markdown as people see it, where nothing but backslashes disarms it."""
    return re.sub(r"\\([^\w\s]|_)", r"\1", text)


def said(app):
    every = [*app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.success]
    return " ".join([*(plain(one.value) for one in every), *(h.proto.body for h in app.get("html"))])


def chart(app, key):
    hits = [e for e in app.get("plotly_chart") if e.proto.id.endswith(key)]
    assert len(hits) == 1, (key, [e.proto.id for e in app.get("plotly_chart")])
    return json.loads(hits[0].proto.spec)


def alt(app, key):
    return chart(app, key)["layout"]["meta"]["alt"]


def change(folder: Path, **settings: object) -> Card:
    card = Card.model_validate_json((folder / CARD).read_bytes()).model_copy(update=settings)
    write_card(folder, card)
    return card
