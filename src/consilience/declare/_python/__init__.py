"""Reads the Python that declared a fusion, to place its faults in it; imported when there is one to place."""

from consilience.declare._python._places import PythonPlaces

__all__ = ["PythonPlaces"]
