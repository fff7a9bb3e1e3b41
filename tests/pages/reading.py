"""What stands on Perturb, as a test reads it."""

from __future__ import annotations

import json

PERTURB = "pages/1_Perturb.py"


def player(app):
    """What the film player was given, or None where it is not on the page."""
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json) if element.proto.json else {}
        if "lanes" in data:
            return data
    return None


def captions(app):
    return " ".join(c.value for c in app.caption)
