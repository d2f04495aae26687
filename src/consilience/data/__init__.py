"""Sources to fields to batches."""

from consilience.data._batches import LengthGroupedBatches
from consilience.data._collate import Collator, InputStep
from consilience.data._examples import Examples
from consilience.data._plan import DataPlan
from consilience.data._prepare import Prepared, prepare

__all__ = ["Collator", "DataPlan", "Examples", "InputStep", "LengthGroupedBatches", "Prepared", "prepare"]
