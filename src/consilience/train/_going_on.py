"""Runs a trainer on the course of a run: from its checkpoint on, with checkpoints to come, until a signal."""

from __future__ import annotations

from typing import Any

from consilience.plan import Plan
from consilience.train._checkpoints._survival import Requests, Survival
from consilience.train._course import Course
from consilience.train._trainer import FusionTrainer

__all__ = ["learn"]

_MOST_SECONDS = 15 * 60.0
"""How long a training goes without a checkpoint, where its file says nothing of them."""


def learn(trainer: FusionTrainer, course: Course, plan: Plan) -> Any:
    """Trains to the end; raises `Interrupted` after a step and its checkpoint where a signal asks for it."""
    trainer.checkpoints = course.checkpoints
    trainer.accepted = course.accepted & plan.fusion.train.model_dump().keys()
    is_told = any(plan.fusion.train.arguments.get(key) is not None for key in ("save_strategy", "save_steps"))
    seconds = None if is_told else _MOST_SECONDS
    checkpoint = str(course.checkpoint.path) if course.checkpoint else None
    with Requests() as requests:
        trainer.add_callback(Survival(course.run, requests, seconds, trainer.args.distributed_state))
        return trainer.train(resume_from_checkpoint=checkpoint)
