"""Uses a trained model: answers in the labels of the fusion's fields."""

from consilience.serve._examples import ExampleReader, read_line
from consilience.serve._predictor import Predictor

__all__ = ["ExampleReader", "Predictor", "read_line"]
