"""A name that moved: what a run was made from is asked of `fuse`, as what a saved model was made from is."""

from __future__ import annotations

from consilience import fuse
from consilience.declare import deprecated
from consilience.plan import Plan

__all__ = ["fingerprints"]


@deprecated(since="0.1", until="0.3", use="consilience.fuse.fingerprints")
def fingerprints(plan: Plan) -> dict[str, dict[str, dict[str, str]]]:
    """Gives what `consilience.fuse.fingerprints` gives, and warns."""
    return fuse.fingerprints(plan)
