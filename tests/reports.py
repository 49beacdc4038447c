"""A report's HTML, read back by Python's own parser."""

import json
from html.parser import HTMLParser
from typing import Any

VOID = ("meta", "img")


class Report(HTMLParser):
    """What stands in a report.

    Attributes:
        texts: Tag, or tag and class ("p.answer") -> the texts of its elements.
        tables: Each as its rows.
        figures: Each figure's name -> what plotly is to draw; of one name the last.
        attributes: All (tag, attribute, value).
    """

    def __init__(self, content: str) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self.tables: list[list[list[str]]] = []
        self.figures: dict[str, Any] = {}
        self.attributes: list[tuple[str, str, str | None]] = []
        self._open: list[str] = []
        self._name = ""
        self._text = ""
        self.feed(content)
        assert self._open == [], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag in VOID:
            return
        found = dict(attrs)
        self._open.append(f"{tag}.{found['class']}" if found.get("class") else tag)
        self._name = str(found.get("data-name", self._name))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        self._text = ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        name = self._open.pop()
        assert name.partition(".")[0] == tag, f"{tag} ends where {name} is open"
        self.texts.setdefault(name, []).append(self._text)
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self._text)
        if tag == "script" and self._open[-1].startswith("div.figure"):
            self.figures[self._name] = json.loads(self._text)
        self._text = ""
