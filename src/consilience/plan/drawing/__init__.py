"""Draws a plan, whole or broken: as Mermaid, as one SVG picture, as a page to look around in."""

from consilience.plan.drawing._mermaid import to_mermaid
from consilience.plan.drawing._svg import to_svg

__all__ = ["to_mermaid", "to_svg"]
