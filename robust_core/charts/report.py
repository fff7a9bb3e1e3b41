"""One HTML file with a leaderboard and its figures, that needs nothing else: plotly.js is in it, once."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from robust_core.charts.theme import FONT, alt, taken_along

# Whatever the file is made to hold, a browser loads nothing for it.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
STYLE = f"""
body {{ font-family: {FONT.replace('"', "'")}; color: #262730; background: #fff; margin: 2rem auto; max-width: 1180px;
  padding: 0 1.5rem; line-height: 1.5; }}
h1 {{ font-size: 1.7rem; }} h2 {{ font-size: 1.2rem; margin-top: 2.2rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 0.86rem; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid #e3e6eb; vertical-align: top; }}
th {{ font-weight: 600; }} td:nth-child(-n + 2) {{ min-width: 4rem; }}
td.missing {{ color: #5b6472; font-style: italic; }}
p.told, li {{ color: #5b6472; font-size: 0.9rem; }}
"""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page: a heading, figures or a table, and the sentences that say what the numbers are."""

    title: str
    figures: Sequence[go.Figure] = ()
    headings: Sequence[str] = ()
    lines: Sequence[Sequence[str]] = ()
    told: Sequence[str] = ()


def page(title: str, sections: Sequence[Section], *, missing: Sequence[str] = ("not measured", "not checked")) -> str:
    """The file's text. missing: cells that are set apart, as what is not known. Figures are best drawn in LIGHT."""
    parts = [f"<h1>{html.escape(title)}</h1>"]
    count = 0
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        if section.headings:
            parts.append(_table(section.headings, section.lines, missing))
        for figure in section.figures:
            count += 1
            drawn = to_html(figure, full_html=False, include_plotlyjs=False, div_id=f"figure-{count}",
                            config=taken_along(f"figure {count}") | {"responsive": True})  # fmt: skip
            sentence = html.escape(alt(figure), quote=True)
            parts.append(f'<div role="img" aria-label="{sentence}">{drawn}</div>')
        parts += [f'<p class="told">{html.escape(sentence)}</p>' for sentence in section.told]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<link rel="icon" href="data:,"><title>{html.escape(title)}</title><style>{STYLE}</style>'
        f"<script>{get_plotlyjs()}</script></head>\n<body>{''.join(parts)}</body></html>\n"
    )


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]], missing: Sequence[str]) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in headings)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=missing' if text in missing else ''}>{html.escape(text)}</td>" for text in line)
        + "</tr>"
        for line in lines
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
