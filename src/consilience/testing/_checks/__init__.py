"""The checks, in the order in which they are told."""

from consilience.testing._check import Check
from consilience.testing._checks import (
    _balancers,
    _calls,
    _compiled,
    _declarations,
    _gradients,
    _inputs,
    _others,
    _plugin,
    _ports,
    _rows,
    _state,
)

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = (
    *_plugin.LEDGER.checks,
    *_declarations.LEDGER.checks,
    *_ports.LEDGER.checks,
    *_calls.LEDGER.checks,
    *_rows.LEDGER.checks,
    *_gradients.LEDGER.checks,
    *_state.LEDGER.checks,
    *_inputs.LEDGER.checks,
    *_others.LEDGER.checks,
    *_balancers.LEDGER.checks,
    *_compiled.LEDGER.checks,
)
"""Every check, in the order in which they are tried."""
