"""One HTML file with a leaderboard and its figures, that needs nothing else: plotly.js is in it, once."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.io import to_json
from plotly.offline import get_plotlyjs

from robust_core.charts.theme import DARK, FONT, LIGHT, Theme, alt, taken_along

# Whatever the file is made to hold, a browser loads nothing for it.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
STYLE = f"""
:root {{ color-scheme: light dark; --page: {LIGHT.page}; --ink: {LIGHT.ink}; --muted: {LIGHT.muted};
  --grid: {LIGHT.grid}; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --page: {DARK.page}; --ink: {DARK.ink}; --muted: {DARK.muted}; --grid: {DARK.grid}; }}
}}
body {{ font-family: {FONT.replace('"', "'")}; color: var(--ink); background: var(--page); margin: 2rem auto;
  max-width: 1180px; padding: 0 1.5rem; line-height: 1.5; }}
h1 {{ font-size: 1.7rem; }} h2 {{ font-size: 1.2rem; margin-top: 2.2rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 0.86rem; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--grid); vertical-align: top; }}
th {{ font-weight: 600; }} td:nth-child(-n + 2) {{ min-width: 4rem; }}
td.missing {{ color: var(--muted); font-style: italic; }}
p.told, li {{ color: var(--muted); font-size: 0.9rem; }}
"""
# A figure is drawn for light or for dark, as the reader's machine is, and again when that changes.
DRAW = """
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw(id, looks, config) {
  const drawn = () => Plotly.react(id, { ...(dark.matches ? looks.dark : looks.light), config });
  drawn();
  dark.addEventListener("change", drawn);
}
"""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page: a heading, figures or a table, and the sentences that say what the numbers are.

    drawn: each figure in the look it is asked for.
    """

    title: str
    drawn: Sequence[Callable[[Theme], go.Figure]] = ()
    headings: Sequence[str] = ()
    lines: Sequence[Sequence[str]] = ()
    told: Sequence[str] = ()


def page(title: str, sections: Sequence[Section], *, missing: Sequence[str] = ("not measured", "not checked")) -> str:
    """The file's text, light or dark as the reader's machine is. missing: cells set apart, as what is not known."""
    parts = [f"<h1>{html.escape(title)}</h1>"]
    count = 0
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        if section.headings:
            parts.append(_table(section.headings, section.lines, missing))
        for drawn in section.drawn:
            count += 1
            parts.append(_figure(f"figure-{count}", drawn, taken_along(f"figure {count}") | {"responsive": True}))
        parts += [f'<p class="told">{html.escape(sentence)}</p>' for sentence in section.told]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<link rel="icon" href="data:,"><title>{html.escape(title)}</title><style>{STYLE}</style>'
        f"<script>{get_plotlyjs()}</script><script>{DRAW}</script></head>\n<body>{''.join(parts)}</body></html>\n"
    )


def _figure(name: str, drawn: Callable[[Theme], go.Figure], config: Mapping[str, Any]) -> str:
    looks = {look.name: drawn(look) for look in (LIGHT, DARK)}
    told = ", ".join(f'"{look}": {_in_script(to_json(figure, validate=False))}' for look, figure in looks.items())
    sentence = html.escape(alt(looks["light"]), quote=True)
    return (
        f'<div role="img" aria-label="{sentence}"><div id="{name}"></div></div>'
        f'<script>draw("{name}", {{{told}}}, {_in_script(json.dumps(config))})</script>'
    )


def _in_script(text: str) -> str:
    """JSON that ends no script element, whatever people called their networks."""
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]], missing: Sequence[str]) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in headings)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=missing' if text in missing else ''}>{html.escape(text)}</td>" for text in line)
        + "</tr>"
        for line in lines
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
