"""Trains a plan: the objective, the trainer, the run that is left behind."""

from consilience.train._fingerprints import fingerprints
from consilience.train._gradients._parameters import Setting
from consilience.train._gradients._steps import gradient_step
from consilience.train._measure import measure, to_device
from consilience.train._objective._objective import Objective, Terms, Window
from consilience.train._runs._derived import derive
from consilience.train._runs._device import describe_device
from consilience.train._runs._interrupted import Interrupted
from consilience.train._runs._log import logged
from consilience.train._runs._picture import draw_course
from consilience.train._runs._run import Run
from consilience.train._train import train
from consilience.train._trainer import FusionTrainer
from consilience.train._validation import evaluation_loader

__all__ = [
    "FusionTrainer",
    "Interrupted",
    "Objective",
    "Run",
    "Setting",
    "Terms",
    "Window",
    "derive",
    "describe_device",
    "draw_course",
    "evaluation_loader",
    "fingerprints",
    "gradient_step",
    "logged",
    "measure",
    "to_device",
    "train",
]
