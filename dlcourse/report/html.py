"""HTML from Python: elements, tables, figures, and the whole file, which asks for nothing over the network."""

import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from dlcourse.tensorboard_tab.axes import Figure

# The browser itself holds the file to this: nothing is loaded, and nothing sent.
_NOTHING_FROM_OUTSIDE = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def element(tag: str, *content: str, kind: str = "") -> str:
    """An element.

    Args:
        tag: Its name.
        *content: HTML; what is text goes through `text` first.
        kind: Its class.
    """
    attribute = f' class="{kind}"' if kind else ""
    return f"<{tag}{attribute}>{''.join(content)}</{tag}>"


def text(value: object) -> str:
    """Text as HTML, with what has a meaning in it escaped."""
    return escape(str(value))


def said(tag: str, value: object, kind: str = "") -> str:
    """An element that holds text only."""
    return element(tag, text(value), kind=kind)


def listed(lines: Iterable[str]) -> str:
    """A list of lines of text; nothing if there are none."""
    items = [said("li", line) for line in lines]
    return element("ul", *items) if items else ""


def table(head: Sequence[str], rows: Iterable[Sequence[object]], kind: str = "") -> str:
    """A table of text.

    Args:
        head: The headings of its columns; none if it needs none.
        rows: The entries.
        kind: Its class.
    """
    top = element("thead", element("tr", *(said("th", entry) for entry in head))) if head else ""
    body = [element("tr", *(said("td", entry) for entry in row)) for row in rows]
    return element("table", top, element("tbody", *body), kind=kind)


def figure(kind: str, name: str, content: Figure, change: dict[str, Any] | None = None) -> str:
    """A place in which the page's script draws a figure of plotly.

    Args:
        kind: "wide" if it takes a whole row, "tall" if it is as high as it is wide.
        name: What is in it: "metric".
        content: The figure.
        change: What the page's script changes in it, as a frame of the tab's film does: `data`, `layout` and `traces`.
    """
    # In a script element only "</script" and "<!--" have a meaning: no "<" is left.
    data = json.dumps({**content, "change": change}, allow_nan=False, separators=(",", ":")).replace("<", r"\u003c")
    return (
        f'<div class="figure {kind}" data-name="{escape(name)}"><script type="application/json">{data}</script></div>'
    )


def whole(title: str, parts: Iterable[str]) -> str:
    """The file.

    Args:
        title: What stands on the browser's tab.
        parts: What stands in it; plotly's script is there if one of them is a figure.
    """
    body = "\n".join(parts)
    here = Path(__file__).parent
    scripts = []
    if '<div class="figure' in body:
        plotly = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
        scripts = [plotly, (here / "script.js").read_text(encoding="utf-8")]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_NOTHING_FROM_OUTSIDE}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="generator" content="dlcourse-report">',
            said("title", title),
            element("style", (here / "style.css").read_text(encoding="utf-8")),
            "</head>\n<body>",
            body,
            *(element("script", script) for script in scripts),
            "</body>\n</html>\n",
        ]
    )
