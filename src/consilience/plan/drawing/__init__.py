"""Draws a plan, whole or broken: as Mermaid, as one SVG picture, as a page to look around in."""

from consilience.plan.drawing._facts import Parameters
from consilience.plan.drawing._html import to_html
from consilience.plan.drawing._mermaid import to_mermaid
from consilience.plan.drawing._svg import to_svg

__all__ = ["Parameters", "to_html", "to_mermaid", "to_svg"]
