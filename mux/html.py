"""A page of rows with their colours: one file without scripts, and without anything from elsewhere. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from html import escape

from .foreign import UNSAFE
from .redact import NOTHING, Redaction, Redactor
from .sgr import BASIC, PLAIN, Colour, Rgb, Style, rgb, runs

FOREGROUND: Rgb = (0xC8, 0xC8, 0xC8)
BACKGROUND: Rgb = (0x14, 0x14, 0x14)

_SAFE_LINK = re.compile(r"(?:https?://|mailto:)[!-~\xa1-\U0010ffff]+", re.IGNORECASE)
_UNSEEN = re.compile(f"(?![\t\n])[{UNSAFE}]")
_UNDERLINES = ("", "solid", "double", "wavy", "dotted", "dashed")


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


_CSS = f"""
html {{ background: {_hex(BACKGROUND)}; color: {_hex(FOREGROUND)}; color-scheme: dark }}
body {{ margin: 1em }}
h1 {{ font: bold 1em sans-serif; margin: 0 0 1em }}
pre {{ font: 14px/1.17 "DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace; margin: 0; tab-size: 8 }}
pre a {{ color: inherit }}
.w {{ display: inline-block; width: 2ch; height: 1.17em; overflow: hidden; vertical-align: bottom; text-align: center }}
.B {{ font-weight: bold }}
.I {{ font-style: italic }}
""" + "".join(f".f{i} {{ color: {_hex(c)} }}\n.b{i} {{ background: {_hex(c)} }}\n" for i, c in enumerate(BASIC))

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<h1>{title}</h1>
<pre>
"""
_TAIL = "</pre>\n</body>\n</html>\n"


def page(title: str, rows: Iterable[str], redaction: Redaction = NOTHING) -> Iterator[str]:
    """Yield the page in pieces, about one for a row.

    Args:
        rows: styled, as ``Screen.text_rows`` gives them.
        redaction: applied to text, the title and where links lead.
    """
    yield _HEAD.format(title=escape(_printable(redaction.text(title))), css=_CSS)
    redactor: Redactor[Style] = Redactor(redaction)
    for row in rows:
        for style, text in runs(row):
            for known in redactor.feed(style, text):
                yield _span(*known, redaction)
        for known in redactor.feed(PLAIN, "\n"):
            yield _span(*known, redaction)
    for known in redactor.flush():
        yield _span(*known, redaction)
    yield _TAIL


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _span(style: Style, text: str, redaction: Redaction) -> str:
    """Return text as it looks."""
    if style.invisible:
        text = re.sub(r"\S", " ", text)
    body = _columns(_UNSEEN.sub("", text))
    if style == PLAIN or not text:
        return body
    classes, declarations = _look(style)
    if style.strike:
        body = f"<s>{body}</s>"  # of its own: a line through is never wavy
    attributes = f' class="{" ".join(classes)}"' if classes else ""
    attributes += f' style="{";".join(declarations)}"' if declarations else ""
    if style.link and _SAFE_LINK.fullmatch(link := redaction.text(style.link)):
        return f'<a href="{escape(link)}" rel="noopener noreferrer"{attributes}>{body}</a>'
    return f"<span{attributes}>{body}</span>" if attributes else body


def _look(style: Style) -> tuple[list[str], list[str]]:
    """Return the classes and declarations of a style."""
    classes = [name for name, on in (("B", style.bold), ("I", style.italic)) if on]
    declarations = []
    front: Colour | None = style.foreground
    back: Colour | None = style.background
    if style.inverse:
        front, back = BACKGROUND if back is None else back, FOREGROUND if front is None else front
    if style.faint:
        front = _between(FOREGROUND if front is None else rgb(front), BACKGROUND if back is None else rgb(back))
    for colour, letter, name in ((front, "f", "color"), (back, "b", "background")):
        if isinstance(colour, int) and colour < 16:
            classes.append(f"{letter}{colour}")
        elif colour is not None:
            declarations.append(f"{name}:{_hex(rgb(colour))}")
    lines = " ".join(name for name, on in (("underline", style.underline), ("overline", style.overline)) if on)
    if lines:
        ink = "" if style.underline_colour is None else " " + _hex(rgb(style.underline_colour))
        declarations.append(f"text-decoration:{lines} {_UNDERLINES[style.underline] or 'solid'}{ink}")
    return classes, declarations


def _between(front: Rgb, back: Rgb) -> Rgb:
    red, green, blue = ((3 * a + 2 * b) // 5 for a, b in zip(front, back, strict=True))
    return red, green, blue


def _columns(text: str) -> str:
    """Return text in which characters of two columns are as wide as two, whatever font they come from."""
    if text.isascii():
        return escape(text)
    out: list[str] = []
    for cluster in _clusters(text):
        wide = unicodedata.east_asian_width(cluster[0]) in "WF"
        out.append(f'<span class="w">{escape(cluster)}</span>' if wide else escape(cluster))
    return "".join(out)


def _clusters(text: str) -> Iterator[str]:
    """Yield characters with what is drawn on them: marks, joiners, selectors."""
    cluster = ""
    for character in text:
        if cluster and unicodedata.category(character) in ("Mn", "Me", "Cf"):
            cluster += character
            continue
        if cluster:
            yield cluster
        cluster = character
    if cluster:
        yield cluster
