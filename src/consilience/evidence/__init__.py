"""Measures a trained model, and compares what was measured."""

from consilience.evidence._answers import Answer, answers_of
from consilience.evidence._changed import ChangedData
from consilience.evidence._compare import Comparison, compare
from consilience.evidence._device import best_device
from consilience.evidence._evaluate import evaluate
from consilience.evidence._report import AnswerReport, Report
from consilience.evidence._reproduce import reproduce
from consilience.evidence._reproduction import Change, Compared, Reproduction, Verdict
from consilience.evidence._workshop import Workshop

__all__ = [
    "Answer",
    "AnswerReport",
    "Change",
    "ChangedData",
    "Compared",
    "Comparison",
    "Report",
    "Reproduction",
    "Verdict",
    "Workshop",
    "answers_of",
    "best_device",
    "compare",
    "evaluate",
    "reproduce",
]
