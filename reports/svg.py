"""The few SVG shapes that the timeline needs, with escaped text and an honest estimate of text widths.

All lengths are in SVG user units (px at 100 %).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

FONT = "DejaVu Sans, Verdana, Arial, sans-serif"
# Widths in em of DejaVu Sans, the widest of the fonts in FONT: an estimate may be too big, never too small.
_NARROW, _WIDE = set("iljtfrI.,:;'|!()[] /-"), set("mwMW@%+=<>~→±")
_NARROW_EM, _WIDE_EM, _UPPER_EM, _USUAL_EM, _FULL_EM = 0.42, 0.98, 0.76, 0.64, 1.05
_BOLD = 1.12
# XML 1.0 has no way to write these, not even escaped: a picture with one of them would not open at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def clean(text: object) -> str:
    """``text`` as one line of characters that XML can hold (not escaped yet)."""
    return _FORBIDDEN.sub("\ufffd", " ".join(str(text).split()))


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide ``text`` is at most when it is drawn at font ``size`` (px)."""
    total = 0.0
    for char in text:
        if unicodedata.east_asian_width(char) in "WF":
            total += _FULL_EM
        elif char in _WIDE:
            total += _WIDE_EM
        elif char in _NARROW:
            total += _NARROW_EM
        else:
            total += _UPPER_EM if char.isupper() else _USUAL_EM
    return total * size * (_BOLD if bold else 1.0)


def fit(text: str, width: float, size: float, bold: bool = False) -> str:
    """``text``, or as much of it as fits into ``width`` (px) with an ellipsis; "" if not even that fits."""
    text = clean(text)
    if text_width(text, size, bold) <= width:
        return text
    while text and text_width(text + "…", size, bold) > width:
        text = text[:-1]
    return text.rstrip() + "…" if text.strip() else ""


def wrap(text: str, width: float, size: float, lines: int) -> list[str]:
    """``text`` in at most ``lines`` lines of ``width`` (px), broken between words; the last is cut to fit."""
    words, done, current = clean(text).split(), [], ""
    for index, word in enumerate(words):
        longer = f"{current} {word}".strip()
        if current and text_width(longer, size) > width:
            if len(done) == lines - 1:
                return [*done, fit(" ".join([current, *words[index:]]), width, size)]
            done.append(fit(current, width, size))
            longer = word
        current = longer
    return [*done, fit(current, width, size)] if current else done


def number(value: float) -> str:
    """A coordinate with no more digits than an eye can see."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _attributes(values: dict[str, object]) -> str:
    parts = []
    for name, value in values.items():
        if value is not None:
            shown = number(value) if isinstance(value, float) else clean(value)
            parts.append(f" {name.replace('_', '-')}={quoteattr(shown)}")
    return "".join(parts)


@dataclass(slots=True)
class Canvas:
    """Shapes in the order in which they are drawn: ``back`` lies behind ``front``."""

    back: list[str] = field(default_factory=list)
    front: list[str] = field(default_factory=list)

    def rect(self, x: float, y: float, width: float, height: float, fill: str, *, tip: str = "",
             behind: bool = False, **style: object) -> None:
        """A rectangle; ``tip`` is shown under the mouse pointer."""
        shape = {"x": x, "y": y, "width": max(width, 0.0), "height": height, "fill": fill}
        self._put(f"<rect{_attributes({**shape, **style})}", "rect", tip, behind)

    def line(self, x1: float, y1: float, x2: float, y2: float, stroke: str, *, behind: bool = False,
             **style: object) -> None:
        """A straight line."""
        body = _attributes({"x1": x1, "y1": y1, "x2": x2, "y2": y2, "stroke": stroke, **style})
        self._put(f"<line{body}", "line", "", behind)

    def path(self, d: str, *, tip: str = "", behind: bool = False, **style: object) -> None:
        """A path; ``d`` is SVG path data."""
        self._put(f"<path{_attributes({'d': d, **style})}", "path", tip, behind)

    def text(self, x: float, y: float, text: str, size: float, *, bold: bool = False, anchor: str = "start",
             fill: str = "#111", **style: object) -> None:
        """One line of text, its base line at ``y``; the text is escaped here."""
        body = _attributes({"x": x, "y": y, "font_size": size, "fill": fill,
                            "font_weight": "bold" if bold else None,
                            "text_anchor": None if anchor == "start" else anchor, **style})
        self.front.append(f"<text{body}>{escape(clean(text))}</text>")

    def _put(self, opening: str, tag: str, tip: str, behind: bool) -> None:
        shape = f"{opening}><title>{escape(clean(tip))}</title></{tag}>" if tip else f"{opening}/>"
        (self.back if behind else self.front).append(shape)

    def document(self, width: float, height: float, title: str, definitions: str) -> str:
        """The whole SVG text, on white, so that it also reads on a dark page."""
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{number(width)}" height="{number(height)}" '
                f'viewBox="0 0 {number(width)} {number(height)}" font-family="{FONT}" role="img">'
                f"<title>{escape(clean(title))}</title><defs>{definitions}</defs>"
                f'<rect width="100%" height="100%" fill="#fff"/>'
                + "\n".join([*self.back, *self.front]) + "</svg>\n")
