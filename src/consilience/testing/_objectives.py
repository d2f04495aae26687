"""What balancers are tried on."""

from __future__ import annotations

__all__ = ["OBJECTIVES"]

OBJECTIVES = ("first", "second", "third")
"""The losses, or disciplines, that a balancer is built for by itself."""
