"""The checks, in the order in which they are told."""

from consilience.testing._check import Check
from consilience.testing._checks import _compiled, _declarations, _gradients, _ports, _rows, _state

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = (
    *_declarations.LEDGER.checks,
    *_ports.LEDGER.checks,
    *_rows.LEDGER.checks,
    *_gradients.LEDGER.checks,
    *_state.LEDGER.checks,
    *_compiled.LEDGER.checks,
)
