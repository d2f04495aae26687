"""Sources to fields to batches.

What needs torch is imported when it is asked for, so that the data can be examined without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consilience.data._collate import Collator, InputStep
    from consilience.data._examine import examine
    from consilience.data._examples import ROW, Examples
    from consilience.data._order import TrainingOrder, training_order
    from consilience.data._plan import DataPlan
    from consilience.data._prepare import Prepared, prepare
    from consilience.data._training_rows import training_rows

__all__ = [
    "ROW",
    "Collator",
    "DataPlan",
    "Examples",
    "InputStep",
    "Prepared",
    "TrainingOrder",
    "examine",
    "prepare",
    "training_order",
    "training_rows",
]

_MODULES = {
    "ROW": "_examples",
    "Collator": "_collate",
    "DataPlan": "_plan",
    "Examples": "_examples",
    "InputStep": "_collate",
    "Prepared": "_prepare",
    "TrainingOrder": "_order",
    "examine": "_examine",
    "prepare": "_prepare",
    "training_order": "_order",
    "training_rows": "_training_rows",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'consilience.data' has no attribute {name!r}")
    return getattr(import_module(f"consilience.data.{_MODULES[name]}"), name)
