"""Estimates how wide a text is drawn, since a picture's reader has fonts that its writer does not know."""

from __future__ import annotations

import unicodedata

__all__ = ["shorten", "width"]

# Shares of the font size, in DejaVu Sans: the widest of the fonts that a page may fall back on.
_WIDTHS = dict.fromkeys("ijl|!.,:;'`", 0.32) | dict.fromkeys("frtI()[]/ -", 0.40) | dict.fromkeys("mwMW%@Σ", 0.95)
_CAPITAL, _OTHER, _WIDE = 0.72, 0.62, 1.05
_BOLD = 1.12


def width(text: str, size: float, *, is_bold: bool = False, monospaced: float | None = None) -> float:
    """Estimates a text's width from above, in the unit of `size`; `monospaced` is a character's share of it."""
    total = 0.0
    for char in text:
        if unicodedata.combining(char):
            continue
        if unicodedata.east_asian_width(char) in "WF":
            total += _WIDE
        elif monospaced is not None:
            total += monospaced
        else:
            total += _WIDTHS.get(char, _CAPITAL if char.isupper() else _OTHER)
    return total * size * (_BOLD if is_bold else 1.0)


def shorten(text: str, length: int = 28) -> str:
    """Cuts a text to a number of characters, the last an ellipsis; a title holds the whole."""
    return text if len(text) <= length else text[: length - 1] + "…"
