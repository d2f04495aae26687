"""The checks, in the order in which they are told."""

from consilience.testing._check import Check
from consilience.testing._checks import _declarations, _ports

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = (
    *_declarations.LEDGER.checks,
    *_ports.LEDGER.checks,
)
